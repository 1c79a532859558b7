//! The properties that must hold in every state. They check what the planner commits, the effect of that on the world,
//! and what is left at rest. They use none of the planner's own reasoning.

use std::collections::BTreeSet;

use driftless_planner::action::{Action, CapacityChange, Direction, Role};
use driftless_planner::check;
use driftless_planner::decision::Decision;
use driftless_planner::fleet::Color;
use driftless_planner::ids::ImageId;
use driftless_planner::record::{Cutover, CutoverPhase, Phase, Record, Setting};
use driftless_planner::waiting::Waiting;

use crate::explore::{Broken, Tally};
use crate::kept::is_borrowed;
use crate::observe::{Names, image_id};
use crate::run::Decided;
use crate::world::{Bounds, Pool, Server, World, count, number};

/// Minimum healthy, in percent of the wanted capacity. All bounded models set this value or leave it at its default.
const MIN_HEALTHY_PERCENT: u32 = 90;

/// Checks a decision before any of its actions is executed.
///
/// # Errors
/// The property that is violated.
pub fn decision(
    world: &World,
    before: Option<&Record>,
    decision: &Decision,
    budget: usize,
    tally: &mut Tally,
) -> Result<(), Broken> {
    tally.check("a decision is well formed");
    if let Some(wrong) = check::decision(before, decision).first() {
        return Err(broken("a decision is well formed", wrong.clone()));
    }
    tally.check("under a freeze nothing disruptive starts");
    if world.frozen_since.is_some()
        && let Some(action) = decision.actions.iter().find(|action| action.is_disruptive())
    {
        return Err(broken(
            "under a freeze nothing disruptive starts",
            format!("{action:?} is decided under a freeze"),
        ));
    }
    tally.check("no more instances are replaced at once than the budget allows");
    for group in decision.next.replacements.values().map(|work| &work.group) {
        let used = decision.next.slots_used(group);
        if used > budget {
            return Err(broken(
                "no more instances are replaced at once than the budget allows",
                format!("{used} at once in {group}"),
            ));
        }
    }
    decision.actions.iter().try_for_each(|action| is_accounted_for(&decision.next, action, tally))
}

/// Checks that a setting which must be restored is in the borrowed settings before it is changed.
fn is_accounted_for(next: &Record, action: &Action, tally: &mut Tally) -> Result<(), Broken> {
    const PROPERTY: &str = "no setting is changed without a row in the borrowed settings";
    let Some(group) = action.group() else { return Ok(()) };
    let is_known = match action {
        Action::SetMaximum { .. } => is_borrowed(next, group.as_str(), |setting| {
            matches!(setting, Setting::Maximum { .. } | Setting::BorrowedMaximum { .. })
        }),
        Action::SetMinimum { .. } => {
            is_borrowed(next, group.as_str(), |setting| matches!(setting, Setting::BorrowedMinimum { .. }))
        }
        Action::Protect { instance: protected, .. } => is_borrowed(
            next,
            group.as_str(),
            |setting| matches!(setting, Setting::Protection { instance } if instance == protected),
        ),
        Action::SetTemplate { .. } => {
            is_borrowed(next, group.as_str(), |setting| matches!(setting, Setting::Template { .. }))
        }
        Action::Launch { .. }
        | Action::SetDesired { .. }
        | Action::Terminate { .. }
        | Action::EnterStandby { .. }
        | Action::TakeSlot
        | Action::GiveSlot
        | Action::ScaleToZero { .. }
        | Action::WriteTemplate { .. }
        | Action::SetWeights { .. }
        | Action::Attach { .. }
        | Action::Detach { .. }
        | Action::StartRefresh { .. }
        | Action::RollBackRefresh { .. } => return Ok(()),
    };
    tally.check(PROPERTY);
    if is_known { Ok(()) } else { Err(broken(PROPERTY, format!("{action:?} has no row in the borrowed settings"))) }
}

