//! Builds the document about one fleet from what was just read.

use std::collections::BTreeSet;

use driftless_planner::explain;
use driftless_planner::explain::Explanation;
use driftless_planner::fleet::{Color, Layout};
use driftless_planner::ids::{GroupName, ImageId, InstanceId};
use driftless_planner::input::Input;
use driftless_planner::notification::{command_about, reason};
use driftless_planner::observation::{FreezeScope, Group, Observation};
use driftless_planner::record::{
    CandidateReason, Cutover, CutoverPhase, DriftReason, Phase, Record, Release, Replacement,
};
use driftless_planner::template::{TemplateReference, TemplateVersion};
use driftless_planner::text::UntrustedText;
use driftless_planner::waiting::Waiting;
use jiff::Timestamp;

use crate::cutover::{CutoverStatus, Progress};
use crate::model::{
    ColorStatus, ConditionStatus, DeferredStatus, DriftedStatus, FailureStatus, FleetStatus, FreezeStatus, IMAGES_MAX,
    ImageStatus, LayoutStatus, LeaseStatus, NextRequest, PastStatus, PlaceWeight, QuarantinedStatus, RefusedStatus,
    Role, SCHEMA, State, Traffic, VetoStatus,
};
use crate::{cutover, orders, policy, rollback_path, steps, words};

/// Builds the status of a fleet. The input is what a reconcile pass would decide on, but without outcomes of actions.
/// Nothing is committed.
pub fn status(input: Input<'_>, next_request: NextRequest, lease: LeaseStatus) -> FleetStatus {
    let explained = explain(input);
    let decision = &explained.decision;
    let next = &decision.next;
    let record = input.record;
    let layout = match Layout::of(input.fleet, &input.seen.groups) {
        Ok(Layout::Pair { .. }) => LayoutStatus::Pair,
        Ok(Layout::Single(_)) => LayoutStatus::Single,
        Err(problem) => LayoutStatus::Misconfigured { problem: problem.to_string().into() },
    };
    let rollback_path = rollback_path::rollback_path(input, &explained);
    let orders = orders::orders(input, &rollback_path);
    let mut status = FleetStatus {
        schema: SCHEMA,
        fleet: input.fleet.clone(),
        at: input.now,
        state: State::Steady,
        says: UntrustedText::default(),
        record_version: record.map(|record| record.version),
        mode: explained.policy.as_ref().ok().map(|policy| policy.mode),
        layout,
        obstacle: explained.obstacle.clone(),
        policy: policy::policy(&explained.policy),
        release: record.and_then(|record| record.release.as_ref()).map(words::release),
        colors: colors(input, &explained),
        cutover: cutover::cutover(record, &explained, input.seen, input.now),
        rollback_path,
        drifted: drifted(input, &explained),
        quarantined: record.map(quarantined).unwrap_or_default(),
        freezes: freezes(input),
        conditions: conditions(input, &explained),
        vetoes: Vec::new(),
        deferred: Vec::new(),
        refused: Vec::new(),
        images: images(input, &explained),
        borrowed_settings: record
            .into_iter()
            .flat_map(|record| &record.borrowed_settings)
            .map(words::borrowed_settings)
            .collect(),
        past: Vec::new(),
        requested: record.and_then(|record| record.memory.requested.as_ref()).and_then(requested),
        go_on: go_on(input),
        orders,
        next_steps: steps::next(record, decision),
        requeue_at: decision.recheck,
        next_request,
        lease,
        // A command that the next reconcile pass carries out counts as in progress: `driftless wait --for idle` waits
        // for its end too.
        in_progress_since: record
            .and_then(Record::open_since)
            .or_else(|| record.filter(|it| awaits(it)).map(|_| input.now)),
        facts_filed: input.facts.len(),
    };
    remember(&mut status, next);
    let (state, says) = state(&status, record);
    status.state = state;
    status.says = says;
    status
}

