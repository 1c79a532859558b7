//! Every reason why something waits: its guard's name is the one under which it is stored, and its sentence is what an operator
//! is told. When each is given is proven elsewhere.

use std::collections::BTreeSet;

use driftless_planner::balancer::ForwardPlace;
use driftless_planner::ids::GroupName;
use driftless_planner::image::ImageProblem;
use driftless_planner::waiting::{
    GroupProblem, GuardId, NeededProcess, PreflightProblem, Protector, RouteProblem, TrafficChange, Waiting,
};
use driftless_testkit::{GROUP, id, image_id, mins, version};
use jiff::Timestamp;
use serde_json::{Value, json};
use strum::VariantArray;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn group() -> GroupName {
    GROUP.parse().unwrap()
}

/// A reason, the name under which earlier versions stored it, where they did, and its sentence.
type Reason = (Waiting, Option<&'static str>, &'static str);

/// At least one of each.
fn all() -> Vec<Reason> {
    [of_fleets(), of_instances(), of_cutovers()].concat()
}

/// Reasons of the fleet and of its groups.
fn of_fleets() -> Vec<Reason> {
    let until = at("2026-11-20T13:00:00Z");
    let unfit = GroupProblem::ProcessSuspended { process: NeededProcess::Launch, group: group() };
    let frozen = |until| Waiting::Frozen { reason: "incident".into(), owner: "ana".into(), until };
    vec![
        (frozen(Some(until)), Some("frozen"), "frozen by ana until 2026-11-20T13:00:00Z: incident"),
        (frozen(None), Some("frozen"), "frozen by ana: incident"),
        (
            Waiting::Observed,
            Some("observed"),
            "driftless:mode is observe: Driftless reports what it would do and changes nothing",
        ),
        (
            Waiting::PolicyInvalid { problem: "no such key".into() },
            Some("policy-invalid"),
            "the policy is invalid: no such key",
        ),
        (
            Waiting::RuleMissing,
            None,
            "the policy is invalid: driftless:rules names a rule that AWS Config does not have",
        ),
        (
            Waiting::WindowClosed { opens_at: Some(until) },
            Some("window-closed"),
            "the window is closed until 2026-11-20T13:00:00Z",
        ),
        (
            Waiting::WindowClosed { opens_at: None },
            Some("window-closed"),
            "the window is closed and does not open in the next two weeks",
        ),
        (Waiting::CutoverUnderWay, Some("cutover-under-way"), "a cutover is in progress"),
        (
            Waiting::SetupUnfit { obstacle: "it is being deleted".into() },
            None,
            "the groups of the fleet are not ready: it is being deleted",
        ),
        (
            Waiting::GroupNotFit { problem: unfit },
            Some("group-not-fit"),
            "the group cannot take a replacement now: Launch is suspended on app-asg",
        ),
        (
            Waiting::MayBeSuccessor { ancestor: id(1) },
            None,
            "the group cannot take a replacement now: this instance may be the replacement instance for \
             i-00000000000000001, whose launch call has not returned yet",
        ),
        (
            Waiting::DriftUnread,
            None,
            "the group cannot take a replacement now: AWS Config did not answer for every rule in driftless:rules",
        ),
        (
            Waiting::HooksUnread,
            None,
            "the group cannot take a replacement now: the next reconcile pass reads its lifecycle hooks and instance \
             refreshes",
        ),
    ]
}

