//! `driftless doctor`: finds problems that no alarm reports.

use clap::Args;
use driftless_planner::ids::FleetName;
use driftless_status::FleetStatus;
use driftless_status::model::{BorrowedSettingsStatus, DriftedStatus, LeaseStatus, NextRequest};
use driftless_status::rollback_path::{RollbackPathKind, Target};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::console::{Console, Failure, printable};
use crate::draw::page::lasting;
use crate::exit::Exit;

/// A reconcile pass that is this late will not come. The resync runs every 5 minutes by default, and one resync may be
/// missed.
const LATE_AFTER: SignedDuration = SignedDuration::from_mins(11);

/// What `driftless doctor` takes.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Name of the fleet [default: all fleets]
    fleet: Option<FleetName>,
}

/// The result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// There is no problem.
    #[serde(rename = "ok")]
    Well,
    /// There is a problem.
    #[serde(rename = "problem")]
    Found,
    /// The check could not be made.
    Unknown,
}

/// One check of a fleet, with its result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    pub check: &'static str,
    #[serde(rename = "result")]
    pub verdict: Verdict,
    /// The problem, or the reason why the check could not be made.
    #[serde(rename = "message")]
    pub says: String,
}

/// The checks of one fleet.
#[derive(Debug, Serialize)]
struct Patient {
    fleet: FleetName,
    checks: Vec<Check>,
}

pub(crate) fn run(arguments: &Arguments, console: &mut Console<'_>) -> Result<Exit, Failure> {
    let mut patients = Vec::new();
    match &arguments.fleet {
        Some(fleet) => patients.push(Patient { fleet: fleet.clone(), checks: examine(&console.fleet(fleet)?) }),
        None => everyone(console, &mut patients)?,
    }
    console.answer(&patients, |_| drawn(&patients))?;
    let is_well = patients.iter().flat_map(|patient| &patient.checks).all(|check| check.verdict != Verdict::Found);
    Ok(if is_well { Exit::Done } else { Exit::NotDone })
}

fn everyone(console: &Console<'_>, patients: &mut Vec<Patient>) -> Result<(), Failure> {
    let fleets = console.fleets()?;
    for fleet in fleets.fleets {
        let checks = examine(&console.fleet(&fleet.fleet)?);
        patients.push(Patient { fleet: fleet.fleet, checks });
    }
    patients.extend(fleets.unread.into_iter().map(|unread| {
        let check = Check { check: "reading", verdict: Verdict::Found, says: unread.why.to_string() };
        Patient { fleet: unread.fleet, checks: vec![check] }
    }));
    Ok(())
}

/// Makes every check of a fleet. The list also contains the checks that find no problem.
pub fn examine(status: &FleetStatus) -> Vec<Check> {
    let mut checks = Vec::new();
    let mut say = |check, well: &str, found: Vec<String>| {
        if found.is_empty() {
            checks.push(Check { check, verdict: Verdict::Well, says: well.to_owned() });
        }
        checks.extend(found.into_iter().map(|says| Check { check, verdict: Verdict::Found, says }));
    };
    say("settings", "every setting that Driftless changed is restored or in use", orphans(status));
    say("deadlines", "no phase is past its deadline", overdue(status));
    say("reconciles", "the next run is not late", late_looks(status));
    say("rollback", "the cutover can be rolled back, or none is in progress", rollback_path(status));
    let conditions = status.conditions.iter().map(|known| format!("{}: {}", known.condition, known.detail));
    say("conditions", "none is open", conditions.collect());
    checks.push(lease(status));
    checks.push(target(status));
    checks
}

/// Checks for settings that should have been restored. A changed setting belongs to a cutover or a replacement in
/// progress; without either, it is a problem.
fn orphans(status: &FleetStatus) -> Vec<String> {
    let is_moving = |work: &DriftedStatus| work.guards.is_empty() && work.phase != "stopped";
    let is_working = status.cutover.is_some() || status.drifted.iter().any(is_moving);
    if is_working {
        return Vec::new();
    }
    let orphan = |entry: &BorrowedSettingsStatus| {
        let since = lasting(status.at.duration_since(entry.since));
        format!(
            "{}: {} for {since}; no work in progress needs this: it should have been restored",
            entry.group, entry.says
        )
    };
    status.borrowed_settings.iter().map(orphan).collect()
}

