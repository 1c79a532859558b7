//! The calls and the rounds of each decision in every phase, compared with docs/calls.md. The production loop makes the
//! calls; scenarios lead it through the phases.
//!
//! `BLESS=1 cargo test -p driftless-simulator --test simulator calls` writes the page: read the difference.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::{env, fs, thread};

use driftless_planner::record::{CutoverPhaseKind, PhaseKind};
use driftless_simulator::calls::{Call, Snapshot, aws_calls, aws_rounds, rounds};
use driftless_simulator::scenario::Scenario;

/// The title of each scenario, and its file in `tests/scenarios` or its text.
const STORIES: &[(&str, &str)] = &[
    (
        "An idle fleet",
        "fleet web: weighted, blue live, 4 instances, policy mode=act rules=approved alarms=web-5xx\nexpect idle\nend at 3h",
    ),
    (
        "An instance is replaced, its replacement instance first",
        "fleet web: weighted, blue live, 4 instances, policy mode=act rules=approved alarms=web-5xx\n\
         at 5m drift blue/1 under approved\nby 1h expect replaced=1 idle\nend at 70m",
    ),
    (
        "By a greater desired capacity, where Auto Scaling does not offer LaunchInstances",
        "46-a-group-without-launch-instances",
    ),
    ("The drifted instance is terminated first", "28-terminate-first"),
    ("The drifted instance is kept for forensics", "29-quarantine"),
    ("Replacement instances that are never healthy", "07-successors-that-are-never-healthy"),
    ("An instance whose replacement a freeze blocks", "23-a-freeze-holds-a-replacement"),
    ("A cutover, by weights", "20-cutover-with-weights"),
    ("A cutover in a target group that both colors share", "20-cutover-in-a-shared-target-group"),
    ("A cutover without a load balancer", "20-cutover-without-a-load-balancer"),
    ("A single group is refreshed", "20-a-single-group-is-refreshed"),
    ("A cutover that an operator approves", "21-approval-by-a-person"),
    ("A cutover whose preflight finds an alarm", "08-an-alarm-before-the-start"),
    ("A cutover that is aborted before it has traffic", "10-rollback-before-traffic"),
    ("An alarm, and the rollback while the old color is warm", "08-an-alarm-while-the-old-color-is-warm"),
    ("A single group is rolled back", "48-a-single-group-goes-back"),
    ("Weights that an operator has changed", "31-a-person-moves-the-weights-mid-way"),
];

/// The most rounds of reads for a decision that changes nothing.
const IDLE_ROUNDS_MAX: usize = 3;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The passes of every scenario. Each scenario runs once.
fn stories() -> &'static [(&'static str, Vec<Snapshot>)] {
    static TOLD: OnceLock<Vec<(&str, Vec<Snapshot>)>> = OnceLock::new();
    TOLD.get_or_init(|| {
        thread::scope(|scope| {
            let tellers: Vec<_> =
                STORIES.iter().map(|(title, story)| (*title, scope.spawn(|| passes(story)))).collect();
            tellers.into_iter().map(|(title, teller)| (title, teller.join().unwrap())).collect()
        })
    })
}

fn passes(story: &str) -> Vec<Snapshot> {
    let text = if story.contains(' ') {
        story.to_owned()
    } else {
        fs::read_to_string(root().join("tests/scenarios").join(format!("{story}.scenario"))).unwrap()
    };
    let (report, calls) = Scenario::parse(&text).unwrap().counted().unwrap();
    assert!(report.failures.is_empty(), "{story}: {:?}", report.failures);
    calls.passes()
}

/// For each phase, the pass with the most calls. A state with several phases at once is left out.
fn most() -> BTreeMap<&'static str, &'static Snapshot> {
    let mut most: BTreeMap<&str, &Snapshot> = BTreeMap::new();
    let weight =
        |reconcile: &Snapshot| (aws_calls(&reconcile.calls), aws_rounds(&reconcile.calls), reconcile.calls.len());
    for reconcile in
        stories().iter().flat_map(|(_, passes)| passes).filter(|reconcile| !reconcile.before.contains(" + "))
    {
        let known = most.entry(&reconcile.before).or_insert(reconcile);
        if weight(known) < weight(reconcile) {
            *known = reconcile;
        }
    }
    most
}

