//! What on-call reads, word by word.

use driftless_testkit::{id, mins, t0};
use std::collections::BTreeSet;

use driftless_planner::ids::FleetName;
use driftless_planner::notification::{Condition, Details, Notification, Runbooks, SUBJECT_LENGTH_MAX, Severity};
use driftless_planner::text::UntrustedText;
use serde_json::Value;

use crate::support::letters::{conditions, details, notification, variants};

#[test]
fn each_message_reads_as_agreed() {
    for (name, details) in details() {
        let message = notification(details, &["app-blue", "app-green"]).message().unwrap();
        let shown = format!(
            "{}\n\n{}\n--- for machines\n{}\n\n--- for chat\n{}\n",
            message.subject,
            message.text,
            readable(&message.json),
            readable(&message.chat)
        );
        insta::assert_snapshot!(name, shown);
    }
}

/// JSON as a reviewer reads it. Whether a parsed object keeps its order depends on the features of whatever is built
/// together: it is sorted.
fn readable(json: &str) -> String {
    let mut json: Value = serde_json::from_str(json).unwrap();
    json.sort_all_objects();
    serde_json::to_string_pretty(&json).unwrap()
}

/// Texts that stand for another text.
const PLACEHOLDERS: [&str; 8] = ["the detail", "as AWS said it", "(the ", "(...)", "(…)", "{", "}", "TODO"];

#[test]
fn no_golden_message_contains_a_placeholder() {
    for (name, details) in details() {
        let message = notification(details, &["app-blue", "app-green"]).message().unwrap();
        let json: Value = serde_json::from_str(&message.json).unwrap();
        let said = ["what", "why", "next"].map(|field| json[field].as_str().unwrap());
        for text in said.into_iter().chain([message.subject.as_str(), message.text.as_str()]) {
            for placeholder in PLACEHOLDERS {
                assert!(!text.contains(placeholder), "{name}: {placeholder:?} in {text}");
            }
            assert!(!text.trim().is_empty(), "{name}");
        }
    }
}

#[test]
fn the_end_of_each_condition_has_a_text_of_its_own() {
    for condition in conditions() {
        let details = Details::Ended { condition: condition.key(), since: t0() - mins(30) };
        let message = notification(details, &[]).message().unwrap();
        let json: Value = serde_json::from_str(&message.json).unwrap();
        let what = json["what"].as_str().unwrap();
        assert!(what.starts_with("resolved: ") && !what.contains(condition.name()), "{what}");
        assert!(json["why"].as_str().unwrap().ends_with("and lasted 30m"), "{json}");
    }
}

#[test]
fn each_kind_of_notification_and_each_condition_has_a_golden_message() {
    let samples: Vec<Details> = details().into_iter().map(|(_, details)| details).collect();
    let tag = |details: &Details| serde_json::to_value(details).unwrap()["kind"].as_str().unwrap().to_owned();
    assert_eq!(samples.iter().map(tag).collect::<BTreeSet<_>>(), variants::<Details>("kind"));
    let conditions: BTreeSet<String> = conditions().iter().map(|condition| condition.name().to_owned()).collect();
    assert_eq!(conditions, variants::<Condition>("condition"));
    let entered = samples.iter().filter(|details| details.kind() == "entered").filter_map(Details::condition);
    assert_eq!(entered.map(str::to_owned).collect::<BTreeSet<_>>(), conditions);
}

#[test]
fn a_message_survives_the_outbox() {
    for (name, details) in details() {
        let notification = notification(details, &["app-blue"]);
        let json = serde_json::to_string(&notification).unwrap();
        assert_eq!(serde_json::from_str::<Notification>(&json).unwrap(), notification, "{name}");
    }
}

