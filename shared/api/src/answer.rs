//! Answers queries about fleets.

use std::collections::BTreeSet;

use driftless_planner::ids::{FleetName, ImageId, InstanceId};
use driftless_planner::input::Input;
use driftless_planner::policy::Defaults;
use driftless_planner::resync::fleets;
use driftless_planner::text::UntrustedText;
use driftless_reconciler::observe::{first_round, observe, rest_of_targets};
use driftless_reconciler::ports::{CallResult, LeaseHolder, OperatorApi, Ports};
use driftless_status::history::{History, history};
use driftless_status::model::{LeaseStatus, NextRequest};
use driftless_status::request::{Answer, Question, Refusal};
use driftless_status::rollback_path::Target;
use driftless_status::summary::{Unread, summarize};
use driftless_status::why::{Subject, why};
use driftless_status::{FleetStatus, status};
use futures_util::future::{join, join_all};
use jiff::Timestamp;

use crate::unavailable;

/// The most fleets that are read at the same time. Each read calls Auto Scaling, whose rate limit is shared with
/// `reconcile`.
const FLEETS_AT_ONCE: usize = 4;

/// The most history entries in one response: about 1 MB, below Lambda's limit of 6 MB.
const LINES_MAX: usize = 1_000;

/// Answers a query. Fleets that were not read by `until` are listed as unread.
pub async fn answer<P: Ports + OperatorApi>(
    ports: &P,
    defaults: &Defaults,
    question: &Question,
    until: Timestamp,
) -> Answer {
    let asked = match question {
        Question::Fleets => all(ports, defaults, until).await,
        Question::Fleet { fleet } => one(ports, defaults, fleet).await,
        Question::Why { subject, fleet } => explain(ports, defaults, subject, fleet.as_ref()).await,
        Question::History { fleet, instance, before, limit } => {
            if *limit == 0 || *limit > LINES_MAX {
                return Answer::Refused(Refusal::bad_request(format!("limit must be 1 to {LINES_MAX}")));
            }
            lines(ports, fleet, instance.as_ref(), *before, *limit).await.map(Answer::History)
        }
    };
    asked.unwrap_or_else(|error| Answer::Refused(unavailable(&error)))
}

/// The status of one fleet, including whether the release that a rollback returns to can still be launched. The summary
/// of all fleets leaves that out, because it takes two more calls for each fleet.
async fn one<P: Ports + OperatorApi>(ports: &P, defaults: &Defaults, fleet: &FleetName) -> CallResult<Answer> {
    let Some(mut status) = read(ports, defaults, fleet).await? else { return Ok(Answer::Refused(no_such(fleet))) };
    if let Some(to) = &status.rollback_path.to {
        let ids = BTreeSet::from([to.image.clone()]);
        let (images, template) = join(ports.images(&ids), ports.template(&to.template)).await;
        status.rollback_path.target = Target::of(to, images?.get(&to.image), template?.as_ref());
    }
    Ok(Answer::Fleet(Box::new(status)))
}

/// All fleets, each with its complete status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fleets {
    /// The time at which the fleets were read.
    pub(crate) at: Timestamp,
    pub(crate) known: Vec<FleetStatus>,
    /// Fleets that could not be read, each with the reason.
    pub(crate) unread: Vec<Unread>,
    /// Values of the fleet tag that are not valid fleet names.
    pub(crate) misnamed: Vec<UntrustedText>,
}

/// Reads all fleets. Those that were not read by `until` are listed as unread.
///
/// # Errors
/// The names of the fleets could not be read.
pub(crate) async fn all_fleets<P: Ports + OperatorApi>(
    ports: &P,
    defaults: &Defaults,
    until: Timestamp,
) -> Result<Fleets, Refusal> {
    read_all(ports, defaults, until).await.map_err(|error| unavailable(&error))
}

async fn all<P: Ports + OperatorApi>(ports: &P, defaults: &Defaults, until: Timestamp) -> CallResult<Answer> {
    let read = read_all(ports, defaults, until).await?;
    Ok(Answer::Fleets(summarize(read.known, read.unread, read.misnamed, read.at)))
}

async fn read_all<P: Ports + OperatorApi>(ports: &P, defaults: &Defaults, until: Timestamp) -> CallResult<Fleets> {
    let (fleets, misnamed) = fleets(ports.all_groups().await?, defaults);
    let names: Vec<FleetName> = fleets.into_keys().collect();
    let (mut known, mut unread) = (Vec::new(), Vec::new());
    for some in names.chunks(FLEETS_AT_ONCE) {
        if ports.now() >= until {
            let late = |fleet: &FleetName| Unread { fleet: fleet.clone(), why: "the function ran out of time".into() };
            unread.extend(some.iter().map(late));
            continue;
        }
        for (fleet, read) in join_all(some.iter().map(async |fleet| (fleet, read(ports, defaults, fleet).await))).await
        {
            match read {
                Ok(Some(status)) => known.push(status),
                // Its groups were deleted while it was read.
                Ok(None) => {}
                Err(error) => unread.push(Unread { fleet: fleet.clone(), why: error.to_string().into() }),
            }
        }
    }
    let misnamed = misnamed.into_iter().map(UntrustedText::from).collect();
    Ok(Fleets { at: ports.now(), known, unread, misnamed })
}