/// Whether an operator requested the replacement of an instance and no pass has found that instance drifted since then.
fn awaits(record: &Record) -> bool {
    record.asked_to_replace.keys().any(|id| !record.replacements.contains_key(id))
}

fn requested(asked: &CandidateReason) -> Option<UntrustedText> {
    match asked {
        CandidateReason::Redeploy { actor } => Some(format!("redeploy, by {actor}").into()),
        CandidateReason::Rollback { actor } => Some(format!("rollback, by {actor}").into()),
        // Driftless found these itself: no operator requested them.
        CandidateReason::Image | CandidateReason::Template { .. } => None,
    }
}

/// The command that lets a waiting cutover on record continue. None: the cutover does not wait for a command.
fn go_on(input: Input<'_>) -> Option<String> {
    let cutover = input.record?.cutover.as_ref()?;
    let verb = match cutover.phase() {
        CutoverPhase::AwaitingApproval => "approve",
        CutoverPhase::NeedsOperator { .. } => "resume",
        CutoverPhase::Queued
        | CutoverPhase::Preflight
        | CutoverPhase::Preparing
        | CutoverPhase::Scaling
        | CutoverPhase::Verifying { .. }
        | CutoverPhase::Shifting(_)
        | CutoverPhase::Baking { .. }
        | CutoverPhase::Warm { .. }
        | CutoverPhase::Retiring => cutover.paused().as_ref().map(|_| "resume")?,
        CutoverPhase::Aborting { .. } | CutoverPhase::RollingBack { .. } => return None,
    };
    Some(command_about(input.fleet, verb))
}

/// Adds what is known of images to the status. The images that this read refused are in the planner's next record.
fn remember(status: &mut FleetStatus, record: &Record) {
    let memory = &record.memory;
    let vetoes = memory.vetoes.iter().map(|(image, veto)| VetoStatus {
        image: image.clone(),
        at: veto.at,
        by: veto.by.clone(),
        evidence: veto.evidence.clone(),
    });
    status.vetoes = vetoes.collect();
    let deferred = memory.deferred.iter().map(|(candidate, held)| DeferredStatus {
        candidate: candidate.as_str().into(),
        why: held.why.clone(),
        until: held.until,
        tries: held.tries,
    });
    status.deferred = deferred.collect();
    let refused = memory.refused.iter();
    status.refused = refused.map(|(image, why)| RefusedStatus { image: image.clone(), why: why.clone() }).collect();
    let past = memory.past.iter().rev().map(|past| PastStatus {
        id: past.id.clone(),
        image: past.candidate.image.clone(),
        build: past.candidate.build.clone(),
        reason: reason(&past.candidate).into(),
        started_at: past.started_at,
        ended_at: past.ended_at,
        outcome: past.outcome.name().to_owned(),
        why: past.why.clone(),
    });
    status.past = past.collect();
}

fn images(input: Input<'_>, explained: &Explanation) -> Vec<ImageStatus> {
    let read = input.seen.images.found().map(|(_, image)| image);
    let others = read.filter(|image| {
        input.record.and_then(|record| record.release.as_ref()).is_none_or(|own| own.image != image.id)
    });
    let mut images: Vec<ImageStatus> = others
        .map(|image| ImageStatus {
            image: image.id.clone(),
            build: image.build.clone(),
            created_at: image.created_at,
            guards: explained.image_verdicts.get(&image.id).into_iter().flatten().map(words::image).collect(),
        })
        .collect();
    images.sort_by(|one, other| (other.created_at, &other.image).cmp(&(one.created_at, &one.image)));
    images.truncate(IMAGES_MAX);
    images
}

