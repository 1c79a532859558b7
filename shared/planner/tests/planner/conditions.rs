//! States that an operator should know of: announced when entered, again after a day, and when they are over.

use driftless_planner::action::ActionResult;
use driftless_planner::notification::REMIND_AFTER;
use driftless_planner::observation::Group;
use driftless_planner::record::Record;
use driftless_planner::waiting::Waiting;
use driftless_testkit::{Stage, around, id, mins, secs};
use jiff::SignedDuration;

/// With this change nothing starts, and on-call is notified at once, again after a day, and at the end.
fn check(key: &str, break_it: impl Fn(&mut Stage), mend_it: impl Fn(&mut Stage)) {
    let mut stage = Stage::drifted(3, &[1]);
    break_it(&mut stage);
    let entered_at = stage.now;
    stage.reconcile();
    stage.wait(secs(30));
    stage.settle();
    assert!(stage.acted.is_empty(), "{key}: {:?}", stage.acted);
    assert_eq!(stage.kinds(), [format!("entered {key}")]);
    for (waited, is_told) in around(REMIND_AFTER).into_iter().zip([false, true, true]) {
        let mut stage = stage.clone();
        stage.now = entered_at + waited;
        stage.settle();
        let kinds = [format!("entered {key}"), format!("lasts {key}")];
        assert_eq!(stage.kinds(), kinds[..=usize::from(is_told)], "{waited:?}");
    }
    mend_it(&mut stage);
    stage.settle();
    assert!(stage.kinds().contains(&format!("ended {key}")), "{:?}", stage.kinds());
    stage.assert_clean(3);
    assert!(!stage.has(&id(1)), "{key}: it goes on by itself");
}

#[test]
fn what_keeps_a_fleet_from_working_is_told_once_and_again_after_a_day_and_when_it_is_over() {
    assert_eq!(REMIND_AFTER, SignedDuration::from_hours(24));
    // A policy that cannot be read.
    check("policy-invalid", |stage| stage.tag("debounce", "soon"), |stage| stage.tag("debounce", "5m"));
    // A rule that Config does not have.
    let misspelled = |stage: &mut Stage| stage.tag("rules", "sg-closed;sg-clsoed");
    check("policy-invalid", misspelled, |stage| stage.tag("rules", "sg-closed"));
    // Groups that form no fleet.
    let with_another = |stage: &mut Stage| {
        let name = "another-asg".parse().unwrap();
        stage.groups.push(Group { name, min: 0, desired: 0, members: Vec::new(), ..stage.groups[0].clone() });
    };
    check("misconfigured", with_another, |stage| stage.groups.truncate(1));
    // Something that Driftless does not work with.
    let warm_pool = |stage: &mut Stage| stage.group().unsupported.push("a warm pool".to_owned());
    check("not-adoptable", warm_pool, |stage| stage.group().unsupported.clear());
}

#[test]
fn work_under_way_ends_under_the_policy_that_it_was_admitted_with() {
    for (key, value) in [("debounce", "soon"), ("rules", "sg-closed;sg-clsoed"), ("launch-deadline", "1s")] {
        let (mut stage, successor) = Stage::verifying(8);
        stage.drift(2);
        stage.tag(key, value);
        stage.wait(mins(6));
        stage.settle();
        assert!(!stage.has(&id(1)) && stage.has(&successor), "{key}={value}");
        let is_invalid = key != "launch-deadline";
        assert!(stage.has(&id(2)) || !is_invalid, "{key}={value}: nothing new starts");
    }
}

#[test]
fn a_denied_permission_is_one_page_and_tried_again_after_five_minutes() {
    for (waited, tries) in around(mins(5)).into_iter().zip([1, 2, 2]) {
        let mut stage = Stage::drifted(3, &[1]);
        stage.scripted.insert("launch", ActionResult::Denied("not authorized to perform: iam:PassRole".into()));
        stage.reconcile();
        let decision = stage.reconcile();
        assert!(decision.actions.is_empty());
        assert!(decision.recheck.unwrap() <= stage.now + mins(5));
        let denied_at = stage.now;
        for pause in [mins(1), mins(2), waited] {
            stage.now = denied_at + pause;
            stage.reconcile();
        }
        assert_eq!(stage.done().len(), tries, "{waited:?}");
        assert_eq!(stage.kinds(), ["replacement-started", "entered permission-denied:launch"]);
        let page = stage.told.last().unwrap().message().unwrap();
        assert!(page.subject.starts_with("[page]") && page.text.contains("iam:PassRole"), "{}", page.text);
        stage.scripted.clear();
        stage.wait(mins(5));
        stage.settle();
        assert_eq!(stage.kinds()[2..], ["ended permission-denied:launch", "replaced"]);
        stage.assert_clean(3);
    }
}

#[test]
fn a_denied_permission_is_over_when_nothing_needs_it_any_more() {
    let mut stage = Stage::drifted(3, &[1]);
    stage.scripted.insert("launch", ActionResult::Denied("not authorized".into()));
    stage.reconcile();
    stage.reconcile();
    stage.comply(1);
    stage.settle();
    stage.wait(mins(5));
    stage.settle();
    assert_eq!(stage.kinds().last().unwrap(), "ended permission-denied:launch");
    assert!(stage.record().denied.is_empty());
    stage.assert_clean(3);
}

#[test]
fn an_answer_without_groups_clears_nothing_and_terminates_nothing() {
    let mut blocked = Stage::drifted(8, &[1, 2, 3]);
    blocked.reconcile();
    let mut observed = Stage::drifted(3, &[1]);
    observed.tag("mode", "observe");
    observed.reconcile();
    for mut stage in [blocked, observed, Stage::verifying(3).0, Stage::retiring(3).0] {
        stage.facts.push(driftless_testkit::report(
            1,
            "sg-closed",
            driftless_planner::fact::ComplianceType::NonCompliant,
            stage.now,
        ));
        let groups = std::mem::take(&mut stage.groups);
        let (before, done, facts) = (stage.record().clone(), stage.acted.len(), stage.facts.clone());
        stage.wait(mins(90));
        stage.reconcile();
        stage.reconcile();
        assert_eq!(stage.acted.len(), done);
        let phases = |record: &Record| -> Vec<_> {
            record
                .replacements
                .iter()
                .map(|(id, known)| (id.clone(), known.phase().name(), known.phase().surge().cloned()))
                .collect()
        };
        assert_eq!(phases(stage.record()), phases(&before));
        assert_eq!(
            (&stage.record().borrowed_settings, &stage.record().repeat_drift),
            (&before.borrowed_settings, &before.repeat_drift)
        );
        assert_eq!(stage.facts, facts);
        assert!(!stage.kinds().iter().any(|kind| kind.starts_with("ended")), "{:?}", stage.kinds());
        stage.groups = groups;
        stage.reconcile();
        assert_eq!(stage.kinds().last().unwrap(), "ended misconfigured");
        assert_eq!(stage.record().replacements.len(), before.replacements.len());
    }
}

#[test]
fn a_drifted_instance_says_that_it_waits_for_a_valid_policy() {
    let mut stage = Stage::drifted(3, &[1]);
    stage.tag("debounce", "soon");
    let _ = stage.reconcile();
    let Some(Waiting::PolicyInvalid { problem }) = stage.waits_for(1) else { panic!("{:?}", stage.waits_for(1)) };
    assert!(problem.as_str().contains("driftless:debounce"), "{problem}");
}
