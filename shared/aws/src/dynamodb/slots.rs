//! The cutover slots, which all fleets of an account and region share.

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use driftless_planner::ids::FleetName;
use driftless_planner::text::UntrustedText;
use driftless_reconciler::ports::{CallError, CallErrorKind, CallResult};
use jiff::Timestamp;

use crate::dynamodb::Table;
use crate::dynamodb::items::{Freshness, number};
use crate::dynamodb::rows::{ACCOUNT, SCHEMA_VERSION, SLOTS, SlotsRow, from_item, key, to_item};
use crate::error::call_error;

const BATCH_GET: &str = "dynamodb:BatchGetItem";
const PUT: &str = "dynamodb:PutItem";

impl Table<'_> {
    /// Reads the cutover slots that fleets hold.
    pub(crate) async fn slots(&self, freshness: Freshness) -> CallResult<SlotsRow> {
        let items = self.get_all(vec![key(ACCOUNT, SLOTS)], freshness).await?;
        items.into_iter().next().map_or_else(|| Ok(none()), |item| from_item(BATCH_GET, item, SCHEMA_VERSION))
    }

    /// Takes a cutover slot for a fleet. Returns false when other fleets hold all of them. A fleet that already holds a
    /// slot keeps it and gets true.
    pub(crate) async fn take_slot(&self, fleet: &FleetName, limit: usize, now: Timestamp) -> CallResult<bool> {
        self.patiently(fleet.as_str(), || async {
            let mut row = self.slots(Freshness::Strong).await?;
            if row.slots_ms.contains_key(fleet) {
                return Ok(true);
            }
            if row.slots_ms.len() >= limit {
                return Ok(false);
            }
            row.slots_ms.insert(fleet.clone(), now.as_millisecond());
            self.replace_slots(row).await.map(|()| true)
        })
        .await
    }

    /// Returns the cutover slot of a fleet. Does nothing when the fleet holds none.
    pub(crate) async fn give_slot(&self, fleet: &FleetName) -> CallResult<()> {
        self.patiently(fleet.as_str(), || async {
            let mut row = self.slots(Freshness::Strong).await?;
            if row.slots_ms.remove(fleet).is_none() {
                return Ok(());
            }
            self.replace_slots(row).await
        })
        .await
    }

    /// Writes the slots, on condition that they are still those that were read. Fails with `Busy` when another write
    /// came in between.
    async fn replace_slots(&self, row: SlotsRow) -> CallResult<()> {
        let read = row.version;
        let item = to_item(PUT, &SlotsRow { version: read + 1, ..row })?;
        let request = self
            .client
            .put_item()
            .table_name(self.name)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk) OR #version = :read")
            .expression_attribute_names("#version", "version")
            .expression_attribute_values(":read", number(read));
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(_)) => Err(CallError {
                    operation: PUT,
                    kind: CallErrorKind::Busy,
                    message: UntrustedText::from("the turns of cutovers were written in between"),
                    source: None,
                }),
                Some(_) | None => Err(call_error(PUT, error)),
            },
        }
    }
}

fn none() -> SlotsRow {
    SlotsRow {
        pk: ACCOUNT.to_owned(),
        sk: SLOTS.to_owned(),
        schema_version: SCHEMA_VERSION,
        version: 0,
        slots_ms: std::collections::BTreeMap::new(),
    }
}