/// The status of one fleet. None: no group has the fleet's tag, and no record of the fleet is stored.
async fn read<P: Ports + OperatorApi>(
    ports: &P,
    defaults: &Defaults,
    fleet: &FleetName,
) -> CallResult<Option<FleetStatus>> {
    let (first, lock) = join(first_round(ports, fleet), ports.lease_state(fleet)).await;
    let (first, lock) = (first?, lock?);
    if first.groups.is_empty() && first.stored.record.is_none() {
        return Ok(None);
    }
    let mut seen = observe(ports, fleet, &first, defaults).await?;
    rest_of_targets(ports, &mut seen).await?;
    let now = ports.now();
    let input = Input {
        fleet,
        record: first.stored.record.as_ref(),
        facts: &first.stored.facts,
        outcomes: &[],
        freezes: &first.stored.freezes,
        seen: &seen,
        defaults,
        now,
    };
    // A request whose time has come is no longer delayed.
    let next_request = lock.next_request.filter(|at| *at > now).map_or(NextRequest::None, |at| NextRequest::At { at });
    let lease =
        lock.held.map_or(LeaseStatus::Free, |LeaseHolder { holder, until }| LeaseStatus::Held { holder, until });
    Ok(Some(status(input, next_request, lease)))
}

async fn explain<P: Ports + OperatorApi>(
    ports: &P,
    defaults: &Defaults,
    subject: &Subject,
    fleet: Option<&FleetName>,
) -> CallResult<Answer> {
    let found = match (subject, fleet) {
        (Subject::Fleet(fleet), _) | (_, Some(fleet)) => Some(fleet.clone()),
        (Subject::Instance(id), None) => fleet_of_instance(ports, id).await?,
        (Subject::Image(id), None) => fleet_of_image(ports, id).await?,
    };
    let Some(fleet) = found else {
        let says = match subject {
            Subject::Instance(id) => {
                format!("{id} is in no group of a fleet now: name its fleet, or query the history")
            }
            Subject::Image(id) => format!("{id} is not tagged for a fleet: name the fleet"),
            Subject::Fleet(fleet) => format!("there is no fleet {fleet}"),
        };
        return Ok(Answer::Refused(Refusal::not_found(says)));
    };
    let Some(status) = read(ports, defaults, &fleet).await? else { return Ok(Answer::Refused(no_such(&fleet))) };
    Ok(match why(&status, subject) {
        Ok(why) => Answer::Why(why),
        Err(error) => Answer::Refused(Refusal::bad_request(error.to_string())),
    })
}

async fn fleet_of_instance<P: Ports>(ports: &P, id: &InstanceId) -> CallResult<Option<FleetName>> {
    let groups = ports.groups_of_instances(&[id.clone()].into()).await?;
    let Some(group) = groups.get(id) else { return Ok(None) };
    let mut fleets = ports.fleets_of_groups(&[group.clone()].into()).await?;
    Ok(fleets.remove(group).map(|members| members.fleet))
}

/// The fleet that an image is tagged for. Only the tags of images that this account owns count.
async fn fleet_of_image<P: Ports>(ports: &P, id: &ImageId) -> CallResult<Option<FleetName>> {
    let images = ports.images(&[id.clone()].into()).await?;
    let named = images.get(id).filter(|image| image.is_own).and_then(|image| image.image_for.as_ref());
    Ok(named.and_then(|fleet| fleet.as_str().parse().ok()))
}

async fn lines<P: Ports + OperatorApi>(
    ports: &P,
    fleet: &FleetName,
    instance: Option<&InstanceId>,
    before: Option<Timestamp>,
    limit: usize,
) -> CallResult<History> {
    let page = ports.history(fleet, before).await?;
    let oldest_read = page.entries.first().map(|entry| entry.at);
    let is_meant = |entry: &driftless_planner::history::HistoryEntry| {
        instance.is_none_or(|instance| entry.instance() == Some(instance))
    };
    let mut history = history(fleet.clone(), page.entries.into_iter().filter(is_meant), limit);
    if history.older_before.is_none() && page.is_cut {
        history.older_before = oldest_read;
    }
    Ok(history)
}

fn no_such(fleet: &FleetName) -> Refusal {
    Refusal::not_found(format!("there is no fleet {fleet}: no group has the tag driftless:fleet={fleet}"))
}