/// Checks for phases that are past their deadline. A phase ends with the first reconcile pass after its deadline, so a
/// phase that is still there much later shows that no pass runs.
fn overdue(status: &FleetStatus) -> Vec<String> {
    let cutover = status.cutover.iter().filter_map(|cutover| {
        let late = late(status.at, cutover.deadline?)?;
        Some(format!("the cutover is {}, {} after the deadline of this phase", cutover.phase, lasting(late)))
    });
    let work = status.drifted.iter().filter_map(|work| {
        let late = late(status.at, work.deadline?)?;
        Some(format!("{} is {}, {} after the deadline of this phase", work.instance, work.phase, lasting(late)))
    });
    cutover.chain(work).collect()
}

fn late_looks(status: &FleetStatus) -> Vec<String> {
    let request = match status.next_request {
        NextRequest::At { at } => late(status.at, at),
        NextRequest::None | NextRequest::Unknown => None,
    };
    let request = request.map(|late| {
        format!(
            "a reconcile is {} late: check the reconcile function, its queue and the resync schedule",
            lasting(late)
        )
    });
    request.into_iter().collect()
}

fn late(now: Timestamp, due: Timestamp) -> Option<SignedDuration> {
    Some(now.duration_since(due)).filter(|late| *late > LATE_AFTER)
}

/// Checks that a cutover can be rolled back. An idle fleet without an earlier release is no problem.
fn rollback_path(status: &FleetStatus) -> Vec<String> {
    let is_missed = status.cutover.is_some() && !status.rollback_path.is_open;
    let is_missed = is_missed && status.rollback_path.kind == RollbackPathKind::None;
    is_missed.then(|| format!("not possible: {}", status.rollback_path.says)).into_iter().collect()
}

/// Checks the lease. A run releases the lease of a fleet within a minute, so a lease that ended long ago shows that the
/// run which acquired it has died.
fn lease(status: &FleetStatus) -> Check {
    let (verdict, says) = match &status.lease {
        LeaseStatus::Unknown => (Verdict::Unknown, "the lease of the fleet was not read".to_owned()),
        LeaseStatus::Free => (Verdict::Well, "no run holds it".to_owned()),
        LeaseStatus::Held { holder, until } => match late(status.at, *until) {
            None => (Verdict::Well, format!("run {holder} reconciles the fleet, until {until:.0} at the latest")),
            Some(late) => {
                let says = format!(
                    "run {holder} took the lease until {until:.0} and did not release it; no reconcile ran in the {} since",
                    lasting(late)
                );
                (Verdict::Found, says)
            }
        },
    };
    Check { check: "lease", verdict, says }
}

/// Checks that the release that a rollback returns to can still be launched.
fn target(status: &FleetStatus) -> Check {
    let (verdict, says) = match (&status.rollback_path.target, &status.rollback_path.to) {
        (Target::Launchable, _) => (Verdict::Well, "its image and launch template version exist".to_owned()),
        (Target::Unlaunchable { why }, _) => (Verdict::Found, why.to_string()),
        (Target::Unknown, None) => (Verdict::Well, "there is no earlier release".to_owned()),
        (Target::Unknown, Some(to)) => (Verdict::Unknown, format!("whether {} still exists was not read", to.image)),
    };
    Check { check: "rollback target", verdict, says }
}

fn drawn(patients: &[Patient]) -> String {
    let mut lines: Vec<String> = Vec::new();
    for patient in patients {
        lines.push(patient.fleet.to_string());
        for check in &patient.checks {
            let verdict = match check.verdict {
                Verdict::Well => "ok",
                Verdict::Found => "PROBLEM",
                Verdict::Unknown => "not checked",
            };
            let line = format!("  {verdict:<11}  {:<15}  {}", check.check, printable(&check.says));
            lines.push(line.trim_end().to_owned());
        }
    }
    lines.into_iter().map(|line| line + "\n").collect()
}
