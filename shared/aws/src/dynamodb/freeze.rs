//! Freezes. The command of an operator writes them, and every run reads them.

use driftless_planner::observation::{Freeze, FreezeScope};
use driftless_reconciler::ports::CallResult;

use crate::dynamodb::Table;
use crate::dynamodb::rows::{FREEZE, FreezeRow, SCHEMA_VERSION, freeze_partition, key, to_item};
use crate::error::call_error;

const PUT: &str = "dynamodb:PutItem";
const DELETE: &str = "dynamodb:DeleteItem";

impl Table<'_> {
    pub(crate) async fn set_freeze(&self, freeze: &Freeze) -> CallResult<()> {
        let row = FreezeRow {
            pk: freeze_partition(&freeze.scope),
            sk: FREEZE.to_owned(),
            schema_version: SCHEMA_VERSION,
            freeze: freeze.clone(),
        };
        let request = self.client.put_item().table_name(self.name).set_item(Some(to_item(PUT, &row)?));
        request.send().await.map(|_| ()).map_err(|error| call_error(PUT, error))
    }

    pub(crate) async fn lift_freeze(&self, scope: &FreezeScope) -> CallResult<()> {
        let key = key(freeze_partition(scope), FREEZE);
        let request = self.client.delete_item().table_name(self.name).set_key(Some(key));
        request.send().await.map(|_| ()).map_err(|error| call_error(DELETE, error))
    }
}
