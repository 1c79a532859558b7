//! The history: an entry is stored as it is shown, and is read back unchanged.

use std::collections::BTreeMap;

use driftless_planner::history::{Change, ChangeKind, Evidence, HistoryEntry, ImageChange};
use driftless_planner::record::{Cutover, CutoverOutcome, CutoverPhase, CutoverPhaseKind, Phase, PhaseKind};
use driftless_planner::transitions::{CUTOVER, REPLACEMENT, ReplacementStep, Step};
use driftless_testkit::{Stage, id, image_id, secs, t0, version};
use serde_json::{Value, json};

use crate::cutover::weighted_fleet;

fn evidence() -> Evidence {
    let (mut stage, _) = Stage::retiring(3);
    stage.step(secs(1));
    stage.history.iter().find_map(HistoryEntry::evidence).unwrap().clone()
}

/// One entry of each kind and shape, with its shown text.
fn changes() -> Vec<(Change, &'static str, &'static str)> {
    let setting = "borrowed_settings: MaxSize of app (had 4)";
    vec![
        (
            Change::Evidence { instance: id(1), phase: PhaseKind::Verifying, kept: Box::new(evidence()) },
            "verifying",
            "evidence",
        ),
        (Change::ExtraInstanceKept { instance: id(1) }, "cancelling", "extra-instance-kept"),
        (Change::Quarantine { instance: id(1), is_kept: true }, "replaced", "quarantined"),
        (Change::Quarantine { instance: id(1), is_kept: false }, "quarantined", "ended"),
        (Change::Finding { instance: id(1) }, "", "shown"),
        (Change::CutoverWaits { phase: CutoverPhaseKind::Retiring }, "retiring", "waiting"),
        (Change::Condition { key: "preflight".to_owned(), is_over: false }, "", "preflight"),
        (Change::Condition { key: "awaiting-approval".to_owned(), is_over: true }, "awaiting-approval", "resolved"),
        (Change::RuleBreaker { is_open: true }, "", "rule-breaker-open"),
        (Change::RuleBreaker { is_open: false }, "rule-breaker-open", "closed"),
        (Change::Command { command: "abort".to_owned(), is_done: true }, "abort", "done"),
        (Change::Command { command: "retry".to_owned(), is_done: false }, "retry", "not-done"),
        (Change::Setting { setting: setting.to_owned(), instance: None }, setting, "released"),
        (
            Change::Setting { setting: "borrowed_settings: x".to_owned(), instance: Some(id(1)) },
            "borrowed_settings: x",
            "released",
        ),
        (Change::Image { image: image_id(2), change: ImageChange::Announced }, "", "ami-00000000000000002"),
        (Change::Image { image: image_id(2), change: ImageChange::Refused }, "ami-00000000000000002", "refused"),
        (Change::Image { image: image_id(2), change: ImageChange::Vetoed }, "ami-00000000000000002", "vetoed"),
        (Change::Image { image: image_id(2), change: ImageChange::Unvetoed }, "ami-00000000000000002", "unvetoed"),
    ]
}

fn entry(change: Change) -> HistoryEntry {
    HistoryEntry { at: t0(), actor: "driftless".to_owned(), change, why: "so".into() }
}

fn is_read_as_it_was(change: &Change) -> Value {
    let written = entry(change.clone());
    let stored = serde_json::to_value(&written).unwrap();
    assert_eq!(serde_json::from_value::<HistoryEntry>(stored.clone()).unwrap(), written, "{stored}");
    // The first version stored no kind.
    let mut old = stored.clone();
    old.as_object_mut().unwrap().remove("kind");
    assert_eq!(serde_json::from_value::<HistoryEntry>(old).unwrap(), written, "{stored}");
    assert_eq!((&stored["from"], &stored["to"]), (&json!(written.from()), &json!(written.to())));
    stored
}

#[test]
fn each_kind_of_entry_is_stored_in_the_words_that_it_is_shown_by_and_read_as_it_was() {
    let mut kinds: Vec<ChangeKind> = Vec::new();
    for (change, from, to) in changes() {
        let stored = is_read_as_it_was(&change);
        assert_eq!((stored["from"].as_str(), stored["to"].as_str()), (Some(from), Some(to)));
        kinds.push((&change).into());
    }
    let adoption = |from| Change::Adoption { from, to: version(2) };
    assert_eq!(is_read_as_it_was(&adoption(None))["from"], "");
    assert_eq!(is_read_as_it_was(&adoption(Some(version(1))))["from"], json!(version(1).to_string()));
    for (from, to) in REPLACEMENT.iter().flat_map(|(from, steps)| steps.iter().map(move |to| (*from, *to))) {
        is_read_as_it_was(&Change::Replacement { instance: id(1), from, to });
    }
    for (from, to) in CUTOVER.iter().flat_map(|(from, steps)| steps.iter().map(move |to| (*from, *to))) {
        is_read_as_it_was(&Change::Cutover { from, to });
    }
    kinds.extend([ChangeKind::Adoption, ChangeKind::Replacement, ChangeKind::Cutover]);
    kinds.sort();
    kinds.dedup();
    assert_eq!(kinds.len(), 13, "each kind: {kinds:?}");
}

