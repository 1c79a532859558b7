//! The resync of large accounts: its calls, its memory, and which fleets it requests when.

use std::collections::BTreeMap;
use std::mem::size_of;

use driftless_planner::observation::{Group, Member};
use driftless_planner::policy::Defaults;
use driftless_reconciler::ports::Groups;
use driftless_reconciler::resync::resync;
use driftless_simulator::account::{Account, Size};
use driftless_simulator::executor::Simulation;
use driftless_simulator::rng::Rng;
use jiff::{SignedDuration, Timestamp};

use crate::page;

/// The memory of the function, in bytes.
const MEMORY: usize = 256 << 20;
/// The largest overhead of an allocation, in bytes.
const ALLOCATION: usize = 32;
/// Requests are spread over 240 s; sending them takes up to 10 s more.
const SPREAD: i64 = 240 + 10;

/// Calls that the resync makes for all fleets together, apart from requests.
const BATCHED: [&str; 10] = [
    "account_events",
    "autoscaling:DescribeAutoScalingGroups",
    "open_fleets",
    "fingerprints",
    "ec2:DescribeImages",
    "cloudwatch:DescribeAlarms (ringing)",
    "cloudwatch:DescribeAlarms",
    "config:GetComplianceDetailsByConfigRule",
    "index",
    "sqs:SendMessageBatch",
];

struct Counted {
    fleets: usize,
    calls: BTreeMap<&'static str, u64>,
    requested: Vec<Timestamp>,
    held: usize,
    begun: Timestamp,
}

impl Counted {
    fn but_requests(&self) -> u64 {
        self.calls.iter().filter(|(name, _)| **name != "sqs:SendMessageBatch").map(|(_, count)| count).sum()
    }

    /// Seconds from the first request to the last.
    fn spread(&self) -> i64 {
        let first = self.requested.iter().min().copied().unwrap_or(self.begun);
        let last = self.requested.iter().max().copied().unwrap_or(self.begun);
        last.duration_since(first).as_secs()
    }

    /// The most requests that come within one second.
    fn at_once(&self) -> usize {
        let mut by_second: BTreeMap<i64, usize> = BTreeMap::new();
        for at in &self.requested {
            *by_second.entry(at.as_second()).or_default() += 1;
        }
        by_second.values().copied().max().unwrap_or(0)
    }
}

/// Heap size of a text, in bytes.
fn text(text: &str) -> usize {
    text.len() + ALLOCATION
}

/// Memory of the resync for a group, in bytes.
fn held(group: &Group) -> usize {
    let tags = group.tags.iter().map(|(key, value)| text(key) + text(value) + 2 * size_of::<String>());
    let member = |member: &Member| {
        let template = member.template.as_ref().map_or(0, |version| text(version.template.as_str()));
        size_of::<Member>() + text(member.id.as_str()) + text(member.zone.as_str()) + template
    };
    let members: usize = group.members.iter().map(member).sum();
    size_of::<Group>() + text(group.name.as_str()) + tags.sum::<usize>() + members
}

fn counted(fleets: usize, instances: u32) -> Counted {
    let start: Timestamp = "2026-11-02T08:00:00Z".parse().unwrap();
    // No fleet has been reconciled yet: the resync requests every fleet, which is its largest case.
    let Account { world, .. } = Account::new(Size { fleets, instances }, start, &mut Rng::new(7)).unwrap();
    let mut simulation = Simulation::resynced_after(SignedDuration::from_hours(1), world, Defaults::default());
    let mut world = simulation.shared().lock();
    world.queue.is_deferred = true;
    let (before, known) = (world.counts.clone(), world.queue.visible_times().collect::<Vec<_>>());
    let begun = world.now;
    drop(world);
    let held = simulation.visit(async |function| {
        let resynced = resync(&function, &Defaults::default()).await.unwrap();
        assert!(resynced.misnamed.is_empty());
        function.all_groups().await.unwrap().iter().map(held).sum::<usize>()
    });
    let world = simulation.shared().lock();
    let mut calls = world.counts.calls.clone();
    for (name, count) in &before.calls {
        *calls.entry(name).or_default() -= count;
    }
    // Without the call of the test itself.
    *calls.entry("autoscaling:DescribeAutoScalingGroups").or_default() -= 1;
    calls.retain(|_, count| *count > 0);
    let mut requested: Vec<Timestamp> = world.queue.visible_times().collect();
    requested.retain(|at| !known.contains(at));
    Counted { fleets, calls, requested, held: held.unwrap(), begun }
}

const HEADER: [&str; 6] = [
    "fleets of 100 instances",
    "calls",
    "reconcile requests",
    "spread over, s",
    "most requests in one second",
    "memory for groups, MB",
];

#[test]
#[ignore = "made for the profile sim: make scale runs it"]
fn a_resync_reads_in_batches_and_spreads_its_requests_and_fits_its_function() {
    let resyncs: Vec<Counted> = [10, 100, 1_000].into_iter().map(|fleets| counted(fleets, 100)).collect();
    for resynced in &resyncs {
        for name in resynced.calls.keys() {
            assert!(BATCHED.contains(name), "{name} is asked for fleet by fleet");
        }
        assert_eq!(resynced.but_requests(), resyncs[0].but_requests(), "calls grow with the fleets");
        assert_eq!(resynced.calls["sqs:SendMessageBatch"], u64::try_from(resynced.fleets.div_ceil(10)).unwrap());
        assert_eq!(resynced.requested.len(), resynced.fleets);
        assert!(
            resynced.spread() <= SPREAD && resynced.at_once() <= resynced.fleets.div_ceil(200) + 1,
            "{}",
            resynced.at_once()
        );
        assert!(resynced.held * 2 < MEMORY, "{} bytes", resynced.held);
    }
    let row = |resynced: &Counted| {
        let (calls, requests, megabytes) =
            (resynced.but_requests(), resynced.requested.len(), resynced.held.div_ceil(1 << 20));
        format!(
            "| {} | {calls} | {requests} | {} | {} | {megabytes} |",
            resynced.fleets,
            resynced.spread(),
            resynced.at_once()
        )
    };
    page::hold("resync", &HEADER, &resyncs.iter().map(row).collect::<Vec<_>>());
}