/// Reasons of one drifted instance, and of how many there are.
fn of_instances() -> Vec<Reason> {
    let until = at("2026-11-20T13:00:00Z");
    let limit = 25.try_into().unwrap();
    vec![
        (
            Waiting::BreakerOpen { drifted: 3, members: 4, limit },
            Some("breaker-open"),
            "the breaker is open: 3 of 4 instances drifted at once, limit 25 %",
        ),
        (
            Waiting::RuleBreakerOpen { rule: "approved".parse().unwrap(), fleets: 3 },
            Some("rule-breaker-open"),
            "the breaker is open for rule approved: 3 fleets drifted under this rule at once",
        ),
        (
            Waiting::RepeatDrift { ancestor: id(1) },
            Some("repeat-drift"),
            "the replacement instance for i-00000000000000001 drifted for the same reason",
        ),
        (
            Waiting::BudgetSpent { used: 2, limit: 1 },
            Some("budget-spent"),
            "the budget is used up: 2 instances are being replaced or not healthy, limit 1",
        ),
        (Waiting::BackOff { until }, Some("back-off"), "the last attempt failed: next attempt at 2026-11-20T13:00:00Z"),
        (
            Waiting::CapacityShort { until },
            Some("capacity-short"),
            "AWS has no capacity for launches of this fleet: next attempt at 2026-11-20T13:00:00Z",
        ),
        (
            Waiting::QuarantineFull { until: Some(until) },
            Some("quarantine-full"),
            "the quarantine is full until 2026-11-20T13:00:00Z, when its first instance is terminated",
        ),
        (
            Waiting::QuarantineFull { until: None },
            Some("quarantine-full"),
            "the quarantine is full: no more instances can be kept for forensics",
        ),
        (
            Waiting::Protected { by: Protector::ScaleInProtection, until: None },
            Some("protected"),
            "protected by its own scale-in protection",
        ),
        (
            Waiting::NotInService { state: "unhealthy".into() },
            Some("not-in-service"),
            "the instance is not in service (unhealthy)",
        ),
        (Waiting::Gone, None, "the instance is no longer in its group"),
        (Waiting::Debounce { until }, Some("debounce"), "the debounce time ends at 2026-11-20T13:00:00Z"),
        (
            Waiting::BelowMinimum { serving: 3, minimum_healthy: 4 },
            Some("below-floor"),
            "only 3 instances would stay healthy, minimum healthy is 4",
        ),
    ]
}

/// Reasons of a cutover.
fn of_cutovers() -> Vec<Reason> {
    let until = at("2026-11-20T13:00:00Z");
    vec![
        (
            Waiting::NoSlot { limit: 3 },
            Some("no-turn"),
            "3 fleets are cutting over, which is the limit for this account",
        ),
        (
            Waiting::PreflightFailed { problem: PreflightProblem::SettingsToRestore },
            Some("preflight-failed"),
            "a preflight check failed: settings that earlier work borrowed are not restored yet",
        ),
        (
            Waiting::ReplacementsUnderWay { surges: 2 },
            Some("replacements-under-way"),
            "2 instances of the fleet are being replaced: the cutover starts after that",
        ),
        (Waiting::Paused { actor: "ana".into() }, Some("paused"), "paused by ana"),
        (
            Waiting::AwaitingApproval { until },
            Some("awaiting-approval"),
            "waiting for approval until 2026-11-20T13:00:00Z",
        ),
        (
            Waiting::BothColorsAlarm { detail: "both are in ALARM".into() },
            Some("both-colors-alarm"),
            "both are in ALARM",
        ),
        (
            Waiting::GuardAlarmMissing { alarm: "web-5xx".into() },
            Some("guard-alarm-missing"),
            "guard alarm web-5xx does not exist",
        ),
        (
            Waiting::TrafficChangedByOthers { change: TrafficChange::ForwardGone },
            Some("traffic-changed-by-others"),
            "the forward action no longer exists",
        ),
        (
            Waiting::ColorBelowMinimum { serving: 3, minimum_healthy: 4 },
            Some("color-below-floor"),
            "only 3 instances of the new color are healthy, 4 needed",
        ),
        (
            Waiting::RollbackBelowMinimum { serving: 3, minimum_healthy: 4 },
            Some("rollback-below-floor"),
            "only 3 instances of the old color are healthy, 4 needed to take all traffic back",
        ),
        (
            Waiting::OldColorDown { left: 4 },
            Some("old-color-down"),
            "the old color has no healthy targets: the 4 healthy instances of the new color stay until it has",
        ),
        (
            Waiting::NeedsOperator { why: "the weights are unknown".into() },
            Some("needs-operator"),
            "an operator must choose between resume and rollback: the weights are unknown",
        ),
    ]
}

