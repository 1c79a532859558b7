//! When disruption may start. t0 is Friday, 2026-11-20, 12:00 in UTC: 13:00 in Berlin.

use driftless_planner::decision::Waiting;
use jiff::SignedDuration;

use crate::support::{Stage, mins, secs, t0};

#[test]
fn outside_of_its_window_a_drift_waits_and_says_when_the_window_opens() {
    let mut stage = Stage::drifted(3, &[1]);
    stage.tag("window", "Fri 14:00-16:00 Europe/Berlin");
    let decision = stage.look();
    let opens_at = t0() + mins(60);
    assert_eq!(stage.waits_for(1), Some(&Waiting::WindowClosed { opens_at: Some(opens_at) }));
    assert!(decision.recheck.is_some_and(|at| at <= opens_at));
    for (at, phase) in [(opens_at - secs(1), "blocked"), (opens_at, "launching"), (opens_at + secs(1), "launching")] {
        let mut stage = stage.clone();
        stage.now = at;
        stage.look();
        assert_eq!(stage.phase(1), phase, "{at}");
    }
}

#[test]
fn what_is_under_way_when_the_window_closes_ends() {
    let mut stage = Stage::drifted(3, &[1]);
    stage.tag("window", "Fri 13:00-13:06 Europe/Berlin");
    stage.look();
    assert_eq!(stage.phase(1), "launching");
    stage.settle();
    stage.is_clean(3);
    assert!(stage.now > t0() + mins(6));
}

#[test]
fn a_window_that_does_not_open_within_two_weeks_says_so() {
    // The hour that the spring skips comes once a year.
    let mut stage = Stage::drifted(3, &[1]);
    stage.tag("window", "Sat 23:00-01:00 Europe/Berlin");
    stage.look();
    assert!(matches!(stage.waits_for(1), Some(Waiting::WindowClosed { opens_at: Some(_) })));
}

#[test]
fn an_invalid_window_stops_everything() {
    for window in ["Fri 25:00-26:00 Europe/Berlin", "Fri 14:00-16:00 Mars/Olympus", "sometimes"] {
        let mut stage = Stage::drifted(3, &[1]);
        stage.tag("window", window);
        stage.look();
        assert!(matches!(stage.waits_for(1), Some(Waiting::PolicyInvalid { .. })), "{window}");
        stage.wait(SignedDuration::from_hours(24));
        stage.look();
        assert!(stage.acted.is_empty(), "{window}");
    }
}
