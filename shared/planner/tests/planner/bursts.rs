//! What happens many times at once is one message, out of one decision.

use driftless_planner::decision::Decision;
use driftless_planner::fact::Command;
use driftless_planner::notification::{Details, FOLD_ABOVE, FOLD_NAMES, Notification};
use driftless_testkit::{Stage, id, mins};
use serde_json::Value;

/// The decision in which so many replacements begin at once.
fn burst(size: usize) -> (Stage, Decision) {
    let drifted: Vec<u32> = (1..=u32::try_from(size).unwrap()).collect();
    let mut stage = Stage::new(40);
    stage.tag("budget", "20");
    stage.tag("breaker", "100%");
    for number in &drifted {
        stage.drift(*number);
    }
    stage.reconcile();
    stage.wait(mins(5));
    let decision = stage.decide();
    (stage, decision)
}

fn starts(decision: &Decision) -> Vec<&Notification> {
    decision.notifications.iter().filter(|told| told.kind() == "replacement-started").collect()
}

#[test]
fn five_messages_of_a_kind_are_sent_singly_and_six_as_one() {
    for (size, told) in [(FOLD_ABOVE - 1, FOLD_ABOVE - 1), (FOLD_ABOVE, FOLD_ABOVE), (FOLD_ABOVE + 1, 1)] {
        let (_, decision) = burst(size);
        let starts = starts(&decision);
        assert_eq!(starts.len(), told, "{size} begin at once");
        let counted: u32 = starts.iter().map(|told| told.details.count()).sum();
        assert_eq!(usize::try_from(counted).unwrap(), size, "none is lost");
    }
}

#[test]
fn a_burst_names_the_first_few_and_counts_the_rest() {
    let (_, decision) = burst(9);
    let [only] = starts(&decision)[..] else { panic!("one message") };
    let Details::Many { count: 9, example, others } = &only.details else { panic!("{:?}", only.details) };
    assert_eq!(1 + others.len(), FOLD_NAMES);
    let is_of = |details: &Details, number| matches!(details, Details::ReplacementStarted { instance, .. } if *instance == id(number));
    assert!(is_of(example, 1) && is_of(&others[0], 2), "{example:?}, {others:?}");
    let message = only.message().unwrap();
    assert!(message.subject.starts_with("[info] app: 9 being replaced: i-00000000000000001, "), "{}", message.subject);
    assert!(message.text.contains(" and 6 more."), "{}", message.text);
    let json: Value = serde_json::from_str(&message.json).unwrap();
    assert_eq!((&json["count"], &json["kind"]), (&9.into(), &"replacement-started".into()));
}

#[test]
fn a_burst_has_the_same_id_when_it_is_decided_again() {
    let (stage, decision) = burst(9);
    assert_eq!(stage.decide().notifications, decision.notifications);
    let ids: std::collections::BTreeSet<&str> = decision.notifications.iter().map(|told| told.id.as_str()).collect();
    assert_eq!(ids.len(), decision.notifications.len(), "and each message its own");
}

#[test]
fn each_response_to_a_command_is_sent_however_many_there_are() {
    let mut stage = Stage::new(3);
    stage.reconcile();
    for _ in 0..=FOLD_ABOVE {
        stage.say(Command::Retry);
    }
    let decision = stage.decide();
    let answers = decision.notifications.iter().filter(|told| matches!(told.details, Details::CommandAnswered { .. }));
    assert_eq!(answers.count(), FOLD_ABOVE + 1);
}
