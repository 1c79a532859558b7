//! When disruption may start: an allow-list, in the time of the place that it names.

use driftless_planner::action::ActionResult;
use driftless_planner::waiting::Waiting;
use driftless_testkit::{Stage, around, id, mins, secs};
use jiff::{SignedDuration, Timestamp};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Drifted and debounced at this time, under this window.
fn drifted_at(now: &str, window: &str) -> Stage {
    let mut stage = Stage::new(3);
    stage.tag("window", window);
    stage.now = at(now) - mins(5);
    stage.drift(1);
    stage.reconcile();
    stage.wait(mins(5));
    stage.told.clear();
    stage
}

#[test]
fn a_replacement_starts_when_the_window_opens_and_not_before() {
    for (waited, phase) in around(mins(5)).into_iter().zip(["blocked", "launching", "launching"]) {
        let mut stage = drifted_at("2026-11-20T12:05:00Z", "Fri 12:10-13:00 UTC");
        let closed = stage.reconcile();
        let opens_at = at("2026-11-20T12:10:00Z");
        assert_eq!(stage.waits_for(1), Some(&Waiting::WindowClosed { opens_at: Some(opens_at) }));
        assert_eq!(closed.recheck, Some(opens_at), "it looks again when the window opens");
        stage.wait(waited);
        stage.reconcile();
        assert_eq!(stage.phase(1), phase, "{waited:?}");
    }
}

#[test]
fn at_its_last_minute_the_window_is_closed() {
    for (waited, phase) in around(mins(55)).into_iter().zip(["launching", "blocked", "blocked"]) {
        let mut stage = drifted_at("2026-11-20T12:05:00Z", "Fri 12:00-13:00 UTC");
        stage.wait(waited);
        stage.reconcile();
        assert_eq!(stage.phase(1), phase, "{waited:?}");
    }
}

#[test]
fn several_ranges_are_an_allow_list_and_the_next_one_opens() {
    let mut stage = drifted_at("2026-11-20T12:05:00Z", "Mon 09:00-10:00 UTC; Fri 11:00-12:00 UTC; Sat 01:00-02:00 UTC");
    stage.reconcile();
    assert_eq!(stage.waits_for(1), Some(&Waiting::WindowClosed { opens_at: Some(at("2026-11-21T01:00:00Z")) }));
    stage.now = at("2026-11-21T02:00:00Z");
    stage.reconcile();
    assert_eq!(stage.waits_for(1), Some(&Waiting::WindowClosed { opens_at: Some(at("2026-11-23T09:00:00Z")) }));
    stage.now = at("2026-11-23T09:00:00Z");
    stage.settle_clean(3);
    assert!(!stage.has(&id(1)));
}

#[test]
fn what_has_started_ends_after_the_window_closed() {
    let mut stage = drifted_at("2026-11-20T12:05:00Z", "Fri 12:00-12:06 UTC");
    stage.reconcile();
    assert_eq!(stage.phase(1), "launching");
    stage.wait(mins(2));
    stage.settle_clean(3);
    assert!(!stage.has(&id(1)));
}

#[test]
fn a_failed_attempt_is_not_repeated_outside_the_window() {
    let mut stage = drifted_at("2026-11-20T12:05:00Z", "Fri 12:00-12:06 UTC");
    stage.scripted.insert("launch", ActionResult::Failed("The image id '[ami-1]' does not exist".into()));
    for _ in 0..20 {
        stage.reconcile();
        stage.wait(secs(30));
    }
    assert_eq!(stage.done(), ["launch"]);
    assert_eq!(stage.waits_for(1), Some(&Waiting::WindowClosed { opens_at: Some(at("2026-11-27T12:00:00Z")) }));
}

