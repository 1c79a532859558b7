//! The table with stubbed responses. The tests check the requests as DynamoDB receives them.

mod codes;
mod commit;
mod facts;
mod index;
mod lease;
mod load;
mod operator_api;
mod rows;

use std::str::FromStr;

use driftless_planner::decision::Decision;
use driftless_planner::fact::{ComplianceFact, ComplianceType, Fact};
use driftless_planner::history::{Change, HistoryEntry};
use driftless_planner::ids::FleetName;
use driftless_planner::notification::{Condition, Details, Notification};
use driftless_planner::observation::{Freeze, FreezeScope};
use driftless_planner::policy::{Defaults, Policy};
use driftless_planner::record::{PhaseKind, Record};
use driftless_reconciler::ports::{CallError, CallErrorKind, Lease};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use crate::stub::{Reply, StubAws};

fn parsed<T: FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

fn at(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(milliseconds).unwrap()
}

fn app() -> FleetName {
    parsed("app")
}

fn lease() -> Lease {
    Lease { fleet: app(), holder: "run-1".to_owned(), fence: 3, requests: 5, next_request: None, until: at(40_000) }
}

fn lease_item(holder: &str, fence: u64, requests: u64, until: i64) -> Value {
    json!({
        "pk": {"S": "FLEET#app"}, "sk": {"S": "LEASE"}, "schema_version": {"N": "1"}, "holder": {"S": holder},
        "until_ms": {"N": until.to_string()}, "fence": {"N": fence.to_string()}, "request_count": {"N": requests.to_string()},
    })
}

fn report(observed_at: Timestamp) -> Fact {
    Fact::Compliance(ComplianceFact {
        instance: parsed("i-0aa11bb22cc33dd44"),
        rule: parsed("approved-amis"),
        verdict: ComplianceType::NonCompliant,
        observed_at,
        annotation: Some("not the golden image".into()),
    })
}

fn freeze(scope: FreezeScope) -> Freeze {
    Freeze { reason: "incident".into(), owner: "ana".into(), since: at(0), expires_at: None, scope }
}

/// A row as DynamoDB would send it.
fn wire<R: Serialize>(row: &R) -> Value {
    let item: serde_dynamo::Item = serde_dynamo::to_item(row).unwrap();
    serde_json::to_value(item).unwrap()
}

fn entry(to: &str) -> HistoryEntry {
    let change = Change::Replacement {
        instance: parsed("i-0aa11bb22cc33dd44"),
        from: Some(PhaseKind::Debouncing),
        to: to.parse().unwrap(),
    };
    HistoryEntry { at: at(1_000), actor: "driftless".to_owned(), change, why: "".into() }
}

fn notification(number: usize) -> Notification {
    Notification {
        id: format!("app-8-{number}"),
        fleet: app(),
        groups: vec![parsed("app-blue")],
        at: at(1_000),
        details: Details::Entered { condition: Condition::BreakerOpen, detail: "3 of 4".into() },
    }
}

fn decision() -> Decision {
    Decision::keeping(Record { version: 8, ..Record::new(app()) })
}

