//! Reports of Config are hints: what starts something is verified by the read, what stops something is believed.

use driftless_planner::alarm::{AlarmState, AlarmSubject};
use driftless_planner::drift::CONFIRMATION_GRACE;
use driftless_planner::fact::{AlarmFact, ComplianceType, Fact, ImageChange, ImageFact, ImageReference, ImageSource};
use driftless_testkit::{OTHER_RULE, RULE, Stage, around, id, mins, report, rule, secs, t0};
use jiff::Timestamp;

fn alarm() -> Fact {
    Fact::Alarm(AlarmFact {
        alarm: "web-5xx".parse().unwrap(),
        state: AlarmState::Alarm,
        since: t0(),
        reason: "1 > 0".into(),
        subject: AlarmSubject::default(),
        muted: false,
    })
}

fn image() -> Fact {
    Fact::Image(ImageFact {
        image: ImageReference::Ami("ami-00000000000000002".parse().unwrap()),
        change: ImageChange::Available,
        source: ImageSource::Ec2,
        at: t0(),
        fleet: None,
        commit: None,
        build: None,
        url: None,
    })
}

/// Whether a fact that was observed at this time and is looked at now is consumed.
fn is_consumed(stage: &Stage, fact: &Fact) -> bool {
    let mut stage = stage.clone();
    stage.facts = vec![fact.clone()];
    let decision = stage.reconcile();
    assert!(decision.actions.is_empty());
    decision.consumed.contains(&fact.key())
}

#[test]
fn a_report_that_the_read_does_not_confirm_starts_nothing_and_is_kept_for_two_minutes() {
    assert_eq!(CONFIRMATION_GRACE, mins(2));
    for (age, is_gone) in around(mins(2)).into_iter().zip([false, true, true]) {
        let mut stage = Stage::new(3);
        stage.reconcile();
        let fact = report(1, RULE, ComplianceType::NonCompliant, stage.now);
        stage.wait(age);
        assert_eq!(is_consumed(&stage, &fact), is_gone, "{age:?}");
        stage.facts.push(fact);
        let decision = stage.reconcile();
        assert!(decision.next.replacements.is_empty());
        assert_eq!(decision.recheck.is_some(), !is_gone, "looked at again soon");
    }
}

#[test]
fn a_report_that_the_read_confirms_is_consumed() {
    let mut stage = Stage::new(3);
    stage.drift(1);
    stage.facts.push(report(1, RULE, ComplianceType::NonCompliant, t0()));
    stage.reconcile();
    assert!(stage.facts.is_empty());
    assert_eq!(stage.phase(1), "debouncing");
}

#[test]
fn a_compliant_report_is_believed_unless_it_is_older_than_the_finding() {
    // The finding was recorded a minute before the start.
    for (observed_at, is_believed) in
        [(t0() - mins(1) - secs(1), false), (t0() - mins(1), true), (t0() - mins(1) + secs(1), true)]
    {
        for verdict in [ComplianceType::Compliant, ComplianceType::NotApplicable] {
            let mut stage = Stage::new(3);
            stage.drift(1);
            stage.reconcile();
            stage.facts.push(report(1, RULE, verdict, observed_at));
            stage.reconcile();
            assert_eq!(stage.phase(1) == "-", is_believed, "{observed_at}");
            assert_eq!(stage.facts.len(), usize::from(is_believed), "kept for as long as the read may trail");
        }
    }
}

#[test]
fn a_compliant_report_is_believed_for_two_minutes_against_the_read() {
    for (age, phase) in around(mins(2)).into_iter().zip(["-", "debouncing", "debouncing"]) {
        let mut stage = Stage::new(3);
        stage.drift(1);
        stage.reconcile();
        stage.facts.push(report(1, RULE, ComplianceType::Compliant, stage.now));
        stage.wait(age);
        stage.reconcile();
        assert_eq!(stage.phase(1), phase, "{age:?}");
    }
}

#[test]
fn a_compliant_report_that_the_read_trails_stops_a_surge_under_way() {
    for (policy, key, value) in
        [("its own", "rules", RULE), ("the rule left the list", "rules", OTHER_RULE), ("invalid", "debounce", "soon")]
    {
        let (mut stage, successor) = Stage::retiring(3);
        stage.tag(key, value);
        stage.facts.push(report(1, RULE, ComplianceType::Compliant, stage.now));
        stage.reconcile();
        assert_eq!(stage.phase(1), "cancelling", "policy: {policy}");
        stage.comply(1);
        stage.settle_clean(3);
        assert_eq!(stage.terminated(), [successor], "policy: {policy}");
    }
}

#[test]
fn a_rule_of_two_that_is_compliant_again_leaves_the_other() {
    let mut stage = Stage::new(3);
    stage.tag("rules", "sg-closed;imds-v2");
    stage.drift(1);
    stage.drift_under(id(1), OTHER_RULE);
    stage.reconcile();
    stage.facts.push(report(1, RULE, ComplianceType::Compliant, stage.now));
    stage.reconcile();
    let drift: Vec<String> = stage.replacement(1).unwrap().drift.iter().map(ToString::to_string).collect();
    assert_eq!(drift, ["rule imds-v2"]);
}

#[test]
fn a_report_about_an_instance_that_is_no_member_is_consumed() {
    let mut stage = Stage::new(3);
    stage.reconcile();
    assert!(is_consumed(&stage, &report(77, RULE, ComplianceType::NonCompliant, t0())));
}

