//! The JSON schemas of the documents of the operator API and of `driftless --json`. They are generated from the Rust
//! types and published in `docs/schemas`.

use driftless_planner::notification::schema_settings;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};

use crate::history::History;
use crate::model::FleetStatus;
use crate::request::{Answer, CommandResult, Order, Question, Reply};
use crate::summary::FleetsSummary;
use crate::why::Why;

/// Every published schema of this crate, each with the name of its file.
pub fn all() -> Vec<(&'static str, Schema)> {
    vec![
        ("status-fleet.v1.json", written::<FleetStatus>()),
        ("status-summary.v1.json", written::<FleetsSummary>()),
        ("status-why.v1.json", written::<Why>()),
        ("status-history.v1.json", written::<History>()),
        ("status-response.v1.json", written::<Answer>()),
        ("status-query.v1.json", read::<Question>()),
        ("operator-request.v1.json", read::<Order>()),
        ("operator-response.v1.json", written::<Reply>()),
        ("command-result.v1.json", written::<CommandResult>()),
    ]
}

/// The schema of a document that Driftless writes.
fn written<T: JsonSchema>() -> Schema {
    of::<T>(schema_settings())
}

/// The schema of a document that Driftless reads. A field that has a default may be absent.
fn read<T: JsonSchema>() -> Schema {
    of::<T>(schema_settings().for_deserialize())
}

fn of<T: JsonSchema>(settings: SchemaSettings) -> Schema {
    settings.into_generator().into_root_schema_for::<T>()
}