/// The calls as text: the calls of a round together, with an arrow between rounds.
fn chain(calls: &[Call]) -> String {
    let round = |round: &Vec<&Call>| {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for call in round {
            *counts.entry(short(call.operation)).or_default() += 1;
        }
        let several =
            |(name, count): (&str, usize)| if count > 1 { format!("{name} ×{count}") } else { name.to_owned() };
        counts.into_iter().map(several).collect::<Vec<_>>().join(", ")
    };
    rounds(calls).iter().map(round).collect::<Vec<_>>().join(" → ")
}

fn short(operation: &str) -> &str {
    operation.split_once(':').map_or(operation, |(_, name)| name)
}

fn page() -> String {
    let mut page = String::from(INTRODUCTION);
    for (phase, Snapshot { calls, .. }) in most() {
        let (ports, of_aws) = ((calls.len(), rounds(calls).len()), (aws_calls(calls), aws_rounds(calls)));
        let _ = writeln!(page, "| {phase} | {} | {} | {} | {} |", ports.0, ports.1, of_aws.0, of_aws.1);
    }
    page
}

const INTRODUCTION: &str = "\
# Calls

The number of calls that a reconcile pass makes. The test `calls` counts them: the production loop makes these calls on the simulated
AWS. `BLESS=1 cargo test -p driftless-simulator --test simulator calls` writes the page anew.

A pass reads, commits, acts, and publishes messages. *Found* is the phase that the record has before the pass. The table shows the
pass with the most calls of all passes that found this phase in the scenarios of the test. *Calls* counts calls to ports. *Rounds*
is the longest chain of calls in which each waits for the one before; calls that are made together are one round. *AWS calls* counts
the requests that `shared/aws` sends for them if each response fits one page. A pass that changes nothing takes at most three
rounds, and no pass reads anything twice: tests check both.

Beside its passes a run acquires the lease (`acquire`, 1 call) and releases it (`release`, 1 call). Before the release it sends a
delayed reconcile request unless an earlier one is on the queue (`SendMessage`, 1 call). Before the passes it stores a batch of
facts: one read of the index for all of them, one read of the deduplication marks for facts that can wait (results of Config), and
one `store` for each new fact, at the same time. For instances that the index does not know it makes two calls to Auto Scaling and
one `index` call for all of them. A pass that such facts cause at once counts against the limit of the account for one minute
(`take_immediate_run`, 1 call). A detector makes one call for a whole batch.

| found | calls | rounds | AWS calls | AWS rounds |
| --- | --- | --- | --- | --- |
";

#[test]
fn the_calls_of_every_phase_are_as_documented() {
    let page = page();
    let path = root().join("docs/calls.md");
    if env::var_os("BLESS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let known = fs::read_to_string(&path).unwrap_or_default();
    let differs = (1..).zip(known.lines().zip(page.lines())).find(|(_, (was, is))| was != is);
    assert!(known == page, "docs/calls.md is not what is counted; the first line that differs: {differs:?}");
}

#[test]
fn every_phase_of_both_machines_is_counted() {
    let found: BTreeSet<String> =
        stories().iter().flat_map(|(_, passes)| passes).map(|reconcile| reconcile.before.clone()).collect();
    let of_replacements = PhaseKind::all().iter().map(|phase| format!("replacement {}", <&str>::from(*phase)));
    let of_cutovers = CutoverPhaseKind::all().iter().map(|phase| format!("cutover {}", <&str>::from(*phase)));
    let missing: Vec<String> = of_replacements.chain(of_cutovers).filter(|phase| !found.contains(phase)).collect();
    assert!(missing.is_empty(), "{missing:?} among {found:?}");
}

#[test]
fn a_decision_that_finds_nothing_to_do_takes_three_rounds_at_most() {
    for (title, passes) in stories() {
        for reconcile in passes
            .iter()
            .filter(|reconcile| reconcile.after.is_none() && reconcile.calls.len() == reconcile.reads().len())
        {
            assert!(
                rounds(&reconcile.calls).len() <= IDLE_ROUNDS_MAX,
                "{title}, {}: {}",
                reconcile.before,
                chain(&reconcile.calls)
            );
        }
    }
}

#[test]
fn nothing_is_read_twice_in_one_decision() {
    for (title, passes) in stories() {
        for reconcile in passes {
            assert!(reconcile.repeated().is_empty(), "{title}, {}: {:?}", reconcile.before, reconcile.repeated());
        }
    }
}