#[test]
fn a_report_of_an_image_is_used_at_once() {
    let mut stage = Stage::new(3);
    stage.reconcile();
    assert!(is_consumed(&stage, &image()));
}

#[test]
fn an_alarm_report_that_the_read_does_not_confirm_yet_is_kept_for_two_minutes() {
    for (waited, is_used) in around(mins(2)).into_iter().zip([false, true, true]) {
        let mut stage = Stage::new(3);
        stage.reconcile();
        let fact = alarm();
        stage.now = fact.observed_at() + waited;
        assert_eq!(is_consumed(&stage, &fact), is_used, "{waited:?}");
    }
}

#[test]
fn a_rule_that_is_not_on_the_list_is_shown_only() {
    let mut stage = Stage::new(3);
    stage.reconcile();
    stage.drift_under(id(1), OTHER_RULE);
    stage.facts.push(report(1, OTHER_RULE, ComplianceType::NonCompliant, t0()));
    stage.wait(mins(60));
    stage.settle();
    assert!(stage.record().replacements.is_empty() && stage.acted.is_empty());
    let shown =
        |stage: &Stage| stage.record().shown.get(&id(1)).is_some_and(|rules| rules.contains_key(&rule(OTHER_RULE)));
    assert!(shown(&stage));
    // An older verdict changes nothing; a newer one does.
    let settle_with = |stage: &mut Stage, verdict: ComplianceType, at: Timestamp| {
        stage.facts.push(report(1, OTHER_RULE, verdict, at));
        stage.settle();
    };
    settle_with(&mut stage, ComplianceType::Compliant, t0() - secs(1));
    assert!(shown(&stage));
    settle_with(&mut stage, ComplianceType::Compliant, t0() + secs(1));
    assert!(!shown(&stage));
}

#[test]
fn what_is_shown_of_an_instance_goes_with_it() {
    let mut stage = Stage::new(3);
    stage.reconcile();
    stage.facts.push(report(1, OTHER_RULE, ComplianceType::NonCompliant, t0()));
    stage.reconcile();
    stage.take(&id(1), driftless_planner::action::CapacityChange::Keep);
    stage.settle();
    assert!(stage.record().shown.is_empty());
}

#[test]
fn a_rule_that_leaves_the_list_clears_what_waits_and_not_what_is_under_way() {
    let mut stage = Stage::drifted(3, &[1]);
    stage.suspend("Launch");
    stage.reconcile();
    assert_eq!(stage.phase(1), "blocked");
    stage.tag("rules", OTHER_RULE);
    stage.settle_clean(3);
    assert!(stage.has(&id(1)) && stage.acted.is_empty());

    let (mut stage, successor) = Stage::verifying(3);
    stage.tag("rules", OTHER_RULE);
    stage.settle_clean(3);
    assert!(stage.has(&successor) && !stage.has(&id(1)));
}

#[test]
fn nothing_starts_on_drift_that_config_did_not_confirm_in_this_pass() {
    let mut stage = Stage::drifted(3, &[1]);
    stage.unread.insert(rule(RULE));
    let decision = stage.reconcile();
    assert!(decision.actions.is_empty(), "{:?}", decision.actions);
    assert_eq!(stage.phase(1), "blocked", "unread is not compliant either");
    assert_eq!(decision.recheck, Some(stage.now + mins(1)), "it is asked again");
    stage.unread.clear();
    stage.reconcile();
    assert_eq!(stage.phase(1), "launching");
}

#[test]
fn nothing_starts_while_one_rule_of_the_list_is_unread() {
    let mut stage = Stage::new(8);
    stage.tag("rules", "sg-closed;imds-v2");
    stage.drift(1);
    stage.reconcile();
    stage.wait(mins(5));
    stage.unread.insert(rule(OTHER_RULE));
    assert!(stage.reconcile().actions.is_empty(), "the breaker cannot be checked");
    stage.unread.clear();
    assert_eq!(stage.reconcile().actions.len(), 1);
}

#[test]
fn what_is_reported_under_a_rule_that_cannot_be_read_is_kept_until_it_can() {
    for verdict in [ComplianceType::NonCompliant, ComplianceType::Compliant] {
        let mut stage = Stage::new(3);
        stage.reconcile();
        stage.facts.push(report(1, RULE, verdict, stage.now));
        stage.unread.insert(rule(RULE));
        // Long after a read that is there would be believed.
        stage.wait(mins(10));
        let decision = stage.reconcile();
        assert!(decision.consumed.is_empty(), "{verdict:?}");
        assert_eq!(decision.recheck, Some(stage.now + mins(1)));
        stage.unread.clear();
        assert_eq!(stage.reconcile().consumed.len(), 1, "{verdict:?}");
    }
}

#[test]
fn only_a_verdict_of_config_can_wait_for_the_others() {
    assert!(report(1, RULE, ComplianceType::NonCompliant, t0()).can_wait());
    let mut stage = Stage::new(1);
    stage.say(driftless_planner::fact::Command::Resume);
    for fact in [alarm(), image()].iter().chain(&stage.facts) {
        assert!(!fact.can_wait(), "{fact:?}");
    }
    assert_eq!(stage.facts.len(), 1);
}
