//! What must hold in every state. Nothing here asks the planner how it reasons: it is judged by what it commits, by what it
//! does to the world, and by what is left at the end.

use std::collections::BTreeSet;

use driftless_planner::action::{Action, CapacityChange, Direction, Role};
use driftless_planner::check;
use driftless_planner::decision::Decision;
use driftless_planner::fleet::Color;
use driftless_planner::ids::ImageId;
use driftless_planner::record::{Cutover, CutoverPhase, Phase, Record, Setting};
use driftless_planner::waiting::Waiting;

use crate::explore::{Broken, Tally};
use crate::kept::is_in_ledger;
use crate::observe::{Names, image_id};
use crate::run::Decided;
use crate::world::{Bounds, Pool, Server, World, count, number};

/// The share of the wanted capacity that must serve at all times, in percent: what the policies of all small worlds say,
/// or leave at its default.
const FLOOR_PERCENT: u32 = 90;

/// A decision, before anything of it is done.
///
/// # Errors
/// What it breaks.
pub fn decision(
    world: &World,
    before: Option<&Record>,
    decision: &Decision,
    budget: usize,
    tally: &mut Tally,
) -> Result<(), Broken> {
    tally.judge("a decision is well formed");
    if let Some(wrong) = check::decision(before, decision).first() {
        return Err(broken("a decision is well formed", wrong.clone()));
    }
    tally.judge("a freeze stops what disrupts");
    if world.frozen_since.is_some()
        && let Some(action) = decision.actions.iter().find(|action| action.is_disruptive())
    {
        return Err(broken("a freeze stops what disrupts", format!("{action:?} is decided under a freeze")));
    }
    tally.judge("never more than the budget at once");
    for group in decision.next.replacements.values().map(|work| &work.group) {
        let used = decision.next.slots_used(group);
        if used > budget {
            return Err(broken("never more than the budget at once", format!("{used} at once in {group}")));
        }
    }
    decision.actions.iter().try_for_each(|action| is_accounted_for(&decision.next, action, tally))
}

/// What can be put back stands in the ledger before it is changed.
fn is_accounted_for(next: &Record, action: &Action, tally: &mut Tally) -> Result<(), Broken> {
    const PROPERTY: &str = "nothing reversible is changed outside the ledger";
    let Some(group) = action.group() else { return Ok(()) };
    let is_known = match action {
        Action::SetMaximum { .. } => is_in_ledger(next, group.as_str(), |setting| {
            matches!(setting, Setting::Maximum { .. } | Setting::HeldMaximum { .. })
        }),
        Action::SetMinimum { .. } => {
            is_in_ledger(next, group.as_str(), |setting| matches!(setting, Setting::HeldMinimum { .. }))
        }
        Action::Protect { instance: protected, .. } => is_in_ledger(
            next,
            group.as_str(),
            |setting| matches!(setting, Setting::Protection { instance } if instance == protected),
        ),
        Action::SetTemplate { .. } => {
            is_in_ledger(next, group.as_str(), |setting| matches!(setting, Setting::Template { .. }))
        }
        Action::Launch { .. }
        | Action::SetDesired { .. }
        | Action::Terminate { .. }
        | Action::SetAside { .. }
        | Action::TakeTurn
        | Action::GiveTurn
        | Action::Empty { .. }
        | Action::WriteTemplate { .. }
        | Action::SetWeights { .. }
        | Action::Attach { .. }
        | Action::Detach { .. }
        | Action::StartRefresh { .. }
        | Action::RollBackRefresh { .. } => return Ok(()),
    };
    tally.judge(PROPERTY);
    if is_known { Ok(()) } else { Err(broken(PROPERTY, format!("{action:?} stands in no ledger"))) }
}