fn colors(input: Input<'_>, explained: &Explanation) -> Vec<ColorStatus> {
    let seen = input.seen;
    let layout = Layout::of(input.fleet, &seen.groups);
    let (groups, blue) = match layout {
        Ok(Layout::Pair { blue, green }) => (vec![blue, green], Some(&blue.name)),
        Ok(Layout::Single(group)) => (vec![group], None),
        Err(_) => (seen.groups.iter().collect(), None),
    };
    let is_pair = matches!(layout, Ok(Layout::Pair { .. }));
    let in_u32 = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let color = |group: &Group| {
        let color = if Some(&group.name) == blue { Color::Blue } else { Color::Green };
        is_pair.then_some(color)
    };
    let role = |name: &GroupName| match &explained.live {
        Some(live) if live == name => Role::Live,
        Some(_) => Role::Idle,
        None => Role::Unknown,
    };
    let of_group = |group: &&Group| {
        let template = numbered(&group.template);
        let runs = template.and_then(|template| image_of(template, input));
        ColorStatus {
            color: color(group),
            group: group.name.clone(),
            role: role(&group.name),
            desired: group.desired,
            min: group.min,
            max: group.max,
            serving: in_u32(group.members.iter().filter(|member| seen.is_serving(group, member)).count()),
            active: in_u32(group.active().count()),
            traffic: traffic(group, seen),
            template: template.cloned(),
            image: runs.as_ref().map(|(image, _)| image.clone()),
            build: runs.and_then(|(_, build)| build),
        }
    };
    groups.iter().map(of_group).collect()
}

const fn numbered(template: &TemplateReference) -> Option<&TemplateVersion> {
    match template {
        TemplateReference::Numbered(version) => Some(version),
        TemplateReference::Floating { .. } | TemplateReference::None => None,
    }
}

/// The image that a template version names, as the record knows it or as it was just read. The content of a version
/// never changes.
fn image_of(template: &TemplateVersion, input: Input<'_>) -> Option<(ImageId, Option<UntrustedText>)> {
    let of_release =
        |release: &Release| (release.template == *template).then(|| (release.image.clone(), release.build.clone()));
    let known = input.record.and_then(|record| {
        let under_way = record.cutover.as_ref();
        let coming = under_way.filter(|cutover| cutover.template.as_ref() == Some(template));
        let coming = coming.map(|cutover| (cutover.candidate.image.clone(), cutover.candidate.build.clone()));
        let old = under_way.map(|cutover| &cutover.rollback_to);
        let mut releases = record.release.iter().chain(old).chain(record.memory.good.iter().rev());
        coming.or_else(|| releases.find_map(of_release))
    });
    known.or_else(|| {
        let image = input.seen.templates.get(template).found()?.image.clone()?;
        let build = input.seen.images.get(&image).found().and_then(|image| image.build.clone());
        Some((image, build))
    })
}

fn traffic(group: &Group, seen: &Observation) -> Traffic {
    let others = seen.groups.iter().filter(|other| other.name != group.name);
    let of_others: BTreeSet<_> = others.flat_map(|other| &other.target_groups).collect();
    let Some(own) = group.target_groups.iter().find(|arn| !of_others.contains(arn)) else {
        let is_attached = !group.target_groups.is_empty();
        return match (is_attached, of_others.is_empty()) {
            (true, _) => Traffic::Attached,
            (false, false) => Traffic::Detached,
            (false, true) => Traffic::NoLoadBalancer,
        };
    };
    // One target group, and another group of the fleet that has none: it is the one that both share.
    if seen.groups.iter().any(|other| other.name != group.name && other.target_groups.is_empty()) {
        return Traffic::Attached;
    }
    let places = seen.forwards.iter().filter_map(|forward| {
        let weight = *forward.weights.get(own)?;
        let of = forward.weights.values().sum();
        Some(PlaceWeight { place: forward.place.to_string().into(), weight, of })
    });
    let places: Vec<PlaceWeight> = places.collect();
    let shares: BTreeSet<Option<u32>> = places.iter().map(|place| (place.weight * 100).checked_div(place.of)).collect();
    match shares.first() {
        None => Traffic::NotForwarded,
        Some(percent) => Traffic::Weighted { percent: percent.filter(|_| shares.len() == 1), places },
    }
}