/// Checks a write that took effect, with the world before it and after it.
///
/// # Errors
/// The property that is violated.
pub fn write(
    before: &World,
    after: &World,
    names: &Names,
    decided: &Decided,
    action: &Action,
    budget: u32,
    tally: &mut Tally,
) -> Result<(), Broken> {
    let Some(at) = action.group().and_then(|group| names.place(group)) else { return Ok(()) };
    let (Some(was), Some(is)) = (before.groups.get(at), after.groups.get(at)) else { return Ok(()) };
    match action {
        Action::Terminate { instance, capacity, role, .. } => {
            let server = number(instance).and_then(|id| was.servers.iter().find(|server| server.id == id));
            let stays = |id| is.servers.iter().any(|server| server.id == id && server.is_active());
            let Some(server) = server.filter(|server| server.is_active() && !stays(server.id)) else { return Ok(()) };
            gave_a_reason(was, server, decided, *role, tally)?;
            let then = decided.wanted.iter().map(|wanted| wanted.desired).max().unwrap_or_default();
            let wanted = before.groups.iter().map(|pool| pool.wanted.desired).max().unwrap_or_default().min(then);
            keeps_minimum_healthy(before, was, server, decided, wanted, tally)?;
            keeps_size(is, *capacity, wanted, tally)
        }
        Action::Launch { .. } | Action::SetDesired { .. } | Action::SetMaximum { .. } => {
            raises_within_budget(was, is, budget, tally)?;
            takes_nobody(was, is, tally)
        }
        Action::SetMinimum { .. } => takes_nobody(was, is, tally),
        Action::SetWeights { direction, .. } => weights(before, after, decided, *direction, tally),
        Action::ScaleToZero { .. } => empties(before, at, is, decided, tally),
        Action::Protect { .. }
        | Action::EnterStandby { .. }
        | Action::TakeSlot
        | Action::GiveSlot
        | Action::WriteTemplate { .. }
        | Action::SetTemplate { .. }
        | Action::Attach { .. }
        | Action::Detach { .. }
        | Action::StartRefresh { .. }
        | Action::RollBackRefresh { .. } => Ok(()),
    }
}

/// Checks that traffic goes only to a color at its minimum healthy, or back to one with healthy instances, and never to
/// a vetoed image.
fn weights(
    before: &World,
    after: &World,
    decided: &Decided,
    direction: Direction,
    tally: &mut Tally,
) -> Result<(), Broken> {
    const PROPERTY: &str =
        "traffic goes only to a color that has its minimum healthy, or back to a color that has healthy instances";
    const VETOED: &str = "a vetoed image gets no traffic";
    let (Some(was), Some(is)) = (&before.colors, &after.colors) else { return Ok(()) };
    let wanted = before.groups.iter().map(|pool| pool.wanted.desired).max().unwrap_or_default();
    let vetoes = &decided.decision.next.memory.vetoes;
    let colors = before.groups.iter().zip(&was.templates).zip(was.weights.into_iter().zip(is.weights));
    for ((pool, versions), _) in colors.filter(|(_, (was, is))| is > was) {
        tally.check(PROPERTY);
        let minimum_healthy = match direction {
            Direction::Forward => (wanted * MIN_HEALTHY_PERCENT).div_ceil(100),
            Direction::Back => 1,
        };
        let served = pool.servers.iter().filter(|server| server.serves() || decided.serving.contains(&server.id));
        let serving = count(served);
        if serving < minimum_healthy {
            return Err(broken(
                PROPERTY,
                format!("{serving} instances are healthy, and the minimum healthy is {minimum_healthy}"),
            ));
        }
        tally.check(VETOED);
        let is_vetoed = |pool, versions| images(pool, versions).any(|image| vetoes.contains_key(&image));
        // If both colors run a vetoed image, traffic returns to the old color all the same.
        let mut all = before.groups.iter().zip(&was.templates);
        let has_choice = direction == Direction::Forward || !all.all(|(pool, versions)| is_vetoed(pool, versions));
        if has_choice && is_vetoed(pool, versions) {
            return Err(broken(VETOED, format!("{vetoes:?}")));
        }
    }
    Ok(())
}

/// The images of the instances of a color. `versions` are the versions of its launch template.
fn images(pool: &Pool, versions: &[(u32, Option<String>)]) -> impl Iterator<Item = ImageId> {
    let version = |server: &Server| usize::try_from(server.version).ok()?.checked_sub(1);
    let image = move |server| version(server).and_then(|at| versions.get(at)).and_then(|(image, _)| image_id(*image));
    pool.servers.iter().filter_map(image)
}

/// Checks that a color is scaled to zero only without traffic, and not if it is the last color with healthy instances.
/// The check allows for instances that became healthy or unhealthy after the decision, since the decision could not
/// know them.
fn empties(before: &World, at: usize, is: &Pool, decided: &Decided, tally: &mut Tally) -> Result<(), Broken> {
    const PROPERTY: &str = "a color that has traffic, or the last color with healthy instances, is not scaled to zero";
    let Some(was) = before.groups.get(at).filter(|was| *was != is) else { return Ok(()) };
    tally.check(PROPERTY);
    let weight = before.colors.as_ref().and_then(|colors| colors.weights.get(at)).copied().unwrap_or_default();
    let others = before.groups.iter().zip(&decided.served).enumerate().filter(|(other, _)| *other != at);
    let others: u32 = others.map(|(_, (pool, served))| pool.serving().max(*served)).sum();
    let own = count(was.servers.iter().filter(|server| server.serves() && decided.serving.contains(&server.id)));
    if weight == 0 && (others > 0 || own == 0) {
        return Ok(());
    }
    Err(broken(
        PROPERTY,
        format!("its weight is {weight}, {own} of its instances are healthy, and {others} of the other color"),
    ))
}

