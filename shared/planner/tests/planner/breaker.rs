//! Too many drifted at once: a common cause, and nothing is replaced.

use driftless_planner::action::ActionResult;
use driftless_planner::waiting::Waiting;
use driftless_testkit::{OTHER_RULE, Stage, id, mins, secs};

/// So many drifted of so many, with the default of 25 %.
fn check(drifted: u32, size: u32, is_open: bool) {
    let mut stage = Stage::drifted(size, &(1..=drifted).collect::<Vec<_>>());
    stage.reconcile();
    assert_eq!(stage.kinds().is_empty(), is_open, "{drifted} of {size}: {:?}", stage.kinds());
    let waits = matches!(stage.waits_for(1), Some(Waiting::BreakerOpen { .. }));
    assert_eq!(waits, is_open, "{drifted} of {size}");
    assert_eq!(stage.record().conditions.contains_key("breaker-open"), is_open);
}

#[test]
fn more_than_the_share_and_at_least_two_is_a_common_cause() {
    for (drifted, size, is_open) in
        [(1, 1, false), (1, 3, false), (2, 3, true), (2, 4, true), (1, 8, false), (2, 8, false), (3, 8, true)]
    {
        check(drifted, size, is_open);
    }
}

#[test]
fn a_surge_under_way_does_not_change_the_share() {
    // Two of eight are exactly the share, and stay so in each phase of a surge.
    let mut stage = Stage::drifted(8, &[1, 2]);
    stage.scripted.insert("launch", ActionResult::Busy("throttled".into()));
    stage.reconcile();
    stage.reconcile();
    assert_eq!(stage.phase(1), "launching");
    stage.scripted.clear();
    stage.settle_clean(8);
    assert!(!stage.kinds().iter().any(|kind| kind.contains("breaker")), "{:?}", stage.kinds());
    assert_eq!(stage.launched.len(), 2);
}

#[test]
fn a_successor_on_trial_is_not_counted() {
    let mut stage = Stage::drifted(3, &[1]);
    stage.reconcile();
    stage.reconcile();
    let successor = stage.successor(1);
    stage.drift_under(successor, "sg-closed");
    stage.reconcile();
    assert!(!stage.record().conditions.contains_key("breaker-open"));
    assert_eq!(stage.phase(1), "verifying");
}

#[test]
fn it_is_announced_once_with_the_rules_and_when_it_is_over() {
    let mut stage = Stage::new(8);
    stage.tag("rules", "sg-closed;imds-v2");
    stage.drift(1);
    stage.drift(2);
    stage.drift_under(id(3), OTHER_RULE);
    stage.reconcile();
    for _ in 0..20 {
        stage.wait(secs(30));
        stage.reconcile();
    }
    assert_eq!(stage.kinds(), ["adopted", "entered breaker-open"]);
    let text = stage.told[1].message().unwrap().text;
    assert!(text.contains("3 of 8 instances of app-asg") && text.contains("imds-v2 and sg-closed"), "{text}");
    stage.comply(3);
    stage.reconcile();
    let closed = ["adopted", "entered breaker-open", "replacement-started", "ended breaker-open"];
    assert_eq!(stage.kinds(), closed, "closed, it goes on by itself");
    stage.settle_clean(8);
}

#[test]
fn a_surge_under_way_is_cancelled_when_it_opens() {
    for phase in ["verifying", "retiring"] {
        let (mut stage, successor) = if phase == "verifying" { Stage::verifying(8) } else { Stage::retiring(8) };
        stage.drift(2);
        stage.drift(3);
        stage.settle();
        assert_eq!(stage.terminated(), [successor], "{phase}");
        assert_eq!(stage.desired(), 8);
        assert!(matches!(stage.waits_for(1), Some(Waiting::BreakerOpen { drifted: 3, members: 8, .. })), "{phase}");
        assert!(stage.record().borrowed_settings.is_empty());
        // Closed again: the drift has long lasted, and counts as no failure.
        stage.comply(2);
        stage.comply(3);
        stage.wait(mins(1));
        stage.settle_clean(8);
        assert!(!stage.has(&id(1)));
    }
}

#[test]
fn it_does_not_close_because_config_did_not_answer() {
    let mut stage = Stage::drifted(8, &[1, 2, 3]);
    stage.reconcile();
    stage.unread.insert("sg-closed".parse().unwrap());
    stage.wait(mins(1));
    let decision = stage.reconcile();
    assert!(decision.actions.is_empty(), "{:?}", decision.actions);
    assert!(!stage.kinds().contains(&"ended breaker-open".to_owned()), "{:?}", stage.kinds());
    assert_eq!(stage.waits_for(1), Some(&Waiting::DriftUnread));
}

#[test]
fn a_drifted_successor_that_stays_is_counted_before_the_next_surge_begins() {
    let (mut stage, successor) = Stage::verifying(4);
    stage.tag("breaker", "50%");
    stage.drift(2);
    stage.drift_under(successor.clone(), "sg-closed");
    stage.machines.get_mut(&successor).unwrap().protect = Some("what is wrong with it?".into());
    stage.sick.insert(successor.clone());
    stage.arrive();
    stage.reconcile();
    for _ in 0..120 {
        stage.wait(mins(1));
        stage.reconcile();
        if stage.kinds().contains(&"extra-instance-kept".to_owned()) {
            break;
        }
    }
    assert!(stage.has(&successor) && stage.kinds().contains(&"extra-instance-kept".to_owned()), "{:?}", stage.kinds());
    assert!(
        matches!(stage.waits_for(2), Some(Waiting::BreakerOpen { drifted: 3, members: 5, .. })),
        "{:?}",
        stage.record()
    );
    assert_eq!(stage.launched.len(), 1);
}
