//! Ways to replace other than by a surge: the drifted instance first, or kept for forensics.

use driftless_planner::decision::Waiting;
use driftless_planner::observation::Lifecycle;
use driftless_planner::policy::{QUARANTINE_FOR, QUARANTINE_MAX};

use crate::support::{Stage, around, id, mins};

#[test]
fn terminate_first_never_has_one_more_than_the_group_wants() {
    let mut stage = Stage::drifted(4, &[1]);
    stage.tag("replace", "terminate-first");
    stage.tag("min-healthy", "50%");
    stage.group().max = 4;
    stage.settle();
    stage.is_clean(4);
    assert!(!stage.has(&id(1)));
    assert_eq!(stage.done().iter().filter(|name| **name == "launch").count(), 0, "Auto Scaling launches by itself");
    assert_eq!(stage.terminated(), [id(1)]);
    assert_eq!(stage.group().max, 4);
}

#[test]
fn terminate_first_leaves_the_floor_serving() {
    let mut stage = Stage::drifted(4, &[1]);
    stage.tag("replace", "terminate-first");
    stage.tag("min-healthy", "90%");
    stage.look();
    stage.look();
    assert!(stage.terminated().is_empty(), "4 must serve, and only 3 would");
}

#[test]
fn while_nothing_takes_its_place_no_other_goes() {
    let mut stage = Stage::drifted(6, &[1, 2]);
    stage.tag("replace", "terminate-first");
    stage.tag("min-healthy", "50%");
    stage.tag("breaker", "50%");
    stage.launches = false;
    for _ in 0..90 {
        stage.look();
        stage.leave();
        stage.wait(mins(1));
    }
    assert_eq!(stage.terminated().len(), 1);
    assert!(stage.kinds().contains(&"stopped".to_owned()), "{:?}", stage.kinds());
}

fn quarantining(size: u32, drifted: &[u32]) -> Stage {
    let mut stage = Stage::drifted(size, drifted);
    stage.tag("replace", "quarantine");
    stage.tag("breaker", "100%");
    stage
}

#[test]
fn quarantine_keeps_the_drifted_instance_out_of_service_for_three_days() {
    let mut stage = quarantining(4, &[1]);
    stage.settle();
    let kept = stage.record().quarantined[&id(1)].clone();
    assert_eq!(kept.until, kept.since + QUARANTINE_FOR);
    let member = |stage: &Stage| stage.groups[0].member(&id(1)).map(|member| member.lifecycle.clone());
    assert_eq!(member(&stage), Some(Lifecycle::Standby));
    assert_eq!(stage.desired(), 4);
    for (waited, gone) in around(QUARANTINE_FOR).into_iter().zip([false, true, true]) {
        let mut stage = stage.clone();
        stage.now = kept.since + waited;
        stage.look();
        stage.leave();
        assert_eq!(member(&stage).is_none(), gone, "{waited:?}");
        assert_eq!(stage.desired(), 4);
    }
}

#[test]
fn as_many_as_three_are_kept_and_the_fourth_waits() {
    let numbers: Vec<u32> = (1..=4).collect();
    let mut stage = quarantining(12, &numbers);
    for _ in 0..400 {
        stage.look();
        stage.arrive();
        stage.leave();
        stage.wait(mins(1));
    }
    assert_eq!(stage.record().quarantined.len(), QUARANTINE_MAX);
    let waiting = stage.record().replacements.keys().next().cloned().unwrap();
    let number = numbers.iter().find(|number| id(**number) == waiting).unwrap();
    assert!(matches!(stage.waits_for(*number), Some(Waiting::QuarantineFull { until: Some(_) })));
}