fn gave_a_reason(was: &Pool, server: &Server, decided: &Decided, role: Role, tally: &mut Tally) -> Result<(), Broken> {
    const PROPERTY: &str = "only a drifted instance, or an extra instance of a surge, is terminated";
    tally.check(PROPERTY);
    let has_reason = match role {
        Role::Drifted => decided.drifted.contains(&server.id) || is_asked(decided, server.id),
        Role::Extra => server.is_ours || (was.desired > was.wanted.desired && came_with_surge(decided, server)),
        Role::Quarantined => false,
    };
    if has_reason { Ok(()) } else { Err(broken(PROPERTY, format!("i-{:x} is neither", server.id))) }
}

/// Whether an instance was launched after the admission of a surge. Such an instance counts as an extra instance, even
/// if Auto Scaling launched it in place of a replacement instance.
fn came_with_surge(decided: &Decided, server: &Server) -> bool {
    let mut surges = decided.decision.next.replacements.values().filter_map(|work| work.phase().surge());
    surges.any(|surge| server.launched_at >= surge.admitted_at)
}

fn is_asked(decided: &Decided, id: u32) -> bool {
    decided.decision.next.asked_to_replace.keys().any(|asked| number(asked) == Some(id))
}

/// Checks that enough healthy instances remain. A write cannot know a change after its pass: an instance that was
/// healthy at the decision counts even if it has failed since, and one that has become healthy since does not count.
fn keeps_minimum_healthy(
    before: &World,
    was: &Pool,
    going: &Server,
    decided: &Decided,
    wanted: u32,
    tally: &mut Tally,
) -> Result<(), Broken> {
    const PROPERTY: &str = "the healthy instances stay at the minimum healthy";
    if !going.serves() || !decided.serving.contains(&going.id) {
        return Ok(());
    }
    tally.check(PROPERTY);
    let serving = was.servers.iter().filter(|server| server.serves()).map(|server| server.id);
    let lost_to_others = decided.serving.iter().copied().filter(|id| !before.taken.contains(id));
    let left: BTreeSet<u32> = serving.chain(lost_to_others).filter(|id| *id != going.id).collect();
    let (left, minimum_healthy) = (count(left.iter()), (wanted * MIN_HEALTHY_PERCENT).div_ceil(100));
    if left >= minimum_healthy {
        return Ok(());
    }
    Err(broken(
        PROPERTY,
        format!("{left} instances are healthy without i-{:x}, and the operator wants {wanted}", going.id),
    ))
}

/// Checks that a decrement lowers desired capacity only by what Driftless raised, and never below what operators want.
fn keeps_size(is: &Pool, capacity: CapacityChange, wanted: u32, tally: &mut Tally) -> Result<(), Broken> {
    const PROPERTY: &str = "the capacity that the operator wants stays";
    tally.check(PROPERTY);
    if capacity == CapacityChange::Keep || is.desired >= wanted {
        return Ok(());
    }
    Err(broken(PROPERTY, format!("the desired capacity is {}, and the operator wants {wanted}", is.desired)))
}

fn raises_within_budget(was: &Pool, is: &Pool, budget: u32, tally: &mut Tally) -> Result<(), Broken> {
    const PROPERTY: &str = "no more instances are launched than the budget allows";
    tally.check(PROPERTY);
    if is.desired <= was.desired || is.desired <= is.wanted.desired + is.kept + budget {
        return Ok(());
    }
    Err(broken(
        PROPERTY,
        format!("the desired capacity is {}, and the operator wants {}", is.desired, is.wanted.desired),
    ))
}

fn takes_nobody(was: &Pool, is: &Pool, tally: &mut Tally) -> Result<(), Broken> {
    const PROPERTY: &str = "a change of the bounds terminates no instance";
    tally.check(PROPERTY);
    // Auto Scaling terminates an instance above desired capacity in any case, as soon as possible.
    if is.active() >= was.active().min(was.desired) {
        Ok(())
    } else {
        Err(broken(PROPERTY, "the change terminates an instance".to_owned()))
    }
}