#[test]
fn a_subject_is_short_printable_ascii() {
    let long_fleet: FleetName = "a".repeat(40).parse().unwrap();
    let mut subjects = Vec::new();
    for (_, details) in details() {
        subjects.push(notification(details.clone(), &[]).message().unwrap().subject);
        let of_long = Notification { fleet: long_fleet.clone(), ..notification(details, &[]) };
        subjects.push(of_long.message().unwrap().subject);
    }
    for action in ["launch".to_owned(), "ä\n😀".repeat(100)] {
        let details = Details::Entered { condition: Condition::PermissionDenied { action }, detail: "x".into() };
        subjects.push(notification(details, &[]).message().unwrap().subject);
    }
    let details = Details::Ended { condition: "would-replace:\u{1b}[31m".to_owned(), since: t0() };
    subjects.push(notification(details, &[]).message().unwrap().subject);
    for subject in subjects {
        assert!(subject.len() <= SUBJECT_LENGTH_MAX && SUBJECT_LENGTH_MAX < 100, "{subject}");
        assert!(subject.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{subject}");
        assert!(subject.starts_with('['), "{subject}");
    }
}

#[test]
fn every_message_has_a_command_and_every_one_to_act_on_a_runbook() {
    for (name, details) in details() {
        let notification = notification(details, &["app-blue"]);
        let message = notification.message().unwrap();
        let json: Value = serde_json::from_str(&message.json).unwrap();
        let commands = json["commands"].as_array().unwrap();
        assert!(!commands.is_empty(), "{name}");
        for command in commands {
            let command = command["command"].as_str().unwrap();
            assert!(message.text.contains(&format!("\n           {command}\n")), "{name}: {command}");
            assert!(message.chat.contains(&format!("`{command}`")), "{name}: {command}");
        }
        let is_for_people_to_act_on = message.severity >= Severity::Notify;
        assert_eq!(json["runbook"].is_string(), is_for_people_to_act_on, "{name}");
        assert_eq!(message.text.contains("\nRunbook    docs/runbooks/"), is_for_people_to_act_on, "{name}");
    }
}

#[test]
fn what_acts_or_will_act_says_how_to_stop_or_undo_it() {
    let acts = [
        "replacement-started",
        "replacement-cancelled-failed",
        "cutover-started",
        "rolling-back",
        "cutover-done",
        "vetoed",
    ];
    for (name, details) in details().into_iter().filter(|(name, _)| acts.contains(&name.as_str())) {
        let json = notification(details, &[]).message().unwrap().json;
        let json: Value = serde_json::from_str(&json).unwrap();
        assert!(["pause", "roll-back"].contains(&json["commands"][0]["purpose"].as_str().unwrap()), "{name}");
    }
}

#[test]
fn entered_reminder_and_end_land_in_one_thread() {
    let thread = |details, at| {
        let message = Notification { at, ..notification(details, &[]) }.message().unwrap();
        let json: Value = serde_json::from_str(&message.json).unwrap();
        let chat: Value = serde_json::from_str(&message.chat).unwrap();
        assert_eq!(json["thread"], chat["metadata"]["threadId"]);
        json["thread"].as_str().unwrap().to_owned()
    };
    let (condition, detail) = (Condition::DrainOverdue { instance: id(1) }, UntrustedText::from("x"));
    let later = t0() + mins(1440);
    let entered = thread(Details::Entered { condition: condition.clone(), detail: detail.clone() }, t0());
    let lasts = Details::Lasts { condition: condition.clone(), detail: detail.clone(), since: t0() };
    assert_eq!(thread(lasts, later), entered);
    assert_eq!(thread(Details::Ended { condition: condition.key(), since: t0() }, later + mins(3)), entered);
    // The next time it is another matter, and so it is for another instance.
    assert_ne!(thread(Details::Entered { condition, detail: detail.clone() }, later), entered);
    let other = Condition::DrainOverdue { instance: id(2) };
    assert_ne!(thread(Details::Entered { condition: other, detail }, t0()), entered);
}

#[test]
fn one_piece_of_work_is_one_thread() {
    let thread = |name: &str| {
        let (_, details) = details().into_iter().find(|(known, _)| known == name).unwrap();
        let json = notification(details, &[]).message().unwrap().json;
        serde_json::from_str::<Value>(&json).unwrap()["thread"].as_str().unwrap().to_owned()
    };
    for part in ["rolling-back", "cutover-done", "cutover-rolled-back", "vetoed"] {
        assert_eq!(thread(part), thread("cutover-started"), "{part}");
    }
    for part in ["replacement-goes-first", "replaced", "replacement-cancelled-failed", "stopped-failures"] {
        assert_eq!(thread(part), thread("replacement-started"), "{part}");
    }
    assert_ne!(thread("cutover-started"), thread("replacement-started"));
}

#[test]
fn runbooks_are_linked_where_the_stack_says_that_they_are() {
    let (_, details) = details().into_iter().find(|(name, _)| name == "rolling-back").unwrap();
    let notification = notification(details, &[]);
    let read = |runbooks: &Runbooks| {
        let text = notification.message_with(runbooks).unwrap().text;
        text.lines().find_map(|line| line.strip_prefix("Runbook    ").map(str::to_owned)).unwrap()
    };
    assert_eq!(read(&Runbooks::default()), "docs/runbooks/rolling-back.md");
    assert_eq!(read(&"".parse().unwrap()), "docs/runbooks/rolling-back.md");
    for base in ["https://git.example.org/ops/driftless/blob/main", "https://git.example.org/ops/driftless/blob/main/"]
    {
        let link = "https://git.example.org/ops/driftless/blob/main/docs/runbooks/rolling-back.md";
        assert_eq!(read(&base.parse().unwrap()), link);
    }
    for base in [
        "http://a.example",
        "a.example",
        "https://",
        "https:///",
        "https://a.example/<b>",
        "https://a b",
        "https://a?b",
    ] {
        assert!(base.parse::<Runbooks>().is_err(), "{base}");
    }
}

#[test]
fn every_command_that_is_ever_suggested_is_listed() {
    let mut commands = BTreeSet::new();
    for (_, details) in details() {
        let json: Value = serde_json::from_str(&notification(details, &[]).message().unwrap().json).unwrap();
        let suggested = json["commands"].as_array().unwrap().iter();
        commands.extend(suggested.map(|suggestion| suggestion["command"].as_str().unwrap().to_owned()));
    }
    // The tool is tested against this list: what a message suggests must be something that it understands.
    insta::assert_snapshot!("suggested-commands", commands.into_iter().collect::<Vec<_>>().join("\n"));
}
