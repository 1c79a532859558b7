//! docs/desk.md says what can be asked and ordered: every example in it is one, and nothing is missing.

use std::collections::BTreeSet;

use driftless_planner::fact::Command;
use driftless_status::request::{Deed, Order, Question};
use serde_json::{Value, json};

const PAGE: &str = include_str!("../../../../docs/desk.md");

/// The examples in the tables of a section: what stands between back quotes and is JSON.
fn examples(section: &str) -> Vec<Value> {
    let text = PAGE.split("\n## ").find(|text| text.starts_with(section)).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| "));
    rows.flat_map(|row| row.split('`').skip(1).step_by(2))
        .filter_map(|quoted| serde_json::from_str(quoted).ok())
        .collect()
}

#[test]
fn every_question_of_the_page_can_be_asked_and_every_kind_is_there() {
    let kinds: BTreeSet<&str> = examples("Questions")
        .into_iter()
        .map(|example| {
            match serde_json::from_value(example.clone()).unwrap_or_else(|error| panic!("{example}: {error}")) {
                Question::Fleets => "fleets",
                Question::Fleet { .. } => "fleet",
                Question::Why { .. } => "why",
                Question::History { .. } => "history",
            }
        })
        .collect();
    assert_eq!(kinds, BTreeSet::from(["fleet", "fleets", "history", "why"]));
}

#[test]
fn every_order_of_the_page_can_be_given_and_every_command_is_there() {
    let mut seen = BTreeSet::new();
    for example in examples("Orders") {
        let order = json!({"request": "request-1", "deed": example});
        let order: Order = serde_json::from_value(order).unwrap_or_else(|error| panic!("{example}: {error}"));
        seen.insert(match order.deed {
            Deed::Freeze { expires_at: None, .. } => "freeze",
            Deed::Freeze { expires_at: Some(_), .. } => "freeze until",
            Deed::Thaw { .. } => "thaw",
            Deed::Command { command, .. } => match command {
                Command::Pause => "pause",
                Command::Resume => "resume",
                Command::Approve => "approve",
                Command::Reject => "reject",
                Command::Promote => "promote",
                Command::Abort => "abort",
                Command::Rollback => "rollback",
                Command::Retry => "retry",
                Command::Replace { .. } => "replace",
                Command::Redeploy => "redeploy",
                Command::Veto { .. } => "veto",
                Command::Unveto { .. } => "unveto",
                Command::Pin => "pin",
                Command::AcceptLive { .. } => "accept-live",
            },
        });
    }
    assert_eq!(seen.len(), 17, "{seen:?}");
}
