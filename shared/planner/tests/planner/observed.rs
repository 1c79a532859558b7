//! The weekly digest of observe mode.

use driftless_planner::notification::Details;
use driftless_planner::observed::WEEK;
use driftless_planner::record::{OTHER_REASONS, Observed, REASONS_MAX, WOULD_CUT_OVER_MAX};
use driftless_testkit::{RULE, Stage, around, id, mins, secs};
use jiff::SignedDuration;

/// A fleet in observe that was looked at.
fn observed(size: u32) -> Stage {
    let mut stage = Stage::new(size);
    stage.tag("mode", "observe");
    stage.reconcile();
    stage
}

/// Looks until the drift has lasted long enough.
fn debounce(stage: &mut Stage) {
    stage.debounce();
}

fn week(stage: &Stage) -> &Observed {
    stage.record().observed.as_deref().expect("something is noted")
}

/// The digests that were told, with how many wait still.
fn digests(stage: &Stage) -> Vec<(Observed, u32)> {
    let digest = |details: &Details| {
        if let Details::ObservedWeek { week, still } = details { Some((*week.clone(), *still)) } else { None }
    };
    stage.told.iter().filter_map(|told| digest(&told.details)).collect()
}

fn tallies(tallies: &[driftless_planner::record::Tally]) -> Vec<(&str, u32)> {
    tallies.iter().map(|tally| (tally.what.as_str(), tally.count)).collect()
}

#[test]
fn a_week_without_anything_to_tell_is_told_by_nothing() {
    let mut stage = observed(3);
    for _ in 0..3 {
        stage.wait(WEEK);
        stage.reconcile();
    }
    assert_eq!(stage.record().observed, None);
    assert_eq!(stage.kinds(), ["adopted"]);
}

#[test]
fn the_digest_comes_after_a_week_and_not_before_and_once() {
    let mut stage = observed(8);
    stage.drift(1);
    debounce(&mut stage);
    let since = week(&stage).since;
    for (after, is_told) in around(WEEK).into_iter().zip([false, true, true]) {
        let mut stage = stage.clone();
        stage.now = since + after;
        let looked = stage.reconcile();
        assert_eq!(digests(&stage).len(), usize::from(is_told), "{after}");
        let digest = looked.notifications.iter().find(|told| told.kind() == "observed-week");
        assert_eq!(digest.is_some(), is_told);
        if let Some(digest) = digest {
            assert_eq!(digest.id, format!("app-{}-0", stage.record().version), "stable, from the outbox");
        }
        stage.wait(mins(60));
        stage.reconcile();
        assert_eq!(digests(&stage).len(), 1, "once");
    }
}

#[test]
fn it_says_why_and_what_would_have_stood_in_the_way() {
    let mut stage = observed(8);
    stage.drift(1);
    stage.drift(2);
    debounce(&mut stage);
    stage.comply(1);
    stage.reconcile();
    stage.publish(2);
    stage.reconcile();
    stage.wait(WEEK);
    stage.reconcile();
    let told = digests(&stage);
    let [(week, still)] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((week.replacements, *still), (2, 1));
    assert_eq!(tallies(&week.reasons), [(format!("rule {RULE}").as_str(), 2)]);
    assert_eq!(week.cutovers, 1);
    assert_eq!(week.images.len(), 1);
}

#[test]
fn an_instance_that_waits_on_is_counted_once_and_told_of_each_week() {
    let mut stage = observed(8);
    stage.drift(1);
    debounce(&mut stage);
    let since = week(&stage).since;
    for number in 1..=3 {
        for day in 0..7 {
            stage.now = since + WEEK * (number - 1) + SignedDuration::from_hours(24 * i64::from(day)) + mins(30);
            stage.reconcile();
        }
    }
    stage.now = since + WEEK * 3 + mins(30);
    stage.reconcile();
    let told: Vec<_> =
        digests(&stage).into_iter().map(|(week, still)| (week.since, week.replacements, still)).collect();
    assert_eq!(told, [(since, 1, 1), (since + WEEK, 0, 1), (since + WEEK * 2, 0, 1)]);
    stage.comply(1);
    stage.wait(WEEK);
    stage.reconcile();
    assert_eq!(digests(&stage).last().map(|(_, still)| *still), Some(0));
    assert_eq!(stage.record().observed, None, "nothing waits, and nothing is remembered");
}

#[test]
fn what_is_remembered_is_bounded() {
    let mut stage = observed(40);
    for number in 1..=30 {
        let rule = format!("rule-{number}");
        stage.tag("rules", &(1..=30).map(|number| format!("rule-{number}")).collect::<Vec<_>>().join(";"));
        stage.drift_under(id(number), &rule);
    }
    debounce(&mut stage);
    let reasons = tallies(&week(&stage).reasons);
    assert_eq!(reasons.len(), REASONS_MAX + 1);
    assert_eq!(reasons.last(), Some(&(OTHER_REASONS, 30 - u32::try_from(REASONS_MAX).unwrap())));
    for number in 2..20 {
        stage.publish(number);
        stage.wait(secs(15));
        stage.reconcile();
    }
    assert_eq!((week(&stage).cutovers, week(&stage).images.len()), (18, WOULD_CUT_OVER_MAX));
}

#[test]
fn a_fleet_that_acts_by_now_is_told_of_by_what_it_does() {
    let mut stage = observed(8);
    stage.drift(1);
    debounce(&mut stage);
    stage.tag("mode", "act");
    stage.reconcile();
    assert_eq!(stage.record().observed, None);
    stage.settle();
    stage.wait(WEEK);
    stage.reconcile();
    assert_eq!(digests(&stage), []);
}