/// The drifted instances: those on record, and those that this read would add to the record.
fn drifted(input: Input<'_>, explained: &Explanation) -> Vec<DriftedStatus> {
    let next = &explained.decision.next;
    let on_record = input.record.map(|record| &record.replacements);
    let is_known = |id: &InstanceId| on_record.is_some_and(|known| known.contains_key(id));
    let known = on_record.into_iter().flatten().map(|(id, work)| (id, work, true));
    let found = next.replacements.iter().filter(|(id, _)| !is_known(id)).map(|(id, work)| (id, work, false));
    let one = |(id, work, is_on_record): (&InstanceId, &Replacement, bool)| {
        let waits = explained.decision.waiting.get(id);
        DriftedStatus {
            instance: id.clone(),
            group: work.group.clone(),
            zone: work.zone.clone(),
            phase: if is_on_record { work.phase().name() } else { "debouncing" }.to_owned(),
            is_on_record,
            since: work.detected_at,
            reasons: work.drift.iter().map(reason_of).collect(),
            findings: words::findings(&work.findings),
            is_backlog: next.backlog.contains(id),
            held_by: waits.map(words::wait),
            guards: explained.verdicts.get(id).into_iter().flatten().map(words::guard).collect(),
            successor: work.phase().successor().cloned(),
            deadline: deadline(work.phase()),
            abandoned: words::abandoned(work.phase()),
            failures: work
                .failures
                .iter()
                .map(|failure| FailureStatus { at: failure.at, why: failure.why.clone() })
                .collect(),
        }
    };
    let mut drifted: Vec<DriftedStatus> = known.chain(found).map(one).collect();
    drifted.sort_by(|one, other| (one.since, &one.instance).cmp(&(other.since, &other.instance)));
    drifted
}

fn reason_of(reason: &DriftReason) -> UntrustedText {
    reason.to_string().into()
}

const fn deadline(phase: &Phase) -> Option<Timestamp> {
    match phase {
        Phase::Launching(surge) => Some(surge.deadline),
        Phase::Verifying(verifying) => Some(verifying.surge.deadline),
        Phase::Retiring(retiring) => Some(retiring.deadline),
        Phase::Terminating(terminating) => Some(terminating.surge.deadline),
        Phase::LaunchingAfter(launching_after) => Some(launching_after.deadline),
        Phase::Cancelling(cancelling) => Some(cancelling.deadline),
        Phase::Debouncing | Phase::Blocked(_) | Phase::Stopped(_) => None,
    }
}

fn quarantined(record: &Record) -> Vec<QuarantinedStatus> {
    let kept = record.quarantined.iter().map(|(id, kept)| QuarantinedStatus {
        instance: id.clone(),
        group: kept.group.clone(),
        since: kept.since,
        until: kept.until,
        reasons: kept.drift.iter().map(reason_of).collect(),
    });
    kept.collect()
}

fn freezes(input: Input<'_>) -> Vec<FreezeStatus> {
    let holding = input.freezes.iter().filter(|freeze| freeze.holds(input.now));
    let freeze = holding.map(|freeze| FreezeStatus {
        reason: freeze.reason.clone(),
        owner: freeze.owner.clone(),
        since: freeze.since,
        until: freeze.expires_at,
        is_of_account: freeze.scope == FreezeScope::Account,
    });
    freeze.collect()
}

/// The conditions of the fleet according to this read. A condition without a notification was found only by this read.
fn conditions(input: Input<'_>, explained: &Explanation) -> Vec<ConditionStatus> {
    let is_told = |key: &str| input.record.is_some_and(|record| record.conditions.contains_key(key));
    let conditions = explained.decision.next.conditions.iter().map(|(key, condition)| ConditionStatus {
        condition: key.clone(),
        since: condition.since,
        detail: condition.detail.clone(),
        announced_at: is_told(key).then_some(condition.announced_at),
    });
    conditions.collect()
}