#[test]
fn a_reason_is_stored_under_the_name_of_its_guard_and_read_as_it_was() {
    for (waiting, ..) in all() {
        let stored = serde_json::to_value(&waiting).unwrap();
        assert_eq!(stored["guard"], waiting.guard().to_string(), "{stored}");
        assert_eq!(waiting.guard().to_string().parse(), Ok(waiting.guard()));
        assert_eq!(serde_json::from_value::<Waiting>(stored).unwrap(), waiting);
    }
    let named: BTreeSet<GuardId> = all().iter().map(|(waiting, ..)| waiting.guard()).collect();
    assert_eq!(named, GuardId::VARIANTS.iter().copied().collect(), "each guard has a reason, and each reason is here");
}

#[test]
fn a_reason_says_the_same_sentence_as_ever() {
    for (waiting, _, sentence) in all() {
        assert_eq!(waiting.to_string(), sentence);
    }
}

#[test]
fn a_reason_that_an_earlier_version_stored_is_read() {
    for (waiting, stored_as, sentence) in all() {
        let Some(stored_as) = stored_as else { continue };
        let mut stored = serde_json::to_value(&waiting).unwrap();
        stored["guard"] = json!(stored_as);
        // What is typed by now was the words alone.
        if stored.get("problem").is_some() {
            stored["problem"] = json!(sentence.split_once(": ").unwrap().1);
        }
        if stored.get("by").is_some() {
            stored["by"] = json!(sentence.strip_prefix("protected by ").unwrap());
        }
        if stored.as_object_mut().unwrap().remove("change").is_some() {
            stored["detail"] = json!(sentence);
        }
        let read: Waiting = serde_json::from_value(stored.clone()).unwrap_or_else(|error| panic!("{stored}: {error}"));
        assert_eq!((read.guard(), read.to_string()), (waiting.guard(), sentence.to_owned()), "{stored}");
        assert_eq!(serde_json::from_value::<Waiting>(serde_json::to_value(&read).unwrap()).unwrap(), read);
    }
}

#[test]
fn an_earlier_name_is_another_guards_own() {
    for guard in GuardId::VARIANTS {
        if let Some(word) = guard.earlier_word() {
            let other: GuardId = word.parse().unwrap();
            assert_ne!(other, *guard);
            assert_eq!(other.earlier_word(), None, "{word}");
        }
    }
}

fn kept<T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug>(problem: &T) {
    let stored: Value = serde_json::to_value(problem).unwrap();
    assert!(stored.is_object() || stored.as_str().is_some_and(|name| !name.contains(' ')), "no sentence: {stored}");
    assert_eq!(serde_json::from_value::<T>(stored).unwrap(), *problem);
}

#[test]
fn what_makes_a_group_unfit_is_kept_with_its_numbers_and_says_them() {
    let (group, instance) = (group(), id(1));
    for (problem, sentence) in [
        (
            GroupProblem::ProcessSuspended { process: NeededProcess::AddToLoadBalancer, group: group.clone() },
            "AddToLoadBalancer is suspended on app-asg",
        ),
        (GroupProblem::RefreshUnderWay { group: group.clone() }, "an instance refresh is in progress on app-asg"),
        (
            GroupProblem::OtherTemplate { group: group.clone(), found: version(2), released: version(1) },
            "app-asg launches lt-00000000000000001 version 2, but the release is lt-00000000000000001 version 1: to \
             accept lt-00000000000000001 version 2, set driftless:mode to observe and back to act",
        ),
        (
            GroupProblem::OtherActivity { instance, state: "pending".into() },
            "another activity is in progress: i-00000000000000001 is pending",
        ),
        (GroupProblem::NotAtSize { group, wants: 5, has: 4 }, "app-asg has 4 instances and a desired capacity of 5"),
    ] {
        assert_eq!(problem.to_string(), sentence);
        kept(&problem);
        let in_preflight = PreflightProblem::from(problem);
        assert_eq!(in_preflight.to_string(), sentence);
        kept(&in_preflight);
    }
}