#[test]
fn a_window_follows_the_clocks_of_its_place() {
    // Berlin is two hours ahead until 2026-10-25 01:00 UTC, and one hour from then on.
    for (now, phase) in [
        ("2026-10-24T06:59:59Z", "blocked"),
        ("2026-10-24T07:00:00Z", "launching"),
        ("2026-10-24T07:00:01Z", "launching"),
        ("2026-10-25T07:59:59Z", "blocked"),
        ("2026-10-25T08:00:00Z", "launching"),
        ("2026-10-25T08:00:01Z", "launching"),
    ] {
        let mut stage = drifted_at(now, "Sat,Sun 09:00-10:00 Europe/Berlin");
        stage.reconcile();
        assert_eq!(stage.phase(1), phase, "{now}");
    }
}

#[test]
fn in_the_hour_that_autumn_repeats_it_opens_twice() {
    for (now, phase) in [
        ("2026-10-25T00:14:59Z", "blocked"),
        ("2026-10-25T00:15:00Z", "launching"),
        ("2026-10-25T00:45:00Z", "blocked"),
        ("2026-10-25T01:14:59Z", "blocked"),
        ("2026-10-25T01:15:00Z", "launching"),
        ("2026-10-25T01:44:59Z", "launching"),
        ("2026-10-25T01:45:00Z", "blocked"),
    ] {
        let mut stage = drifted_at(now, "Sun 02:15-02:45 Europe/Berlin");
        stage.reconcile();
        assert_eq!(stage.phase(1), phase, "{now}");
    }
    let mut stage = drifted_at("2026-10-25T00:45:00Z", "Sun 02:15-02:45 Europe/Berlin");
    stage.reconcile();
    assert_eq!(stage.waits_for(1), Some(&Waiting::WindowClosed { opens_at: Some(at("2026-10-25T01:15:00Z")) }));
}

#[test]
fn a_range_in_the_hour_that_spring_skips_waits_for_the_next_week() {
    let mut stage = drifted_at("2026-03-29T00:59:59Z", "Sun 02:15-02:45 Europe/Berlin");
    stage.reconcile();
    assert_eq!(stage.waits_for(1), Some(&Waiting::WindowClosed { opens_at: Some(at("2026-04-05T00:15:00Z")) }));
    stage.now = at("2026-03-29T01:00:00Z");
    stage.reconcile();
    assert_eq!(stage.phase(1), "blocked");
}

#[test]
fn what_was_to_go_first_stays_when_the_window_closes_before_it_went() {
    for (waited, phase) in around(mins(55)).into_iter().zip(["terminating", "blocked", "blocked"]) {
        let mut stage = drifted_at("2026-11-20T12:05:00Z", "Fri 12:00-13:00 UTC");
        stage.tag("strategy", "terminate-first");
        stage.tag("min-healthy", "60%");
        stage.tag("launch-deadline", "2h");
        stage.scripted.insert("terminate", ActionResult::Busy("an activity is in progress".into()));
        stage.reconcile();
        assert_eq!(stage.phase(1), "terminating");
        stage.wait(waited);
        stage.reconcile();
        assert_eq!(stage.phase(1), phase, "{waited:?}");
        assert!(stage.has(&id(1)));
        assert!(stage.replacement(1).unwrap().failures.is_empty(), "it is nobody's failure");
        if phase == "terminating" {
            continue;
        }
        stage.scripted.clear();
        stage.now = at("2026-11-27T12:00:00Z");
        stage.settle_clean(3);
        assert!(!stage.has(&id(1)));
    }
}

#[test]
fn an_invalid_window_stops_everything() {
    for window in ["Fri 25:00-26:00 Europe/Berlin", "Fri 14:00-16:00 Mars/Olympus", "sometimes"] {
        let mut stage = Stage::drifted(3, &[1]);
        stage.tag("window", window);
        stage.reconcile();
        assert!(matches!(stage.waits_for(1), Some(Waiting::PolicyInvalid { .. })), "{window}");
        stage.wait(SignedDuration::from_hours(24));
        stage.reconcile();
        assert!(stage.acted.is_empty(), "{window}");
    }
}
