//! The resync finds what events have lost.

use driftless_testkit::{RULE, finding, fleet, group, id, image, quiet_alarm, rule, t0, target_group, version};
use std::collections::{BTreeMap, BTreeSet};

use driftless_planner::alarm::Alarm;
use driftless_planner::fact::Subject;
use driftless_planner::ids::{AlarmName, FleetName, RuleName};
use driftless_planner::image::Image;
use driftless_planner::observation::{Group, RuleReading};
use driftless_planner::policy::Defaults;
use driftless_planner::resync::{Read, Reason, Resynced, alarm_prefixes, fingerprint, fleets, index, resync, rules};
use driftless_planner::template::TemplateReference;
use jiff::{SignedDuration, Timestamp};

fn named(name: &str) -> Group {
    let mut group = group(3);
    group.name = format!("{name}-asg").parse().unwrap();
    group.tags.insert("driftless:fleet".to_owned(), name.to_owned());
    group
}

/// The resync over a fleet whose fingerprint is known.
fn resynced(group: &Group, drifted: &[u32], open: &[&str], known: &Group) -> Resynced {
    let by_instance = drifted.iter().map(|number| (id(*number), finding())).collect();
    let compliance = BTreeMap::from([(rule(RULE), RuleReading::NonCompliant(by_instance))]);
    let open = open.iter().map(|name| (name.parse().unwrap(), None)).collect();
    let known = BTreeMap::from([(fleet(), fingerprint(&fleet(), std::slice::from_ref(known), &[], t0()))]);
    let (fleets, _) = fleets(vec![group.clone()], &Defaults::default());
    let read = Read { compliance: &compliance, open: &open, known: &known, ..nothing() };
    resync(&fleets, Read { now: t0(), ..read })
}

/// Everything was read, and there is nothing.
const fn nothing() -> Read<'static> {
    const COMPLIANCE: &BTreeMap<RuleName, RuleReading> = &BTreeMap::new();
    const IN_ALARM: &BTreeMap<AlarmName, Alarm> = &BTreeMap::new();
    const OPEN: &BTreeMap<FleetName, Option<Timestamp>> = &BTreeMap::new();
    const KNOWN: &BTreeMap<FleetName, String> = &BTreeMap::new();
    Read {
        compliance: COMPLIANCE,
        in_alarm: IN_ALARM,
        images: Some(&[]),
        open: OPEN,
        known: KNOWN,
        now: Timestamp::UNIX_EPOCH,
    }
}

/// The resync over one fleet that was looked at as it is, at t0.
fn resynced_at(now: Timestamp, images: Option<&[Image]>, in_alarm: &[&str]) -> Resynced {
    let group = group(3);
    let known = BTreeMap::from([(fleet(), fingerprint(&fleet(), std::slice::from_ref(&group), &[], t0()))]);
    let in_alarm = in_alarm.iter().map(|name| (name.parse().unwrap(), quiet_alarm())).collect();
    let (fleets, _) = fleets(vec![group], &Defaults::default());
    let read = Read { known: &known, in_alarm: &in_alarm, images, now, ..nothing() };
    resync(&fleets, read)
}

#[test]
fn the_oldest_work_under_way_is_told_and_what_only_waits_has_no_age() {
    let open = |since: &[Option<i64>]| -> BTreeMap<FleetName, Option<Timestamp>> {
        let times = since.iter().map(|since| since.map(|seconds| t0() - SignedDuration::from_secs(seconds)));
        times.enumerate().map(|(number, since)| (format!("fleet-{number}").parse().unwrap(), since)).collect()
    };
    for (since, expected) in [
        (&[][..], 0),
        (&[None], 0),
        (&[Some(86_400), None, Some(86_401), Some(5)], 86_401),
        // Two clocks: nothing is older than now.
        (&[Some(-2)], 0),
    ] {
        let open = open(since);
        let resynced = resync(&BTreeMap::new(), Read { open: &open, now: t0(), ..nothing() });
        assert_eq!(resynced.oldest_open_work, SignedDuration::from_secs(expected), "{since:?}");
    }
}

#[test]
fn an_image_for_the_fleet_requests_a_pass_and_another_image_does_not() {
    let of_other = Image { image_for: Some("other".into()), ..image(2) };
    assert!(resynced_at(t0(), Some(&[of_other]), &[]).requests.is_empty());
    assert!(resynced_at(t0(), Some(&[image(2)]), &[]).requests.contains_key(&fleet()));
    assert!(resynced_at(t0(), None, &[]).requests.is_empty(), "unread images say nothing");
}