#[test]
fn what_keeps_a_cutover_from_beginning_is_kept_with_its_numbers_and_says_them() {
    use PreflightProblem as Problem;
    let (group, image, template) = (group(), image_id(1), version(1));
    for (problem, sentence) in [
        (
            Problem::OtherActivity { group: group.clone(), instance: id(1) },
            "another activity is in progress on app-asg: i-00000000000000001 is starting or stopping",
        ),
        (
            Problem::NoNumberedTemplate { group: group.clone() },
            "app-asg does not use a numbered launch template version",
        ),
        (
            Problem::NotEmpty { group: group.clone(), wants: 2, least: 1, has: 3 },
            "app-asg must be empty: its desired capacity is 2, its MinSize 1, and it has 3 instances",
        ),
        (
            Problem::AlarmMissing { alarm: "web-5xx".into() },
            "guard alarm web-5xx does not exist: nothing would stop the cutover",
        ),
        (
            Problem::AlarmInAlarm { alarm: "web-5xx".parse().unwrap(), reason: "threshold crossed".into() },
            "guard alarm web-5xx is in ALARM: threshold crossed",
        ),
        (
            Problem::RollbackPathPending { image: image.clone() },
            "the release to roll back to cannot be launched: ami-00000000000000001 is pending",
        ),
        (
            Problem::RollbackPathUnavailable { image: image.clone(), state: "failed".into() },
            "the release to roll back to cannot be launched: ami-00000000000000001 is failed",
        ),
        (
            Problem::RollbackImageUnread { image: image.clone() },
            "the next reconcile pass reads whether ami-00000000000000001 can be launched",
        ),
        (
            Problem::RollbackTemplateUnread { template: template.clone() },
            "the next reconcile pass reads whether lt-00000000000000001 version 1 can be launched",
        ),
        (
            Problem::RollbackImageGone { image },
            "the release to roll back to cannot be launched: ami-00000000000000001 does not exist",
        ),
        (
            Problem::RollbackTemplateGone { template },
            "the release to roll back to cannot be launched: lt-00000000000000001 version 1 does not exist",
        ),
        (
            Problem::ClientsStick { longest: mins(240), watched: mins(75) },
            "stickiness keeps clients on their target group for 4h, longer than driftless:bake and driftless:keep-warm \
             together (1h 15m): some requests would still go to the old color when it is scaled to zero",
        ),
        (
            Problem::AboveMaximum { group: group.clone(), wants: 5, max: 4 },
            "app-asg has a desired capacity of 5, above the fleet's maximum of 4",
        ),
        (Problem::NothingToSizeBy { group }, "app-asg has a desired capacity of 0: the new color has no size to copy"),
        (Problem::MinimumAboveMaximum { min: 5, max: 4 }, "the fleet's minimum of 5 is above its maximum of 4"),
        (Problem::SettingsToRestore, "settings that earlier work borrowed are not restored yet"),
    ] {
        assert_eq!(problem.to_string(), sentence);
        kept(&problem);
    }
}

#[test]
fn what_keeps_traffic_from_being_moved_is_kept_with_its_numbers_and_says_them() {
    let arn = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener-rule/app/web/1/2/3";
    let place = ForwardPlace::Rule(arn.parse().unwrap());
    let shared = format!("{arn} also forwards to other target groups, which would lose their share");
    for (problem, sentence) in [
        (RouteProblem::OthersShareIt { place }, shared.as_str()),
        (RouteProblem::NoWeights, "only Application Load Balancers support weighted target groups"),
        (RouteProblem::NothingForwards, "no listener or rule forwards to the target groups of either color"),
        (
            RouteProblem::OneIsNotNamed,
            "the forward action names only one of the two target groups: add the idle one with weight 0",
        ),
        (
            RouteProblem::SeveralForward { actions: 2 },
            "2 forward actions name the target groups: exactly one must name both",
        ),
        (RouteProblem::BothInOne, "both colors are attached to the same target group: detach the idle one"),
        (
            RouteProblem::TargetGroupsDiffer { old: 2, new: 1 },
            "the colors have 2 and 1 target groups: use one each, one for both, or none",
        ),
    ] {
        assert_eq!(problem.to_string(), sentence);
        kept(&PreflightProblem::from(problem));
    }
}