/// A record with a replacement in each phase and every other field set.
fn full_record() -> Record {
    let policy = Policy::from_tags(&std::collections::BTreeMap::new(), &Defaults::default()).unwrap();
    let policy = serde_json::to_value(policy).unwrap();
    let surge = json!({
        "token": "t", "admitted_at": "2026-11-20T12:00:00Z", "existing_members": ["i-0000000000000000b"],
        "deadline": "2026-11-20T12:20:00Z", "base_desired": 3, "method": "launch-instances", "asked_again": false,
        "paused_since": null, "policy": policy,
    });
    let successor = "i-0000000000000000a";
    let phases = [
        json!("debouncing"),
        json!({"blocked": {"guard": "breaker", "drifted": 3, "members": 4, "limit": 25}}),
        json!({"launching": surge}),
        json!({"verifying": {"surge": surge, "successor": successor, "healthy_since": "2026-11-20T12:01:00.25Z"}}),
        json!({"retiring": {"surge": surge, "successor": successor, "deadline": "2026-11-20T12:30:00Z",
               "desired_before": 4, "terminated": true}}),
        json!({"terminating": {"surge": surge, "terminated": true}}),
        json!({"launching-after": {"surge": surge, "deadline": "2026-11-20T12:30:00Z", "successor": null,
               "healthy_since": null}}),
        json!({"cancelling": {"surge": surge, "successor": null, "because": {"failed": "it never came"},
               "deadline": "2026-11-20T12:30:00Z", "desired_before": 4, "taken_back": false}}),
        json!({"stopped": {"at": "2026-11-20T12:00:00Z",
               "why": {"repeat-drift": {"replaced_instance": successor, "image": "ami-0123456789abcdef0"}}}}),
    ];
    let finding = json!({"recorded_at": "2026-11-20T11:59:59Z", "annotation": null});
    let replacement = |phase: Value| {
        json!({
            "group": "app-blue", "zone": "us-east-1a", "drift": [{"rule": "approved-amis"}],
            "findings": {"approved-amis": finding}, "detected_at": "2026-11-20T11:00:00Z", "phase": phase,
            "failures": [{"at": "2026-11-20T11:30:00Z", "why": "no capacity"}],
        })
    };
    let replacements: serde_json::Map<String, Value> = phases
        .into_iter()
        .enumerate()
        .map(|(number, phase)| (format!("i-{number:017x}"), replacement(phase)))
        .collect();
    serde_json::from_value(json!({
        "schema_version": 1, "version": 7, "fleet": "app",
        "release": {"template": {"template": "lt-0123456789abcdef0", "version": 7}, "image": "ami-0123456789abcdef0",
                    "since": "2026-11-01T00:00:00Z", "build": "41"},
        "live": "blue",
        "replacements": replacements,
        "repeat_drift": {successor: {"ancestor": "i-0000000000000000b", "drift": [{"rule": "approved-amis"}],
                                "at": "2026-11-20T10:00:00Z"}},
        "shown": {successor: {"other-rule": finding}},
        "borrowed_settings": [
            {"group": "app-blue", "setting": {"maximum": {"had": 3, "wrote": 4}}, "since": "2026-11-20T10:30:00Z"},
            {"group": "app-blue", "setting": {"protection": {"instance": successor}}, "since": "2026-11-20T10:45:00Z"},
            {"group": "app-green", "setting": {"borrowed-minimum": {"had": 0, "wrote": [2, 4]}},
             "since": "2026-11-20T10:45:00Z"},
        ],
        "conditions": {"breaker-open": {"since": "2026-11-20T11:00:00Z", "announced_at": "2026-11-20T11:00:00Z",
                                        "detail": "3 of 4"}},
        "cutover": cutover(&policy),
        "memory": { "good": [], "past": [],
            "vetoes": {"ami-0123456789abcdef0": {"at": "2026-11-20T11:00:00Z", "by": "ana", "evidence": ["bad"]}},
            "deferred": {"ami-0123456789abcdef0": {"why": "no room", "until": "2026-11-20T11:30:00Z", "tries": 1}},
            "published": {"ami-0123456789abcdef0": {"at": "2026-11-20T11:00:00Z", "build": "42"}},
            "requested": {"redeploy": {"actor": "ana"}}, "refused": {"ami-0123456789abcdef0": "vetoed"},
        },
        "launches_by_desired_since": "2026-11-20T11:00:00Z",
        "backlog": [successor],
        "asked_to_replace": {successor: "ana"},
        "quarantined": {"i-0000000000000000c": {"group": "app-blue", "since": "2026-11-20T11:00:00Z",
                        "until": "2026-11-23T11:00:00Z", "drift": [{"rule": "approved-amis"}]}},
        "back_off": {"since": "2026-11-20T11:00:00Z", "until": "2026-11-20T11:02:00Z", "tries": 1, "message": "full"},
        "rule_breakers": {"approved-amis": {"since": "2026-11-20T11:00:00Z", "fleets": 3, "drifted": 5}},
        "denied": {"launch": {"at": "2026-11-20T11:00:00Z", "message": "not authorized"}},
    }))
    .unwrap()
}

/// A cutover, with a given policy, while its traffic is shifted.
fn cutover(policy: &Value) -> Value {
    let target_group =
        |name: &str| format!("arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/{name}/73e2d6bc24d8a067");
    let rule = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener-rule/app/web/50dc6c495c0c9188/\
                f2f7dc8efc522ab2/9683b2d02a6cabee";
    json!({
        "id": "app-1795172400",
        "candidate": {"image": "ami-0123456789abcdef1", "base": {"template": "lt-0123456789abcdef0", "version": 7},
                      "build": "42", "why": "image"},
        "old": "blue", "old_group": "app-blue", "new_group": "app-green",
        "route": {"weighted": {"place": {"rule": rule}, "old": target_group("blue"), "new": target_group("green")}},
        "rollback_to": {"template": {"template": "lt-0123456789abcdef0", "version": 7},
                        "image": "ami-0123456789abcdef0", "since": "2026-11-01T00:00:00Z", "build": null},
        "phase": {"shifting": {"step": 1, "before": {target_group("blue"): 90, target_group("green"): 10},
                  "effective_since": null, "changed_outside_since": null, "is_first": false}},
        "since": "2026-11-20T11:00:00Z", "deadline": "2026-11-20T12:00:00Z", "paused_since": null, "paused": null,
        "approved": null, "is_expedited": false, "started_at": "2026-11-20T10:30:00Z", "bounds": {"min": 1, "max": 9},
        "hook_timeout": "PT0S", "template": {"template": "lt-0123456789abcdef1", "version": 3}, "size": 4,
        "launched": ["i-0000000000000000d"], "evidence": [],
        "waits": {"guard": "pause", "actor": "ana"}, "policy": policy,
    })
}

/// The parts of the transaction, which must be the only recorded request.
fn parts(stub: &StubAws) -> Vec<Value> {
    stub.only().json()["TransactItems"].as_array().unwrap().clone()
}

/// The response to a transaction that was cancelled for these reasons, one for each part.
fn cancelled(reasons: &[Value]) -> String {
    json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": "Transaction cancelled, please refer cancellation reasons for specific reasons",
        "CancellationReasons": reasons,
    })
    .to_string()
}

fn fine() -> Value {
    json!({"Code": "None"})
}

fn failed() -> Value {
    json!({"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"})
}

/// The response to a write whose condition failed, with the current item if there is one.
fn condition_failed(item: Option<&Value>) -> String {
    let mut answer = json!({
        "__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
        "message": "The conditional request failed",
    });
    if let Some(item) = item {
        answer["Item"] = item.clone();
    }
    answer.to_string()
}

fn told(error: &CallError) -> (CallErrorKind, &str) {
    (error.kind, error.message.as_str())
}
