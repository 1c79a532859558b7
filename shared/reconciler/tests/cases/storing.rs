//! Storing facts: a subject is resolved to its fleet by the index, else by Auto Scaling in one batch.

use std::collections::BTreeSet;

use driftless_planner::fact::{
    ComplianceFact, ComplianceType, Fact, ImageChange, ImageFact, ImageReference, ImageSource, Subject,
};
use driftless_planner::ids::FleetName;
use driftless_planner::request::ReconcileRequest;
use driftless_reconciler::ports::Deduplication;
use driftless_reconciler::store::{FactOutcome, FleetsOf, fleets_of, store};
use driftless_simulator::cloud::Build;
use jiff::SignedDuration;

use crate::support::names::{GROUPS, GROUPS_OF_INSTANCES, IMAGES_BY_ID, INDEXED};
use crate::support::{World, app, command_fact, fact, fleet_name, image, instance, report_compliance, rule, start};

const IMAGE: &str = "ami-0fedcba987";

fn found(world: &World, facts: &[Fact]) -> FleetsOf {
    let facts = facts.to_vec();
    world.visit(async move |function| fleets_of(&function, &facts).await).unwrap().unwrap()
}

/// Stores a fact unless its deduplication mark shows that it is known.
fn stored(world: &World, fact: &Fact, deduplication: Deduplication) -> FactOutcome {
    let fact = fact.clone();
    let visit = async move |function| {
        let fleets = fleets_of(&function, std::slice::from_ref(&fact)).await?;
        store(&function, &fact, &fleets, &deduplication, 0).await
    };
    world.visit(visit).unwrap().unwrap()
}

fn nothing() -> Deduplication {
    Deduplication::default()
}

fn with_app() -> FactOutcome {
    FactOutcome::With(BTreeSet::from([fleet_name()]))
}

fn image_fact(fleet: Option<FleetName>) -> Fact {
    Fact::Image(ImageFact {
        image: ImageReference::Ami(IMAGE.parse().unwrap()),
        change: ImageChange::Available,
        source: ImageSource::Ec2,
        at: start(),
        fleet,
        commit: None,
        build: None,
        url: None,
    })
}

fn of_all_four(world: &World) -> Vec<Fact> {
    (0..4).map(|number| fact(&world.lock(), number, ComplianceType::NonCompliant)).collect()
}

#[test]
fn an_indexed_subject_costs_no_call_to_auto_scaling() {
    let world = app();
    let known = (0..4).map(|number| (Subject::Instance(instance(number)), BTreeSet::from([fleet_name()])));
    world.lock().table.index(&known.collect());
    assert_eq!(found(&world, &of_all_four(&world)).len(), 4);
    assert_eq!(world.names_since(0), [INDEXED]);
}

#[test]
fn subjects_that_the_index_misses_are_read_in_one_batch_and_indexed() {
    let world = app();
    let facts = of_all_four(&world);
    assert_eq!(found(&world, &facts).len(), 4);
    assert_eq!(world.names_since(0), [INDEXED, GROUPS_OF_INSTANCES, GROUPS, "index"]);
    assert_eq!(found(&world, &facts).len(), 4);
    assert_eq!(world.names_since(4), [INDEXED]);
}

#[test]
fn one_instance_indexes_its_whole_group() {
    let world = app();
    for fact in of_all_four(&world) {
        assert_eq!(found(&world, &[fact]).len(), 1);
    }
    let asked = [INDEXED, GROUPS_OF_INSTANCES, GROUPS, "index", INDEXED, INDEXED, INDEXED];
    assert_eq!(world.names_since(0), asked);
}

#[test]
fn an_instance_that_belongs_to_no_fleet_is_not_ours_and_is_indexed_as_such() {
    let world = app();
    let stranger = Fact::Compliance(ComplianceFact {
        instance: "i-0123456789abcdef0".parse().unwrap(),
        rule: rule(),
        verdict: ComplianceType::NonCompliant,
        observed_at: world.now(),
        annotation: None,
    });
    assert_eq!(stored(&world, &stranger, nothing()), FactOutcome::NotOurs);
    assert_eq!(world.names_since(0), [INDEXED, GROUPS_OF_INSTANCES, "index"]);
    assert!(found(&world, &[stranger]).is_empty());
    assert_eq!(world.names_since(3), [INDEXED]);
}

#[test]
fn an_untagged_image_is_looked_up_again_after_one_and_three_minutes_and_then_left_to_the_resync() {
    let world = app();
    world.lock().report(&image_fact(None));
    assert_eq!(world.deliver_all(), 3);
    assert_eq!(world.names_since(0), [IMAGES_BY_ID, "sqs:SendMessage", IMAGES_BY_ID, "sqs:SendMessage", IMAGES_BY_ID]);
    let asked = world.sent(IMAGES_BY_ID);
    let (first, second) = (asked[1].duration_since(asked[0]), asked[2].duration_since(asked[1]));
    assert_eq!((first.as_secs(), second.as_secs()), (60, 120));
}

#[test]
fn an_image_that_is_tagged_a_minute_late_is_found() {
    let world = app();
    world.lock().report(&image_fact(None));
    world
        .run_until(|world| world.queue.messages().any(|known| matches!(known.body, ReconcileRequest::Untagged { .. })));
    world.lock().cloud.add_image(image(IMAGE), Build::Good);
    world.lock().cloud.drain_events();
    world.deliver_all();
    assert!(world.count("load") > 0, "its fleet is reconciled");
}

#[test]
fn an_image_that_names_its_fleet_is_stored_without_a_lookup() {
    let world = app();
    assert_eq!(stored(&world, &image_fact(Some(fleet_name())), nothing()), with_app());
    assert_eq!(world.names_since(0), ["store"]);
    // The fact is a hint: a pass consumes it.
    world.reconcile().unwrap();
    assert!(world.messages().is_empty());
}

#[test]
fn a_command_that_is_not_newer_than_the_stored_one_counts_no_request_and_is_reconciled() {
    let world = app();
    let fact = command_fact(&world.lock(), "one");
    for _ in 0..3 {
        assert_eq!(stored(&world, &fact, nothing()), with_app());
    }
    assert_eq!(world.row().lock.requests, 1);
}

#[test]
fn a_result_of_config_counts_no_request_and_is_known_from_then_on() {
    let world = app();
    let fact = fact(&world.lock(), 1, ComplianceType::NonCompliant);
    assert_eq!([0, 1].map(|_| stored(&world, &fact, nothing())), [with_app(), FactOutcome::Known]);
    // A pass consumes the fact.
    report_compliance(&mut world.lock(), 1, ComplianceType::NonCompliant);
    world.reconcile().unwrap();
    assert_eq!(stored(&world, &fact, nothing()), FactOutcome::Known);
    let row = world.row();
    assert_eq!((row.lock.requests, row.facts.len()), (0, 0));
}

#[test]
fn a_marked_fact_is_not_stored_again_unless_it_is_newer() {
    let world = app();
    let fact = fact(&world.lock(), 1, ComplianceType::NonCompliant);
    let step = SignedDuration::from_millis(1);
    let marked_at = |at| Deduplication { observed_at: [((fleet_name(), fact.key()), at)].into(), ..nothing() };
    let at = fact.observed_at();
    let stored = |at| stored(&world, &fact, marked_at(at));
    assert_eq!([at + step, at].map(stored), [FactOutcome::Known, FactOutcome::Known]);
    assert_eq!(world.count("store"), 0);
    assert_eq!(stored(at - step), with_app());
    assert_eq!(world.count("store"), 1);
}