/// The state of the fleet: the first state that applies, in the order of [`State`].
fn state(status: &FleetStatus, record: Option<&Record>) -> (State, UntrustedText) {
    let under_way = record.and_then(|record| record.cutover.as_ref());
    let condition = |prefix: &str| status.conditions.iter().find(|known| known.condition.starts_with(prefix));
    let moves = status
        .drifted
        .iter()
        .find(|work| work.held_by.is_none() && !["debouncing", "blocked", "stopped"].contains(&work.phase.as_str()));
    let to = status.cutover.as_ref().map(cutover_in_words).unwrap_or_default();
    let stopped = status.drifted.iter().find(|work| work.phase == "stopped").map(|work| {
        let why = work.abandoned.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        UntrustedText::from(format!("stopped trying to replace {}{why}", work.instance))
    });
    let phase = under_way.map(Cutover::phase);
    if let Some(CutoverPhase::NeedsOperator { why }) = phase {
        return (State::NeedsOperator, why.clone());
    }
    if let Some(CutoverPhase::RollingBack { why, .. } | CutoverPhase::Aborting { why, .. }) = phase {
        return (State::RollingBack, why.clone());
    }
    if let Some(obstacle) = &status.obstacle {
        return (State::Misconfigured, obstacle.clone());
    }
    if let Some(problem) = &status.policy.problem {
        let waiting = Waiting::PolicyInvalid { problem: problem.clone() };
        return (State::PolicyInvalid, waiting.to_string().into());
    }
    if let Some(freeze) = status.freezes.iter().max_by_key(|freeze| freeze.until.unwrap_or(Timestamp::MAX)) {
        let (reason, owner, until) = (freeze.reason.clone(), freeze.owner.clone(), freeze.until);
        return (State::Frozen, Waiting::Frozen { reason, owner, until }.to_string().into());
    }
    match under_way.map(|cutover| cutover.phase().name()) {
        Some("awaiting-approval") => (State::AwaitingApproval, to.into()),
        _ if condition("breaker-open").or(condition("rule-breaker-open:")).is_some() => {
            let open = condition("breaker-open").or(condition("rule-breaker-open:"));
            (State::BreakerOpen, open.map(|open| open.detail.clone()).unwrap_or_default())
        }
        Some("warm") => (State::Warm, to.into()),
        Some(_) => (State::CuttingOver, to.into()),
        None if stopped.is_some() => (State::Stopped, stopped.unwrap_or_default()),
        None if moves.is_some() => {
            let says = moves
                .map(|work| format!("replacing {}: {}", work.instance, work.phase.replace('-', " ")))
                .unwrap_or_default();
            (State::Replacing, says.into())
        }
        None if !status.drifted.is_empty() => (State::Drifted, drift_in_words(status)),
        None if record.is_none_or(|record| record.release.is_none()) => {
            (State::Unadopted, "no reconcile pass has adopted it yet".into())
        }
        None => (State::Steady, "nothing to do".into()),
    }
}

fn cutover_in_words(cutover: &CutoverStatus) -> String {
    let build = cutover.build.as_ref().map(|build| format!(", build {build}")).unwrap_or_default();
    let now = cutover.steps.iter().find(|step| step.progress == Progress::Now);
    let share = now.and_then(|step| step.percent).filter(|_| cutover.phase == "shifting");
    let share = share.map(|percent| format!(" to {percent} %")).unwrap_or_default();
    let phase = cutover.phase.replace('-', " ");
    format!("cutover to {}{build}: {}{share}", cutover.image, phase)
}

fn drift_in_words(status: &FleetStatus) -> UntrustedText {
    let count = status.drifted.len();
    let held = status.drifted.iter().find_map(|work| work.held_by.as_ref().map(|held| &held.why));
    let abandoned = status.drifted.iter().find_map(|work| work.abandoned.as_ref());
    let why = held.or(abandoned).map(|why| format!(": {why}")).unwrap_or_default();
    let noun = if count == 1 { "instance is" } else { "instances are" };
    format!("{count} {noun} drifted{why}").into()
}
