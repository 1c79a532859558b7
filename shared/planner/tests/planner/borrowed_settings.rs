//! Settings that were changed are restored, and only where they are still what was written.

use driftless_planner::action::{Action, ActionResult};
use driftless_planner::record::Setting;
use driftless_testkit::{Stage, id, mins, secs};

/// A surge of a full group of 3, in proof: the maximum was raised from 3 to 4.
fn raised() -> Stage {
    let mut stage = Stage::drifted(3, &[1]);
    stage.group().max = 3;
    stage.reconcile();
    stage.reconcile();
    assert_eq!(stage.group().max, 4);
    assert!(matches!(stage.record().borrowed_settings[0].setting, Setting::Maximum { had: 3, wrote: 4 }));
    stage
}

#[test]
fn a_maximum_is_restored_when_the_surge_is_over_or_abandoned() {
    for is_abandoned in [false, true] {
        let mut stage = raised();
        if is_abandoned {
            stage.comply(1);
        }
        stage.settle_clean(3);
        assert_eq!(stage.group().max, 3);
    }
}

#[test]
fn a_maximum_that_someone_changed_is_theirs() {
    let mut stage = raised();
    stage.group().max = 10;
    stage.settle_clean(3);
    assert_eq!(stage.group().max, 10);
    let idle = stage.history.iter().find(|entry| entry.to() == "released" && entry.from().contains("MaxSize")).unwrap();
    assert_eq!(idle.why.as_str(), "MaxSize is 10 after a change outside Driftless, and stays");
}

#[test]
fn a_maximum_is_restored_only_when_desired_capacity_fits_under_it() {
    for (scaled, maximum) in [(2, 3), (3, 3), (4, 4)] {
        let mut stage = raised();
        stage.until(|stage| stage.terminated().contains(&id(1)));
        stage.scale_to(scaled);
        stage.settle();
        assert_eq!(stage.group().max, maximum, "{scaled}");
        assert_eq!(stage.record().borrowed_settings.is_empty(), maximum == 3);
        stage.scale_to(3);
        stage.settle_clean(3);
        assert_eq!(stage.group().max, 3);
    }
}

#[test]
fn a_maximum_that_external_change_grew_into_is_told_after_an_hour() {
    for (offset, is_told) in [(-1, false), (0, true), (1, true)] {
        let mut stage = raised();
        let raised_at = stage.record().borrowed_settings[0].since;
        stage.until(|stage| stage.terminated().contains(&id(1)));
        stage.scale_to(4);
        stage.settle();
        stage.now = raised_at + mins(60) + secs(offset);
        let looked = stage.reconcile();
        assert_eq!(stage.kinds().contains(&"entered restore-overdue".to_owned()), is_told, "{offset}");
        let looks_again_soon = looked.recheck.is_some_and(|at| at <= stage.now + mins(1));
        assert_eq!(looks_again_soon, !is_told, "from then on the resync and changes of the group cause the next pass");
        stage.scale_to(3);
        stage.settle_clean(3);
        assert_eq!(stage.kinds().contains(&"ended restore-overdue".to_owned()), is_told);
    }
}

#[test]
fn a_second_raise_keeps_the_first_value() {
    let mut stage = Stage::drifted(20, &[1, 2]);
    stage.group().max = 20;
    stage.reconcile();
    stage.reconcile();
    stage.tag("budget", "2");
    stage.reconcile();
    assert_eq!(stage.group().max, 22);
    stage.settle_clean(20);
    assert_eq!(stage.group().max, 20);
}

#[test]
fn a_second_raise_that_was_not_acted_on_is_no_external_change() {
    let mut stage = Stage::drifted(20, &[1, 2]);
    stage.group().max = 20;
    stage.reconcile();
    stage.reconcile();
    stage.tag("budget", "2");
    let decision = stage.decide();
    assert!(decision.actions.iter().any(|action| matches!(action, Action::SetMaximum { .. })));
    stage.commit(&decision);
    stage.comply(1);
    stage.comply(2);
    stage.settle_clean(20);
    assert_eq!(stage.group().max, 20);
}

#[test]
fn a_raise_over_what_someone_wrote_meanwhile_is_restored_to_theirs() {
    let mut stage = Stage::drifted(20, &[1, 2]);
    stage.group().max = 20;
    stage.reconcile();
    stage.reconcile();
    stage.group().max = 19;
    stage.group().desired = 19;
    stage.group().members.retain(|member| member.id != id(15) && member.id != id(16));
    stage.tag("budget", "2");
    stage.settle();
    assert!(stage.record().borrowed_settings.is_empty());
    assert_eq!(stage.group().max, 19);
}

#[test]
fn a_protection_that_was_not_written_yet_is_idle_all_the_same() {
    let (mut stage, _) = Stage::verifying(3);
    stage.arrive();
    stage.scripted.insert("protect", ActionResult::Busy("throttled".into()));
    stage.reconcile();
    assert_eq!(stage.record().borrowed_settings.len(), 1);
    stage.comply(1);
    stage.scripted.clear();
    stage.settle_clean(3);
}

#[test]
fn a_protection_is_restored_after_a_crash() {
    let (mut stage, _) = Stage::retiring(3);
    stage.reconcile();
    stage.leave();
    let decision = stage.decide();
    assert!(matches!(&decision.actions[..], [Action::Protect { .. }]));
    stage.commit(&decision);
    assert_eq!(stage.decide().actions, decision.actions, "nothing was lost but time");
    stage.settle_clean(3);
}

#[test]
fn settings_of_a_group_that_left_the_fleet_are_not_ours_to_restored() {
    let mut stage = raised();
    let mut stranger = stage.groups[0].clone();
    stranger.name = "new-asg".parse().unwrap();
    stranger.members.clear();
    stranger.desired = 0;
    stage.groups = vec![stranger];
    stage.reconcile();
    assert!(stage.record().replacements.is_empty() && stage.record().borrowed_settings.is_empty());
    stage.wait(mins(1));
    stage.settle();
}

#[test]
fn open_work_tells_since_when() {
    let mut stage = Stage::new(3);
    stage.reconcile();
    assert_eq!(stage.record().open_since(), None);
    stage.drift(1);
    stage.reconcile();
    let detected_at = stage.now;
    assert_eq!(stage.record().under_way_since(), None, "it waits until it has lasted");
    stage.wait(mins(5));
    stage.reconcile();
    assert_eq!(stage.record().open_since(), Some(detected_at));
    assert_eq!(stage.record().under_way_since(), Some(stage.now), "since the guards let it through");
    stage.settle();
    assert_eq!(stage.record().open_since(), None);
}
