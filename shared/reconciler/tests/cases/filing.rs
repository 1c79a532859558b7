//! Filing: subject → fleet, by the index, else by Auto Scaling in one batch.

use std::collections::BTreeSet;

use driftless_planner::fact::{
    ComplianceFact, Fact, ImageChange, ImageFact, ImageReference, ImageSource, Subject, Verdict,
};
use driftless_planner::ids::FleetName;
use driftless_reconciler::file::{Filed, FleetsOf, file, fleets_of};
use driftless_reconciler::ports::Remembered;

use jiff::SignedDuration;

use crate::support::{World, app, block_on, fact, fleet_name, instance, judge, rule, start, word};

fn found(world: &World, facts: &[Fact]) -> FleetsOf {
    block_on(fleets_of(world, facts)).unwrap()
}

fn image(fleet: Option<FleetName>) -> Fact {
    Fact::Image(ImageFact {
        image: ImageReference::Ami("ami-0fedcba987".parse().unwrap()),
        change: ImageChange::Available,
        source: ImageSource::Ec2,
        at: start(),
        fleet,
        commit: None,
        build: None,
        url: None,
    })
}

fn stranger(world: &World) -> Fact {
    Fact::Compliance(ComplianceFact {
        instance: "i-0123456789abcdef0".parse().unwrap(),
        rule: rule(),
        verdict: Verdict::NonCompliant,
        observed_at: world.lock().now,
        annotation: None,
    })
}

#[test]
fn what_the_index_knows_asks_no_auto_scaling() {
    let world = app();
    let facts: Vec<Fact> = (0..4).map(|number| fact(&world, number, Verdict::NonCompliant)).collect();
    for number in 0..4 {
        world.lock().index.insert(Subject::Instance(instance(number)), BTreeSet::from([fleet_name()]));
    }
    assert_eq!(found(&world, &facts).len(), 4);
    assert_eq!(world.names_since(0), ["indexed"]);
}

#[test]
fn what_the_index_misses_is_asked_in_one_batch_and_remembered() {
    let world = app();
    let facts: Vec<Fact> = (0..4).map(|number| fact(&world, number, Verdict::NonCompliant)).collect();
    assert_eq!(found(&world, &facts).len(), 4);
    assert_eq!(world.names_since(0), ["indexed", "groups_of_instances", "fleets_of_groups", "index"]);
    assert_eq!(found(&world, &facts).len(), 4);
    assert_eq!(world.names_since(4), ["indexed"]);
}

#[test]
fn what_is_told_of_one_instance_is_told_of_its_group() {
    let world = app();
    let facts: Vec<Fact> = (0..4).map(|number| fact(&world, number, Verdict::NonCompliant)).collect();
    for fact in &facts {
        assert_eq!(found(&world, std::slice::from_ref(fact)).len(), 1);
    }
    let asked = ["indexed", "groups_of_instances", "fleets_of_groups", "index", "indexed", "indexed", "indexed"];
    assert_eq!(world.names_since(0), asked);
}

#[test]
fn an_instance_that_belongs_to_no_fleet_is_not_ours_and_is_remembered_as_such() {
    let world = app();
    let fact = stranger(&world);
    let fleets = found(&world, std::slice::from_ref(&fact));
    assert_eq!(block_on(file(&world, &fact, &fleets, &nothing(), 0)).unwrap(), Filed::NotOurs);
    assert_eq!(world.names_since(0), ["indexed", "groups_of_instances", "index"]);
    assert!(found(&world, std::slice::from_ref(&fact)).is_empty());
    assert_eq!(world.names_since(3), ["indexed"]);
}

#[test]
fn an_untagged_image_is_looked_at_again_after_one_and_three_minutes_and_then_left_to_the_sweep() {
    let world = app();
    let fact = image(None);
    world.report(&fact);
    assert_eq!(world.deliver_all(), 3);
    assert_eq!(world.lock().delays, [SignedDuration::from_mins(1), SignedDuration::from_mins(2)]);
    assert_eq!(world.names_since(0), ["images", "send", "images", "send", "images"]);
}

#[test]
fn an_image_that_is_tagged_a_minute_late_is_found() {
    let world = app();
    let fact = image(None);
    world.report(&fact);
    assert!(world.deliver().is_some());
    let Fact::Image(report) = &fact else { unreachable!() };
    let ImageReference::Ami(id) = &report.image else { unreachable!() };
    let tagged = crate::support::image(id.as_str());
    world.lock().images.insert(id.clone(), tagged);
    let ran = world.deliver().unwrap().unwrap();
    assert!(ran.is_some(), "its fleet is looked at");
}

#[test]
fn an_image_that_names_its_fleet_goes_there_without_a_look_up() {
    let world = app();
    let fact = image(Some(fleet_name()));
    let fleets = found(&world, std::slice::from_ref(&fact));
    assert_eq!(
        block_on(file(&world, &fact, &fleets, &nothing(), 0)).unwrap(),
        Filed::With(BTreeSet::from([fleet_name()]))
    );
    assert_eq!(world.names_since(0), ["file"]);
    // It is a hint: a look uses it up.
    block_on(world.look(&fleet_name(), None)).unwrap();
    assert!(world.lock().queue.is_empty());
}

#[test]
fn a_command_that_is_not_newer_than_the_stored_one_counts_no_wake_and_is_looked_at() {
    let world = app();
    let fact = word(&world, "one");
    let fleets = found(&world, std::slice::from_ref(&fact));
    for _ in 0..3 {
        let filed = block_on(file(&world, &fact, &fleets, &nothing(), 0)).unwrap();
        assert_eq!(filed, Filed::With(BTreeSet::from([fleet_name()])));
    }
    assert_eq!(world.row(&fleet_name(), |row| row.lock.wakes), 1);
}

#[test]
fn a_verdict_of_config_counts_no_wake_and_is_known_from_then_on() {
    let world = app();
    let fact = fact(&world, 1, Verdict::NonCompliant);
    let fleets = found(&world, std::slice::from_ref(&fact));
    let filed = |_| block_on(file(&world, &fact, &fleets, &nothing(), 0)).unwrap();
    assert_eq!([0, 1].map(filed), [Filed::With(BTreeSet::from([fleet_name()])), Filed::Known]);
    // A look uses it up.
    judge(&world, 1, Verdict::NonCompliant);
    block_on(world.look(&fleet_name(), None)).unwrap();
    assert_eq!(filed(2), Filed::Known);
    assert_eq!(world.row(&fleet_name(), |row| (row.lock.wakes, row.facts.len())), (0, 0));
}

#[test]
fn what_is_remembered_is_not_written_unless_it_is_newer() {
    let world = app();
    let fact = fact(&world, 1, Verdict::NonCompliant);
    let fleets = found(&world, std::slice::from_ref(&fact));
    let step = SignedDuration::from_millis(1);
    let heard_at = |at| Remembered { heard: [((fleet_name(), fact.key()), at)].into(), ..nothing() };
    let at = fact.observed_at();
    let filed = |at| block_on(file(&world, &fact, &fleets, &heard_at(at), 0)).unwrap();
    let begin = world.names_since(0).len();
    assert_eq!([at + step, at].map(filed), [Filed::Known, Filed::Known]);
    assert!(world.names_since(begin).is_empty());
    assert_eq!(filed(at - step), Filed::With(BTreeSet::from([fleet_name()])));
}

/// Nothing is remembered.
fn nothing() -> Remembered {
    Remembered::default()
}
