//! docs/api.md: every example is valid, by the types and by the published schemas, and no query or command is missing.

use std::collections::BTreeSet;

use driftless_planner::fact::Command;
use driftless_status::request::{Answer, Order, Question, Reply, RequestedAction};
use serde_json::{Value, json};

use crate::schemas::problems;

const PAGE: &str = include_str!("../../../../docs/api.md");

/// The examples in the tables of a section: every text between backquotes that is JSON.
fn examples(section: &str) -> Vec<Value> {
    let text = PAGE.split("\n## ").find(|text| text.starts_with(section)).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| "));
    rows.flat_map(|row| row.split('`').skip(1).step_by(2))
        .filter_map(|quoted| serde_json::from_str(quoted).ok())
        .collect()
}

#[test]
fn every_query_of_the_page_is_valid_and_every_kind_is_there() {
    let kinds: BTreeSet<&str> = examples("Queries")
        .into_iter()
        .map(|example| {
            assert_eq!(problems("status-query.v1.json", &example), [""; 0], "{example}");
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
fn every_request_of_the_page_is_valid_and_every_command_is_there() {
    let mut seen = BTreeSet::new();
    for example in examples("Requests") {
        let order = json!({"request": "request-1", "action": example});
        assert_eq!(problems("operator-request.v1.json", &order), [""; 0], "{example}");
        let order: Order = serde_json::from_value(order).unwrap_or_else(|error| panic!("{example}: {error}"));
        seen.insert(match order.action {
            RequestedAction::Freeze { expires_at: None, .. } => "freeze",
            RequestedAction::Freeze { expires_at: Some(_), .. } => "freeze until",
            RequestedAction::Thaw { .. } => "thaw",
            RequestedAction::Command { command, .. } => match command {
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

#[test]
fn every_response_of_the_page_is_valid_and_can_be_read() {
    let blocks = PAGE.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let responses: Vec<Value> = blocks
        .map(|block| serde_json::from_str(block).unwrap())
        .filter(|block: &Value| block.get("response").is_some())
        .collect();
    let [refused, done] = &responses[..] else { panic!("{responses:?}") };
    for (name, document) in [
        ("status-response.v1.json", refused),
        ("operator-response.v1.json", refused),
        ("operator-response.v1.json", done),
    ] {
        assert_eq!(problems(name, document), [""; 0], "{document}");
    }
    assert!(matches!(serde_json::from_value(refused.clone()), Ok(Answer::Refused(_))));
    assert!(matches!(serde_json::from_value(done.clone()), Ok(Reply::CommandResult(_))));
}

#[test]
fn a_request_with_an_unknown_or_a_missing_key_is_refused_by_its_type_and_by_its_schema() {
    for wrong in [
        json!({"request": "r", "order": {"thaw": {"scope": "account"}}}),
        json!({"request": "r", "action": {"freeze": {"scope": "account", "expires-at": "2026-12-01T08:00:00Z"}}}),
        json!({"request": "r", "action": {"thaw": {"scope": "account"}}, "note": "x"}),
        json!({"action": {"thaw": {"scope": "account"}}}),
    ] {
        assert!(serde_json::from_value::<Order>(wrong.clone()).is_err(), "{wrong}");
        assert_ne!(problems("operator-request.v1.json", &wrong), [""; 0], "{wrong}");
    }
}