/// A write that took effect: the world before it and after it.
///
/// # Errors
/// What it breaks.
pub fn deed(
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
            keeps_floor(before, was, server, decided, wanted, tally)?;
            keeps_size(is, *capacity, wanted, tally)
        }
        Action::Launch { .. } | Action::SetDesired { .. } | Action::SetMaximum { .. } => {
            raises_within_budget(was, is, budget, tally)?;
            takes_nobody(was, is, tally)
        }
        Action::SetMinimum { .. } => takes_nobody(was, is, tally),
        Action::SetWeights { direction, .. } => weights(before, after, decided, *direction, tally),
        Action::Empty { .. } => empties(before, at, is, decided, tally),
        Action::Protect { .. }
        | Action::SetAside { .. }
        | Action::TakeTurn
        | Action::GiveTurn
        | Action::WriteTemplate { .. }
        | Action::SetTemplate { .. }
        | Action::Attach { .. }
        | Action::Detach { .. }
        | Action::StartRefresh { .. }
        | Action::RollBackRefresh { .. } => Ok(()),
    }
}

/// Traffic goes only to a color at its floor, or back to one that serves, and never to a vetoed image.
fn weights(
    before: &World,
    after: &World,
    decided: &Decided,
    direction: Direction,
    tally: &mut Tally,
) -> Result<(), Broken> {
    const PROPERTY: &str = "traffic goes only to a color at its floor, or back to one that serves";
    const VETOED: &str = "a vetoed image gets no traffic";
    let (Some(was), Some(is)) = (&before.colors, &after.colors) else { return Ok(()) };
    let wanted = before.groups.iter().map(|pool| pool.wanted.desired).max().unwrap_or_default();
    let vetoes = &decided.decision.next.memory.vetoes;
    let colors = before.groups.iter().zip(&was.templates).zip(was.weights.into_iter().zip(is.weights));
    for ((pool, versions), _) in colors.filter(|(_, (was, is))| is > was) {
        tally.judge(PROPERTY);
        let floor = match direction {
            Direction::Forward => (wanted * FLOOR_PERCENT).div_ceil(100),
            Direction::Back => 1,
        };
        let served = pool.servers.iter().filter(|server| server.serves() || decided.serving.contains(&server.id));
        let serving = count(served);
        if serving < floor {
            return Err(broken(PROPERTY, format!("{serving} serve, and the floor is {floor}")));
        }
        tally.judge(VETOED);
        let is_vetoed = |pool, versions| images(pool, versions).any(|image| vetoes.contains_key(&image));
        // Where both run what is vetoed, it goes back all the same: there is nothing else.
        let mut all = before.groups.iter().zip(&was.templates);
        let has_choice = direction == Direction::Forward || !all.all(|(pool, versions)| is_vetoed(pool, versions));
        if has_choice && is_vetoed(pool, versions) {
            return Err(broken(VETOED, format!("{vetoes:?}")));
        }
    }
    Ok(())
}

/// The images that a color's servers run.
fn images(pool: &Pool, versions: &[(u32, Option<String>)]) -> impl Iterator<Item = ImageId> {
    let version = |server: &Server| usize::try_from(server.version).ok()?.checked_sub(1);
    let image = move |server| version(server).and_then(|at| versions.get(at)).and_then(|(image, _)| image_id(*image));
    pool.servers.iter().filter_map(image)
}

/// A color is let go only without traffic, and not as the last that serves. Who began to serve since it was decided, or
/// serves no longer, could not be known.
fn empties(before: &World, at: usize, is: &Pool, decided: &Decided, tally: &mut Tally) -> Result<(), Broken> {
    const PROPERTY: &str = "a color with traffic, or the last that serves, is not let go";
    let Some(was) = before.groups.get(at).filter(|was| *was != is) else { return Ok(()) };
    tally.judge(PROPERTY);
    let weight = before.colors.as_ref().and_then(|colors| colors.weights.get(at)).copied().unwrap_or_default();
    let others = before.groups.iter().zip(&decided.served).enumerate().filter(|(other, _)| *other != at);
    let others: u32 = others.map(|(_, (pool, served))| pool.serving().max(*served)).sum();
    let own = count(was.servers.iter().filter(|server| server.serves() && decided.serving.contains(&server.id)));
    if weight == 0 && (others > 0 || own == 0) {
        return Ok(());
    }
    Err(broken(PROPERTY, format!("weight {weight}, {own} serve, and {others} of the other color")))
}