#[test]
fn an_entry_whose_words_no_kind_says_is_refused_with_them() {
    let stored = |kind: &str, from: &str, to: &str, instance: Value| {
        json!({
            "at": t0(), "kind": kind, "instance": instance, "from": from, "to": to, "why": "", "actor": "", "evidence": null
        })
    };
    for (kind, from, to) in [
        ("replacement", "launching", "lunching"),
        ("replacement", "lunching", "verifying"),
        ("cutover", "queued", "launching"),
        ("condition", "preflight", "under"),
        ("command", "abort", "perhaps"),
        ("setting", "MaxSize", "done"),
        ("image", "ami-1", "vetoed"),
        ("evidence", "verifying", "evidence"),
        ("adoption", "", "version 2"),
    ] {
        let error = serde_json::from_value::<HistoryEntry>(stored(kind, from, to, json!(id(1)))).unwrap_err();
        let words = format!("a history entry of kind {kind} goes from {from:?} to {to:?}, which no such entry does");
        assert_eq!(error.to_string(), words);
    }
    let without = stored("replacement", "launching", "verifying", Value::Null);
    assert!(serde_json::from_value::<HistoryEntry>(without).is_err(), "of which instance?");
}

#[test]
fn a_condition_with_the_name_of_a_phase_is_no_step_of_a_cutover() {
    let mut stage = weighted_fleet(4);
    stage.tag("approval", "manual");
    stage.publish(2);
    stage.until_phase("awaiting-approval");
    stage.say(driftless_planner::fact::Command::Approve);
    stage.until_phase("baking");
    let over = stage.history.iter().filter(|entry| entry.to() == "resolved" && entry.from() == "awaiting-approval");
    let kinds: Vec<ChangeKind> = over.map(|entry| (&entry.change).into()).collect();
    assert_eq!(kinds, [ChangeKind::Condition]);
    let told = crate::events::details(&stage.events);
    let told = told.iter().find(|detail| detail["from"] == "awaiting-approval" && detail["to"] == "resolved").unwrap();
    assert_eq!(told["machine"], "condition");
}

/// The words under which the data of a phase are stored.
fn stored_word(phase: &Value) -> String {
    let word = phase.as_str().or_else(|| phase.as_object()?.keys().next().map(String::as_str));
    word.unwrap_or_else(|| panic!("{phase}")).to_owned()
}

#[test]
fn a_phase_is_stored_by_the_word_that_is_shown_and_the_word_of_the_first_version_is_read() {
    let mut stage = weighted_fleet(4);
    stage.publish(2);
    let mut seen: BTreeMap<CutoverPhaseKind, Cutover> = BTreeMap::new();
    while stage.record().memory.past.is_empty() {
        stage.step(secs(15));
        if let Some(cutover) = stage.record().cutover.clone() {
            let stored = serde_json::to_value(cutover.phase()).unwrap();
            assert_eq!(stored_word(&stored), cutover.phase().name());
            seen.insert(cutover.phase().kind(), cutover);
        }
    }
    for phase in [CutoverPhaseKind::Scaling, CutoverPhaseKind::Shifting, CutoverPhaseKind::Warm] {
        assert!(seen.contains_key(&phase), "{phase}");
    }
    for outcome in CutoverOutcome::all() {
        assert_eq!(serde_json::to_value(outcome).unwrap(), json!(outcome.name()));
    }
    let old: CutoverPhase = serde_json::from_value(json!("retiring")).unwrap();
    assert_eq!(old.name(), "retiring");
    let mut stored = serde_json::to_value(&seen[&CutoverPhaseKind::Retiring]).unwrap();
    stored["phase"] = json!("retiring");
    let read: Cutover = serde_json::from_value(stored).unwrap();
    assert_eq!(read.phase().kind(), CutoverPhaseKind::Retiring);
    assert_eq!(stored_word(&serde_json::to_value(Phase::Debouncing).unwrap()), PhaseKind::Debouncing.to_string());
}

#[test]
fn a_step_is_read_by_its_word_whether_it_is_a_phase_or_an_end() {
    assert_eq!("verifying".parse(), Ok(ReplacementStep::Enters(PhaseKind::Verifying)));
    assert_eq!("replaced".parse::<ReplacementStep>().unwrap().phase(), None);
    assert!("done".parse::<ReplacementStep>().is_err());
    let words = REPLACEMENT.iter().flat_map(|(_, steps)| *steps);
    for step in words {
        assert_eq!(step.to_string().parse(), Ok(*step));
    }
    assert!(matches!("done".parse(), Ok(Step::<CutoverPhaseKind, _>::Ends(CutoverOutcome::Done))));
}
