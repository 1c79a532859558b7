//! `driftless wait`: states that are reached, states that can no longer be reached, and the timeout.

use driftless_cli::api::Function;
use driftless_status::FleetStatus;
use jiff::SignedDuration;

use crate::play::{Stage, unavailable};
use crate::said;

fn ended(outcome: &str) -> FleetStatus {
    let mut status = said::status("after-cutover");
    let id = said::status("half-way").cutover.unwrap().id;
    status.past[0].id = id;
    status.past[0].outcome = outcome.to_owned();
    status
}

#[test]
fn what_was_waited_for_ends_as_its_golden_file() {
    for (name, worlds, typed) in [
        ("idle", &["half-way", "warm", "after-cutover"][..], "driftless wait app --for idle"),
        ("phase", &["scaling", "half-way", "baking"][..], "driftless wait app --for phase=baking"),
        ("phase-passed", &["verifying", "warm"][..], "driftless wait app --for phase=baking"),
        ("phase-missed", &["half-way", "rolling-back"][..], "driftless wait app --for phase=baking"),
        ("person", &["half-way", "needs-operator"][..], "driftless wait app --for idle"),
        ("person-wanted", &["half-way", "needs-operator"][..], "driftless wait app --for phase=needs-operator"),
        ("timed-out", &["half-way"][..], "driftless wait app --for idle --timeout 12s --every 5s"),
        ("timed-out-json", &["half-way"][..], "driftless wait app --for idle --timeout 12s --json"),
    ] {
        insta::assert_snapshot!(format!("wait-{name}"), Stage::through(worlds).play(typed).text());
    }
}

#[test]
fn an_outcome_is_that_of_the_cutover_that_was_seen() {
    for (outcome, wanted, code) in [
        ("done", "outcome", 0),
        ("rolled-back", "outcome", 1),
        ("aborted", "outcome=done", 1),
        ("rolled-back", "outcome=rolled-back", 0),
        ("done", "phase=baking", 0),
        ("rolled-back", "phase=baking", 1),
    ] {
        let stage = Stage::with(vec![said::status("half-way"), ended(outcome)]);
        let played = stage.play(&format!("driftless wait app --for {wanted}"));
        assert_eq!(played.code, code, "{}", played.text());
    }
}

#[test]
fn a_named_image_may_have_ended_before_the_waiting_began_and_another_one_does_not_count() {
    let image = ended("done").past[0].image.clone();
    let played = Stage::with(vec![ended("done")]).play(&format!("driftless wait app --for outcome --image {image}"));
    assert_eq!((played.code, played.slept.len()), (0, 0), "{}", played.text());
    let other = "driftless wait app --for outcome --image ami-00000000000000077 --timeout 10s";
    assert_eq!(Stage::with(vec![ended("done")]).play(other).code, 5);
    assert_eq!(Stage::of("half-way").play(other).code, 5);
    let other = "driftless wait app --for phase=shifting --image ami-00000000000000077 --timeout 10s";
    assert_eq!(Stage::of("half-way").play(other).code, 5);
}

#[test]
fn the_next_cutover_is_not_taken_for_the_one_that_was_seen() {
    // The cutover that was followed had passed `scaling`, and never reached `baking`.
    for (phase, code) in [("scaling", 0), ("baking", 1)] {
        let mut next = ended("rolled-back");
        next.cutover = said::status(phase).cutover;
        next.cutover.as_mut().unwrap().id = "another".to_owned();
        let stage = Stage::with(vec![said::status("half-way"), next]);
        let played = stage.play(&format!("driftless wait app --for phase={phase}"));
        assert_eq!(played.code, code, "{}", played.text());
    }
}

#[test]
fn a_cutover_that_has_not_begun_is_not_followed() {
    let mut planned = said::status("half-way");
    planned.cutover.as_mut().unwrap().is_on_record = false;
    let stage = Stage::with(vec![planned, said::status("steady")]);
    assert_eq!(stage.play("driftless wait app --for outcome --timeout 10s").code, 5);
}

#[test]
fn without_an_image_an_old_outcome_does_not_count() {
    let played = Stage::with(vec![ended("done")]).play("driftless wait app --for outcome --timeout 10s");
    assert_eq!(played.code, 5, "{}", played.text());
}

#[test]
fn a_cutover_whose_end_is_forgotten_is_no_success() {
    let mut forgotten = said::status("after-cutover");
    forgotten.past.clear();
    let played = Stage::with(vec![said::status("half-way"), forgotten]).play("driftless wait app --for outcome");
    assert_eq!(played.code, 1, "{}", played.text());
}

#[test]
fn the_time_is_over_at_the_timeout_and_not_before() {
    // The fourth response is the first to show the state.
    for (timeout, code, slept) in [("9s", 5, 9), ("10s", 5, 10), ("11s", 0, 11)] {
        let stage = Stage::through(&["half-way", "half-way", "half-way", "after-cutover"]);
        let played = stage.play(&format!("driftless wait app --for idle --timeout {timeout} --every 5s"));
        assert_eq!(played.code, code, "{timeout}: {}", played.text());
        let all = played.slept.iter().fold(SignedDuration::ZERO, |sum, one| sum + *one);
        assert_eq!(all, SignedDuration::from_secs(slept), "{timeout}");
    }
}

#[test]
fn a_fleet_with_a_pending_command_is_not_idle() {
    let mut filed = said::status("steady");
    filed.facts_filed = 1;
    let played = Stage::with(vec![filed, said::status("steady")]).play("driftless wait app --for idle");
    assert_eq!((played.code, played.slept.len()), (0, 1), "{}", played.text());
}

#[test]
fn a_failed_query_is_repeated_and_a_last_failed_query_is_reported() {
    let mut stage = Stage::through(&["half-way", "after-cutover"]);
    stage.statuses.insert(0, Err(unavailable(Function::Status)));
    assert_eq!(stage.play("driftless wait app --for idle").code, 0);
    let mut stage = Stage::of("half-way");
    stage.statuses = vec![Err(unavailable(Function::Status))];
    assert_eq!(stage.play("driftless wait app --for idle --timeout 20s").code, 4);
}

const OLD_NAME_OF_IDLE: &str = "settled"; // an old name

#[test]
fn the_old_name_of_idle_is_still_accepted() {
    for goal in ["idle", OLD_NAME_OF_IDLE] {
        let played = Stage::through(&["half-way", "after-cutover"]).play(&format!("driftless wait app --for {goal}"));
        assert_eq!((played.code, played.slept.len()), (0, 1), "{goal}: {}", played.text());
    }
}

#[test]
fn what_cannot_be_waited_for_is_refused_when_it_is_typed() {
    use clap::Parser;
    use driftless_cli::line::Line;
    for wrong in ["fase=baking", "phase", "phase=", "phase=bakeing", "outcome=won", "idle=yes", ""] {
        let typed = ["driftless", "wait", "app", "--for", wrong];
        assert!(Line::try_parse_from(typed).is_err(), "{wrong}");
    }
}