#[test]
fn an_alarm_of_the_policy_in_alarm_requests_a_pass() {
    assert!(resynced_at(t0(), Some(&[]), &["web-5xx"]).requests.contains_key(&fleet()));
    assert!(resynced_at(t0(), Some(&[]), &["somebody-elses"]).requests.is_empty());
}

#[test]
fn every_fleet_gets_a_pass_once_an_hour_at_a_minute_of_its_own() {
    let requests = |minutes: i64| {
        let at = t0() + SignedDuration::from_mins(minutes);
        resynced_at(at, Some(&[]), &[]).requests.contains_key(&fleet())
    };
    let first = (0..61).find(|minutes| requests(*minutes)).expect("within the hour");
    assert!((first..first + 60).all(requests), "until it was looked at again");
    let minute_of = |name: &str| {
        let name: FleetName = name.parse().unwrap();
        let print = |minutes: i64| fingerprint(&name, &[], &[], t0() + SignedDuration::from_mins(minutes));
        (0..61).find(|minutes| print(*minutes) != print(0))
    };
    let minutes: BTreeSet<_> = (0..40).map(|number| minute_of(&format!("fleet-{number}"))).collect();
    assert!(minutes.len() > 15, "spread over the hour: {minutes:?}");
}

#[test]
fn target_groups_and_alarms_of_a_fleet_that_gets_a_pass_are_indexed_with_all_their_fleets() {
    let (mut one, mut two) = (named("one"), named("two"));
    one.tags.insert("driftless:alarms".to_owned(), "web-5xx;cpu-*".to_owned());
    two.tags.insert("driftless:alarms".to_owned(), "web-5xx".to_owned());
    two.target_groups = vec![target_group("two")];
    let (fleets, _) = fleets(vec![one, two], &Defaults::default());
    assert_eq!(alarm_prefixes(&fleets), BTreeSet::from(["cpu-*".parse().unwrap()]));
    let mut resynced = Resynced::default();
    resynced.requests.insert("one".parse().unwrap(), Reason::FleetChanged);
    let prefixed = BTreeSet::from(["cpu-1".parse().unwrap()]);
    let index = index(&fleets, &prefixed, &resynced);
    let named = |subject: &Subject| index[subject].iter().map(FleetName::as_str).collect::<Vec<_>>();
    assert_eq!(named(&Subject::Alarm("web-5xx".parse().unwrap())), ["one", "two"], "an alarm can guard both");
    assert_eq!(named(&Subject::Alarm("cpu-1".parse().unwrap())), ["one"]);
    assert_eq!(named(&Subject::TargetGroup(target_group("app").dimension().to_owned())), ["one"]);
    assert!(!index.contains_key(&Subject::TargetGroup(target_group("two").dimension().to_owned())));
}

#[test]
fn the_fingerprint_changes_with_tags_and_template_and_not_with_capacity() {
    let print = |change: &dyn Fn(&mut Group)| {
        let mut group = group(3);
        change(&mut group);
        fingerprint(&fleet(), &[group], &[], t0())
    };
    let before = print(&|_| {});
    let changes: [&dyn Fn(&mut Group); 5] = [
        &|group| drop(group.tags.insert("driftless:mode".to_owned(), "observe".to_owned())),
        &|group| drop(group.tags.insert("driftless:color".to_owned(), "blue".to_owned())),
        &|group| group.template = TemplateReference::Numbered(version(2)),
        &|group| group.unsupported.push("a warm pool".to_owned()),
        &|group| group.name = "other".parse().unwrap(),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        assert_ne!(print(change), before, "{number}");
    }
    let unchanged: [&dyn Fn(&mut Group); 4] =
        [&|group| group.desired = 9, &|group| group.max = 99, &|group| group.members.clear(), &|group| {
            drop(group.tags.insert("Name".to_owned(), "app".to_owned()));
        }];
    for (number, change) in unchanged.into_iter().enumerate() {
        assert_eq!(print(change), before, "{number}");
    }
}