#[test]
fn what_others_did_to_the_traffic_is_kept_with_its_names_and_says_them() {
    let arn = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/app/web/1/2";
    let (place, group) = (ForwardPlace::Listener(arn.parse().unwrap()), group());
    for (change, sentence) in [
        (TrafficChange::ForwardGone, "the forward action no longer exists"),
        (TrafficChange::WeightsWritten { place: place.clone() }, "the weights of PLACE were changed outside Driftless"),
        (
            TrafficChange::TooEarly { place: place.clone() },
            "the new color already has traffic at PLACE, which was set outside Driftless",
        ),
        (TrafficChange::Given { group: group.clone(), place }, "app-asg was given traffic at PLACE outside Driftless"),
        (
            TrafficChange::Attached { group: group.clone() },
            "app-asg was attached to the target group outside Driftless",
        ),
        (
            TrafficChange::AttachedAgain { group: group.clone() },
            "app-asg was attached to the target group again outside Driftless",
        ),
        (TrafficChange::Detached { group }, "app-asg was detached from the target group outside Driftless"),
    ] {
        assert_eq!(change.to_string(), sentence.replace("PLACE", arn));
        kept(&change);
    }
}

#[test]
fn what_protects_an_instance_is_kept_with_its_reason_and_says_it() {
    for (by, sentence) in [
        (Protector::ScaleInProtection, "its own scale-in protection"),
        (Protector::Tag { reason: "debugging".into() }, "the tag driftless:protect: debugging"),
        (Protector::TagsNotRead, "a tag that may exist: the tags of the instance were not read in this pass"),
    ] {
        assert_eq!(by.to_string(), sentence);
        kept(&by);
    }
}

#[test]
fn what_keeps_an_image_from_being_taken_says_why_and_until_when() {
    let until = at("2026-11-20T13:00:00Z");
    for (problem, sentence, may_change_at) in [
        (
            ImageProblem::NotNamed,
            "neither its tag driftless:image-for nor an image.published event names this fleet",
            None,
        ),
        (ImageProblem::NotNewer, "the image is not newer than the release", None),
        (
            ImageProblem::NoBuild,
            "the image has no tag driftless:build, so Driftless cannot tell whether it is newer",
            None,
        ),
        (
            ImageProblem::ReleaseUnknown,
            "the image of the release is unknown, so Driftless cannot compare the two",
            None,
        ),
        (ImageProblem::Vetoed { by: "ana".into() }, "vetoed by ana", None),
        (ImageProblem::Backup, "the image is a backup, and backups inherit the tags of their source", None),
        (ImageProblem::CopyOfMember, "the image is a copy of an instance of the fleet", None),
        (ImageProblem::Pending, "the image is pending", None),
        (ImageProblem::Unavailable { state: "failed".into() }, "the image is failed", None),
        (
            ImageProblem::OtherArchitecture { architecture: "arm64".into(), released: "x86_64".into() },
            "the architecture of the image is arm64, that of the release x86_64",
            None,
        ),
        (
            ImageProblem::NotAnnounced,
            "driftless:image-source is event: only an image.published event starts a cutover, a tag alone does not",
            None,
        ),
        (ImageProblem::Deferred { why: "no room".into(), until: Some(until) }, "no room", Some(until)),
        (ImageProblem::Deferred { why: "rejected".into(), until: None }, "rejected", None),
    ] {
        assert_eq!((problem.to_string().as_str(), problem.may_change_at()), (sentence, may_change_at));
    }
}