fn gave_a_reason(was: &Pool, server: &Server, decided: &Decided, role: Role, tally: &mut Tally) -> Result<(), Broken> {
    const PROPERTY: &str = "only what drifted goes, or what is one too many since a surge";
    tally.judge(PROPERTY);
    let has_reason = match role {
        Role::Drifted => decided.drifted.contains(&server.id) || is_asked(decided, server.id),
        Role::Surplus => server.is_ours || (was.desired > was.wanted.desired && came_with_surge(decided, server)),
        Role::Quarantined => false,
    };
    if has_reason { Ok(()) } else { Err(broken(PROPERTY, format!("i-{:x} gave no reason", server.id))) }
}

/// What Auto Scaling launched in the place of a successor is as much one too many as the successor was.
fn came_with_surge(decided: &Decided, server: &Server) -> bool {
    let mut surges = decided.decision.next.replacements.values().filter_map(|work| work.phase().surge());
    surges.any(|surge| server.launched_at >= surge.admitted_at)
}

fn is_asked(decided: &Decided, id: u32) -> bool {
    decided.decision.next.asked_to_replace.keys().any(|asked| number(asked) == Some(id))
}

/// What changed between a look and its deeds could not be known to them: what did serve when it was decided, and was lost
/// since, counts, and what began to serve since does not.
fn keeps_floor(
    before: &World,
    was: &Pool,
    going: &Server,
    decided: &Decided,
    wanted: u32,
    tally: &mut Tally,
) -> Result<(), Broken> {
    const PROPERTY: &str = "what serves stays at the floor";
    if !going.serves() || !decided.serving.contains(&going.id) {
        return Ok(());
    }
    tally.judge(PROPERTY);
    let serving = was.servers.iter().filter(|server| server.serves()).map(|server| server.id);
    let lost_to_others = decided.serving.iter().copied().filter(|id| !before.taken.contains(id));
    let left: BTreeSet<u32> = serving.chain(lost_to_others).filter(|id| *id != going.id).collect();
    let (left, floor) = (count(left.iter()), (wanted * FLOOR_PERCENT).div_ceil(100));
    if left >= floor {
        return Ok(());
    }
    Err(broken(PROPERTY, format!("{left} serve without i-{:x}, of {wanted} that are wanted", going.id)))
}

/// A decrement takes back what was raised, and nothing of what people want.
fn keeps_size(is: &Pool, capacity: CapacityChange, wanted: u32, tally: &mut Tally) -> Result<(), Broken> {
    const PROPERTY: &str = "capacity that people want stays";
    tally.judge(PROPERTY);
    if capacity == CapacityChange::Keep || is.desired >= wanted {
        return Ok(());
    }
    Err(broken(PROPERTY, format!("{} are left of {wanted} that are wanted", is.desired)))
}

fn raises_within_budget(was: &Pool, is: &Pool, budget: u32, tally: &mut Tally) -> Result<(), Broken> {
    const PROPERTY: &str = "no more is launched than the budget allows";
    tally.judge(PROPERTY);
    if is.desired <= was.desired || is.desired <= is.wanted.desired + is.kept + budget {
        return Ok(());
    }
    Err(broken(PROPERTY, format!("{} are asked for where {} are wanted", is.desired, is.wanted.desired)))
}

fn takes_nobody(was: &Pool, is: &Pool, tally: &mut Tally) -> Result<(), Broken> {
    const PROPERTY: &str = "no bound takes an instance";
    tally.judge(PROPERTY);
    // Who is above the size goes in any case, as soon as he may.
    if is.active() >= was.active().min(was.desired) {
        Ok(())
    } else {
        Err(broken(PROPERTY, "an instance goes by it".to_owned()))
    }
}

