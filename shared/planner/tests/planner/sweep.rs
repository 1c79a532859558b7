//! The sweep finds what events have lost.

use std::collections::{BTreeMap, BTreeSet};

use driftless_planner::ids::{FleetName, RuleName};
use driftless_planner::observation::{Group, RuleReading, TemplateReference};
use driftless_planner::policy::Defaults;
use driftless_planner::sweep::{Swept, fingerprint, fleets, rules, sweep};

use crate::support::{RULE, finding, fleet, group, id, rule, version};

fn named(name: &str) -> Group {
    let mut group = group(3);
    group.name = format!("{name}-asg").parse().unwrap();
    group.tags.insert("driftless:fleet".to_owned(), name.to_owned());
    group
}

/// The sweep over a fleet whose fingerprint is known.
fn swept(group: &Group, drifted: &[u32], open: &[&str], known: &Group) -> Swept {
    let by_instance = drifted.iter().map(|number| (id(*number), finding())).collect();
    let compliance = BTreeMap::from([(rule(RULE), RuleReading::NonCompliant(by_instance))]);
    let open: BTreeSet<FleetName> = open.iter().map(|name| name.parse().unwrap()).collect();
    let known = BTreeMap::from([(fleet(), fingerprint(std::slice::from_ref(known)))]);
    let (fleets, _) = fleets(vec![group.clone()]);
    sweep(&fleets, &compliance, &open, &known, &Defaults::default())
}

#[test]
fn the_fingerprint_changes_with_tags_and_template_and_not_with_capacity() {
    let print = |change: &dyn Fn(&mut Group)| {
        let mut group = group(3);
        change(&mut group);
        fingerprint(&[group])
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
    assert_eq!(fingerprint(&[one.clone(), other.clone()]), fingerprint(&[other, one]));
}

#[test]
fn a_fleet_with_something_to_do_is_woken_and_no_other() {
    let (same, mut tagged) = (group(3), group(3));
    tagged.tags.insert("driftless:mode".to_owned(), "observe".to_owned());
    for (group, drifted, open, reason) in [
        (&same, &[][..], &[][..], None),
        (&same, &[2], &[], Some("an instance breaks a rule of the list")),
        (&same, &[77], &[], None),
        (&same, &[], &["app"], Some("work is open")),
        (&tagged, &[], &[], Some("the groups or their policy changed")),
    ] {
        let swept = swept(group, drifted, open, &same);
        assert_eq!(swept.wakes.get(&fleet()).copied(), reason, "{drifted:?} {open:?}");
    }
}

#[test]
fn a_fleet_that_was_never_looked_at_is_woken() {
    let (fleets, _) = fleets(vec![group(3)]);
    let swept = sweep(&fleets, &BTreeMap::new(), &BTreeSet::new(), &BTreeMap::new(), &Defaults::default());
    assert!(swept.wakes.contains_key(&fleet()));
}

#[test]
fn a_fleet_without_drift_has_its_zero() {
    let same = group(3);
    assert_eq!(swept(&same, &[], &[], &same).non_compliant, BTreeMap::from([(fleet(), 0)]));
    assert_eq!(swept(&same, &[1, 3, 77], &[], &same).non_compliant, BTreeMap::from([(fleet(), 2)]));
}

#[test]
fn a_rule_that_is_not_on_the_list_is_not_counted() {
    let mut quiet = group(3);
    quiet.tags.remove("driftless:rules");
    assert_eq!(swept(&quiet, &[1], &[], &quiet).non_compliant, BTreeMap::from([(fleet(), 0)]));
}

#[test]
fn work_of_a_fleet_without_groups_is_woken() {
    let same = group(3);
    let swept = swept(&same, &[], &["gone"], &same);
    let gone: FleetName = "gone".parse().unwrap();
    assert_eq!(swept.wakes, BTreeMap::from([(gone, "work is open, and its groups are gone")]));
}

#[test]
fn a_tag_that_is_no_fleet_name_is_reported_and_the_rest_goes_on() {
    let mut unnamed = named("plain");
    unnamed.tags.clear();
    let (fleets, misnamed) = fleets(
        vec![named("app"), named("App!"), unnamed.clone()]
            .into_iter()
            .map(|mut group| {
                // The group's own name is a name all the same.
                if group.name.as_str() == "App!-asg" {
                    group.name = "odd-asg".parse().unwrap();
                }
                group
            })
            .collect(),
    );
    assert_eq!(fleets.keys().map(FleetName::as_str).collect::<Vec<_>>(), ["app"]);
    assert_eq!(misnamed, [r#"odd-asg: "App!" is not a fleet name: 1 to 40 of a-z, 0-9 and -"#]);
}

#[test]
fn each_rule_that_any_fleet_lists_is_read_once() {
    let (mut one, mut other, mut invalid) = (named("one"), named("other"), named("invalid"));
    one.tags.insert("driftless:rules".to_owned(), "a;b".to_owned());
    other.tags.insert("driftless:rules".to_owned(), "b;c".to_owned());
    invalid.tags.insert("driftless:rules".to_owned(), "d".to_owned());
    invalid.tags.insert("driftless:debounce".to_owned(), "soon".to_owned());
    let (fleets, _) = fleets(vec![one, other, invalid]);
    let read = rules(&fleets, &Defaults::default());
    assert_eq!(read.iter().map(RuleName::as_str).collect::<Vec<_>>(), ["a", "b", "c"]);
}
