//! How long the phases of a cutover last, in numbers.

use driftless_testkit::{mins, secs};
use std::collections::BTreeSet;

use driftless_planner::measure::measure;
use driftless_planner::record::CutoverPhaseKind;
use jiff::SignedDuration;

use super::weighted_fleet;

#[test]
fn each_phase_is_measured_when_it_is_left_and_no_moment_twice() {
    let mut stage = weighted_fleet(3);
    stage.publish(2);
    let began = stage.now;
    let mut left: Vec<(&str, SignedDuration)> = Vec::new();
    let mut started = None;
    loop {
        assert!(stage.now < began + mins(600), "{left:?}");
        let decision = stage.decide();
        left.extend(measure(stage.record.as_ref(), &decision, stage.now).phase_left);
        if started.is_some() && decision.next.cutover.is_none() {
            break;
        }
        started = started.or(decision.next.cutover.map(|cutover| cutover.started_at));
        stage.step(secs(15));
    }
    let names: BTreeSet<&str> = left.iter().map(|(phase, _)| *phase).collect();
    assert!(names.iter().all(|name| name.parse::<CutoverPhaseKind>().is_ok()), "{names:?}");
    // A phase that is entered and left in one pass took no time.
    for phase in ["queued", "scaling", "shifting", "baking", "warm", "retiring"] {
        assert!(names.contains(phase), "{phase}: {left:?}");
    }
    let steps = left.iter().filter(|(phase, _)| *phase == "shifting").count();
    assert!(steps > 1, "each step of the traffic: {left:?}");
    let all = left.iter().fold(SignedDuration::ZERO, |sum, (_, lasted)| sum + *lasted);
    assert_eq!(Some(stage.now - all), started);
}