#[test]
fn the_fingerprint_does_not_depend_on_the_order_of_the_answer() {
    let (one, other) = (named("one"), named("other"));
    let print = |groups: &[Group]| fingerprint(&fleet(), groups, &[], t0());
    assert_eq!(print(&[one.clone(), other.clone()]), print(&[other, one]));
}

#[test]
fn only_a_fleet_with_work_gets_a_pass() {
    let (same, mut tagged) = (group(3), group(3));
    tagged.tags.insert("driftless:mode".to_owned(), "observe".to_owned());
    for (group, drifted, open, reason) in [
        (&same, &[][..], &[][..], None),
        (&same, &[2], &[], Some(Reason::InstanceDrifted)),
        (&same, &[77], &[], None),
        (&same, &[], &["app"], Some(Reason::WorkIsOpen)),
        (&tagged, &[], &[], Some(Reason::FleetChanged)),
    ] {
        let resynced = resynced(group, drifted, open, &same);
        assert_eq!(resynced.requests.get(&fleet()).copied(), reason, "{drifted:?} {open:?}");
    }
}

#[test]
fn a_fleet_without_an_earlier_pass_gets_one() {
    let (fleets, _) = fleets(vec![group(3)], &Defaults::default());
    let resynced = resync(&fleets, nothing());
    assert!(resynced.requests.contains_key(&fleet()));
}

#[test]
fn a_fleet_without_drift_has_its_zero() {
    let same = group(3);
    assert_eq!(resynced(&same, &[], &[], &same).non_compliant, BTreeMap::from([(fleet(), 0)]));
    assert_eq!(resynced(&same, &[1, 3, 77], &[], &same).non_compliant, BTreeMap::from([(fleet(), 2)]));
}

#[test]
fn a_rule_that_is_not_on_the_list_is_not_counted() {
    let mut quiet = group(3);
    quiet.tags.remove("driftless:rules");
    assert_eq!(resynced(&quiet, &[1], &[], &quiet).non_compliant, BTreeMap::from([(fleet(), 0)]));
}

#[test]
fn open_work_of_a_fleet_without_groups_requests_a_pass() {
    let same = group(3);
    let resynced = resynced(&same, &[], &["gone"], &same);
    let gone: FleetName = "gone".parse().unwrap();
    assert_eq!(resynced.requests, BTreeMap::from([(gone, Reason::GroupsAreGone)]));
}

#[test]
fn a_tag_that_is_no_fleet_name_is_reported_and_the_rest_goes_on() {
    let (mut untagged, mut odd) = (named("plain"), named("odd"));
    untagged.tags.clear();
    odd.tags.insert("driftless:fleet".to_owned(), "App!".to_owned());
    let (fleets, misnamed) = fleets(vec![named("app"), odd, untagged], &Defaults::default());
    assert_eq!(fleets.keys().map(FleetName::as_str).collect::<Vec<_>>(), ["app"]);
    assert_eq!(
        misnamed,
        [r#"odd-asg: "App!" is not a fleet name: 1 to 40 of a-z, 0-9 and -, with no - at either end"#]
    );
}

#[test]
fn each_rule_that_any_fleet_lists_is_read_once() {
    let (mut one, mut other, mut invalid) = (named("one"), named("other"), named("invalid"));
    one.tags.insert("driftless:rules".to_owned(), "a;b".to_owned());
    other.tags.insert("driftless:rules".to_owned(), "b;c".to_owned());
    invalid.tags.insert("driftless:rules".to_owned(), "d".to_owned());
    invalid.tags.insert("driftless:debounce".to_owned(), "soon".to_owned());
    let (fleets, _) = fleets(vec![one, other, invalid], &Defaults::default());
    let read = rules(&fleets);
    assert_eq!(read.iter().map(RuleName::as_str).collect::<Vec<_>>(), ["a", "b", "c"]);
}

#[test]
fn a_fleet_whose_alarm_is_in_alarm_gets_its_pass_first() {
    let mut resynced = Resynced::default();
    let reasons = [Reason::FleetChanged, Reason::InstanceDrifted, Reason::WorkIsOpen, Reason::AlarmInAlarm];
    for (name, reason) in ["a", "b", "c", "d"].into_iter().zip(reasons) {
        resynced.requests.insert(name.parse().unwrap(), reason);
    }
    let names: Vec<&str> = resynced.in_order().into_iter().map(|(fleet, _)| fleet.as_str()).collect();
    assert_eq!(names, ["d", "c", "b", "a"]);
}