/// Whether all work that is on record has come to its end: nothing is under way, and what waits, waits for somebody else.
pub fn is_settled(world: &World, record: &Record) -> bool {
    let is_sick = world.servers().any(|server| server.is_sick);
    let needs_operator = |cutover: &Cutover| matches!(cutover.phase(), CutoverPhase::NeedsOperator { .. });
    record.cutover.as_ref().is_none_or(needs_operator)
        && (record.ledger.is_empty() || record.cutover.is_some())
        && record.replacements.values().all(|work| match work.phase() {
            Phase::Stopped(_) => true,
            Phase::Blocked(waiting) => match waiting {
                Waiting::BreakerOpen { .. } | Waiting::Lineage { .. } => true,
                // Somebody else has to make the sick ones well, or to replace them.
                Waiting::NotInService { .. } | Waiting::BudgetSpent { .. } | Waiting::BelowFloor { .. } => is_sick,
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
                | Waiting::NoTurn { .. }
                | Waiting::PreflightFailed { .. }
                | Waiting::ReplacementsUnderWay { .. }
                | Waiting::Paused { .. }
                | Waiting::AwaitingApproval { .. }
                | Waiting::BothColorsAlarm { .. }
                | Waiting::GuardAlarmMissing { .. }
                | Waiting::TrafficChangedByOthers { .. }
                | Waiting::ColorBelowFloor { .. }
                | Waiting::RollbackBelowFloor { .. }
                | Waiting::OldColorDown { .. }
                | Waiting::NeedsOperator { .. } => false,
            },
            Phase::Debouncing
            | Phase::Launching(_)
            | Phase::Proving(_)
            | Phase::Retiring(_)
            | Phase::Vacating(_)
            | Phase::Refilling(_)
            | Phase::Withdrawing(_) => false,
        })
}

/// What is left when all work has come to its end.
///
/// # Errors
/// What is not as people wanted it.
pub fn rest(world: &World, record: &Record, tally: &mut Tally) -> Result<(), Broken> {
    if record.cutover.is_some() {
        return Ok(());
    }
    // Bounds travel with the traffic: what blue was given at first is the live color's.
    let is_green = record.live == Some(Color::Green);
    let wanted = world.groups.iter().map(|pool| pool.wanted);
    let wanted: Vec<Bounds> = if is_green { wanted.rev().collect() } else { wanted.collect() };
    if let Some(colors) = &world.colors {
        const PROPERTY: &str = "at rest the live color has all of the traffic, and the turn is given back";
        tally.judge(PROPERTY);
        let [of_idle, of_live] = if is_green { colors.weights } else { [colors.weights[1], colors.weights[0]] };
        if of_idle > 0 || of_live == 0 || colors.has_turn {
            return Err(broken(PROPERTY, format!("{colors:?}")));
        }
    }
    world.groups.iter().zip(wanted).try_for_each(|(pool, wanted)| rests(pool, wanted, tally))
}

fn rests(pool: &Pool, wanted: Bounds, tally: &mut Tally) -> Result<(), Broken> {
    const PROPERTY: &str = "at rest everything is as people wanted it";
    {
        tally.judge(PROPERTY);
        let Pool { min, max, desired, version: _, servers, wanted: _, kept: _ } = pool;
        if (*min, *max) != (wanted.min, wanted.max) {
            return Err(broken(
                PROPERTY,
                format!("bounds {min} to {max} are left, not {} to {}", wanted.min, wanted.max),
            ));
        }
        if *desired != wanted.desired || pool.active() != *desired {
            let how = format!("{} of {desired} run, and {} were wanted", pool.active(), wanted.desired);
            return Err(broken(PROPERTY, how));
        }
        if servers.iter().any(|server| server.is_protected) {
            return Err(broken(PROPERTY, "an instance is left protected".to_owned()));
        }
    }
    Ok(())
}

fn broken(property: &'static str, how: String) -> Broken {
    Broken { property, how }
}