/// Whether all stored work has ended: no work is in progress, and all waiting work waits for an operator or for AWS.
pub fn is_idle(world: &World, record: &Record) -> bool {
    let is_sick = world.servers().any(|server| server.is_sick);
    let needs_operator = |cutover: &Cutover| matches!(cutover.phase(), CutoverPhase::NeedsOperator { .. });
    record.cutover.as_ref().is_none_or(needs_operator)
        && (record.borrowed_settings.is_empty() || record.cutover.is_some())
        && record.replacements.values().all(|work| match work.phase() {
            Phase::Stopped(_) => true,
            Phase::Blocked(waiting) => match waiting {
                Waiting::BreakerOpen { .. } | Waiting::RepeatDrift { .. } => true,
                // AWS or an operator must repair or replace the unhealthy instances first.
                Waiting::NotInService { .. } | Waiting::BudgetSpent { .. } | Waiting::BelowMinimum { .. } => is_sick,
                Waiting::Frozen { .. }
                | Waiting::Observed
                | Waiting::PolicyInvalid { .. }
                | Waiting::WindowClosed { .. }
                | Waiting::CutoverUnderWay
                | Waiting::RuleMissing
                | Waiting::SetupUnfit { .. }
                | Waiting::GroupNotFit { .. }
                | Waiting::MayBeSuccessor { .. }
                | Waiting::DriftUnread
                | Waiting::HooksUnread
                | Waiting::Gone
                | Waiting::RuleBreakerOpen { .. }
                | Waiting::BackOff { .. }
                | Waiting::CapacityShort { .. }
                | Waiting::QuarantineFull { .. }
                | Waiting::Protected { .. }
                | Waiting::Debounce { .. }
                | Waiting::NoSlot { .. }
                | Waiting::PreflightFailed { .. }
                | Waiting::ReplacementsUnderWay { .. }
                | Waiting::Paused { .. }
                | Waiting::AwaitingApproval { .. }
                | Waiting::BothColorsAlarm { .. }
                | Waiting::GuardAlarmMissing { .. }
                | Waiting::TrafficChangedByOthers { .. }
                | Waiting::ColorBelowMinimum { .. }
                | Waiting::RollbackBelowMinimum { .. }
                | Waiting::OldColorDown { .. }
                | Waiting::NeedsOperator { .. } => false,
            },
            Phase::Debouncing
            | Phase::Launching(_)
            | Phase::Verifying(_)
            | Phase::Retiring(_)
            | Phase::Terminating(_)
            | Phase::LaunchingAfter(_)
            | Phase::Cancelling(_) => false,
        })
}

/// Checks that the world is as operators want it when all work has ended.
///
/// # Errors
/// The world differs from what operators want.
pub fn rest(world: &World, record: &Record, tally: &mut Tally) -> Result<(), Broken> {
    if record.cutover.is_some() {
        return Ok(());
    }
    // The bounds move with the traffic: the initial bounds of blue are those of the live color.
    let is_green = record.live == Some(Color::Green);
    let wanted = world.groups.iter().map(|pool| pool.wanted);
    let wanted: Vec<Bounds> = if is_green { wanted.rev().collect() } else { wanted.collect() };
    if let Some(colors) = &world.colors {
        const PROPERTY: &str = "at rest the live color has all of the traffic, and no cutover slot is taken";
        tally.check(PROPERTY);
        let [of_idle, of_live] = if is_green { colors.weights } else { [colors.weights[1], colors.weights[0]] };
        if of_idle > 0 || of_live == 0 || colors.has_slot {
            return Err(broken(PROPERTY, format!("{colors:?}")));
        }
    }
    world.groups.iter().zip(wanted).try_for_each(|(pool, wanted)| rests(pool, wanted, tally))
}

fn rests(pool: &Pool, wanted: Bounds, tally: &mut Tally) -> Result<(), Broken> {
    const PROPERTY: &str = "at rest bounds, size and protection are as the operator wants them";
    {
        tally.check(PROPERTY);
        let Pool { min, max, desired, version: _, servers, wanted: _, kept: _ } = pool;
        if (*min, *max) != (wanted.min, wanted.max) {
            return Err(broken(
                PROPERTY,
                format!("the bounds are {min} to {max}, and the operator wants {} to {}", wanted.min, wanted.max),
            ));
        }
        if *desired != wanted.desired || pool.active() != *desired {
            let how =
                format!("{} of {desired} instances run, and the operator wants {}", pool.active(), wanted.desired);
            return Err(broken(PROPERTY, how));
        }
        if servers.iter().any(|server| server.is_protected) {
            return Err(broken(PROPERTY, "an instance is still protected".to_owned()));
        }
    }
    Ok(())
}

fn broken(property: &'static str, how: String) -> Broken {
    Broken { property, how }
}
