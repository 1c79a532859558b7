//! Reversible settings of a group: changed through the record's ledger, and put back where they are still what was
//! written.

mod held;

use jiff::SignedDuration;

use crate::action::{Action, Protection};
use crate::decide::Plan;
use crate::ids::{GroupName, InstanceId};
use crate::notification::Condition;
use crate::observation::{Group, Lifecycle, Member};
use crate::record::{LedgerEntry, Phase, Setting};
use crate::replacement::{LOOK_MAX, LOOK_MIN};

pub(crate) use held::{hold_maximum, hold_minimum, hold_template, maximum_before, note, restore, strike_held, travel};

/// A maximum that is up for this long is no matter of a surge any more. Replacements that follow each other keep it up
/// for as long as they last, and none lasts an hour with the deadlines that a policy has by default.
const RAISED_FOR_LONG: SignedDuration = SignedDuration::from_hours(1);

/// Raises the maximum, through the ledger, where the surges of a group do not fit under it.
pub(crate) fn make_room(plan: &mut Plan<'_>, group: &Group, base: u32) {
    let surges = u32::try_from(plan.next.slots_used(&group.name)).unwrap_or(u32::MAX);
    let is_launching = |phase: &Phase| matches!(phase, Phase::Launching(_));
    let launches =
        plan.next.replacements.values().filter(|other| other.group == group.name && is_launching(&other.phase));
    let launches = u32::try_from(launches.count()).unwrap_or(u32::MAX);
    // A describe that trails shows a desired capacity without the newest successors: then the base tells.
    let needed = base.saturating_add(surges).max(group.desired.saturating_add(launches));
    if group.max >= needed {
        return;
    }
    note_raise(plan, group, needed);
    for action in &mut plan.actions {
        // Two surges admitted together are one raise: a second write would not find the value that it expects.
        if let Action::SetMaximum { group: raised, maximum, .. } = action
            && *raised == group.name
        {
            *maximum = needed;
            return;
        }
    }
    plan.actions.push(Action::SetMaximum { group: group.name.clone(), expected: group.max, maximum: needed });
}

/// Each raise has an entry of its own, so that one which was committed and never written is told from the one before.
fn note_raise(plan: &mut Plan<'_>, group: &Group, needed: u32) {
    let raised =
        |entry: &&mut LedgerEntry| entry.group == group.name && matches!(entry.setting, Setting::Maximum { .. });
    if let Some(LedgerEntry { setting: Setting::Maximum { had, wrote }, .. }) =
        plan.next.ledger.iter_mut().rfind(raised)
    {
        if group.max == *had {
            *wrote = needed;
            return;
        }
        if group.max != *wrote {
            // What someone else wrote meanwhile is what must be there again.
            let is_other =
                |entry: &LedgerEntry| entry.group != group.name || !matches!(entry.setting, Setting::Maximum { .. });
            plan.next.ledger.retain(is_other);
        }
    }
    plan.next.ledger.push(LedgerEntry {
        group: group.name.clone(),
        setting: Setting::Maximum { had: group.max, wrote: needed },
        since: plan.input.now,
    });
}

/// Scale-in must not take the one instance that has just been launched for a purpose.
pub(crate) fn protect(plan: &mut Plan<'_>, group: &Group, successor: &Member) {
    // Auto Scaling accepts protection only for instances in service.
    if successor.protected || successor.lifecycle != Lifecycle::InService {
        return;
    }
    let entry = LedgerEntry {
        group: group.name.clone(),
        setting: Setting::Protection { instance: successor.id.clone() },
        since: plan.input.now,
    };
    if !plan.next.ledger.iter().any(|known| known.group == entry.group && known.setting == entry.setting) {
        plan.next.ledger.push(entry);
    }
    plan.actions.push(Action::Protect {
        group: group.name.clone(),
        instance: successor.id.clone(),
        protection: Protection::On,
    });
}

/// Puts back what the ledger holds for surges that are over. A setting that someone else changed meanwhile is theirs.
pub(crate) fn put_back(plan: &mut Plan<'_>) {
    let seen = plan.input.seen;
    // The newest first: a raise over a raise is taken back before the one below it.
    for entry in plan.next.ledger.clone().into_iter().rev() {
        let Some(group) = seen.group(&entry.group) else {
            if !seen.groups.is_empty() {
                strike(plan, &entry, "the group no longer belongs to the fleet");
            }
            continue;
        };
        match &entry.setting {
            Setting::Maximum { had, wrote } => {
                if plan.next.slots_used(&group.name) == 0 && is_newest_raise(plan, &entry) {
                    put_back_maximum(plan, &entry, group, *had, *wrote);
                }
            }
            Setting::Protection { instance } => put_back_protection(plan, &entry, group, instance),
            // A cutover puts them back itself; what one left behind that is over is put back below.
            Setting::HeldMinimum { .. }
            | Setting::HeldMaximum { .. }
            | Setting::Template { .. }
            | Setting::Stickiness { .. } => {}
        }
    }
    if plan.next.cutover.is_none() {
        for group in &seen.groups {
            restore(plan, group);
        }
    }
}

/// Whether no later raise of the same group is still to be taken back.
fn is_newest_raise(plan: &Plan<'_>, entry: &LedgerEntry) -> bool {
    let of_group =
        |known: &&LedgerEntry| known.group == entry.group && matches!(known.setting, Setting::Maximum { .. });
    plan.next.ledger.iter().rfind(of_group) == Some(entry)
}

fn put_back_maximum(plan: &mut Plan<'_>, entry: &LedgerEntry, group: &Group, had: u32, wrote: u32) {
    if group.max == had {
        strike(plan, entry, "put back");
    } else if group.max != wrote {
        let why = format!("MaxSize is {} by another hand, and stays", group.max);
        strike_raises(plan, &group.name, &why);
    } else if group.desired <= had {
        plan.actions.push(Action::SetMaximum { group: group.name.clone(), expected: wrote, maximum: had });
        plan.look_again(plan.input.now + LOOK_MIN);
    } else {
        does_not_fit(plan, entry, group, had);
    }
}

/// Desired capacity does not fit under the old maximum. A scaling policy lets go of it again; a person who wrote it must
/// be told that only our raise made it possible.
fn does_not_fit(plan: &mut Plan<'_>, entry: &LedgerEntry, group: &Group, had: u32) {
    let overdue_at = entry.since + RAISED_FOR_LONG;
    if plan.input.now < overdue_at {
        plan.look_again(overdue_at.min(plan.input.now + LOOK_MAX));
        return;
    }
    let Group { name, desired, max, .. } = group;
    let detail = format!(
        "MaxSize of {name} is {max} by Driftless and was {had}, and {desired} instances are wanted by now: lower desired \
         capacity to {had}, or write the maximum that you want"
    );
    plan.is_in(Condition::RestoreOverdue, detail);
}

fn put_back_protection(plan: &mut Plan<'_>, entry: &LedgerEntry, group: &Group, instance: &InstanceId) {
    let is_needed = plan.next.successors().any(|successor| successor == instance);
    match group.member(instance) {
        None => strike(plan, entry, "the instance is gone"),
        Some(_) if is_needed => {}
        Some(member) if !member.protected => strike(plan, entry, "put back"),
        Some(member) if member.lifecycle == Lifecycle::Terminating => strike(plan, entry, "the instance is leaving"),
        Some(_) => {
            plan.look_again(plan.input.now + LOOK_MIN);
            let is_leaving =
                |action: &Action| matches!(action, Action::Terminate { instance: leaving, .. } if leaving == instance);
            if plan.actions.iter().any(is_leaving) {
                return;
            }
            plan.actions.push(Action::Protect {
                group: group.name.clone(),
                instance: instance.clone(),
                protection: Protection::Off,
            });
        }
    }
}

fn strike(plan: &mut Plan<'_>, entry: &LedgerEntry, why: &str) {
    plan.next.ledger.retain(|known| known != entry);
    let (instance, setting) = match &entry.setting {
        Setting::Maximum { had, .. } | Setting::HeldMaximum { had, .. } => {
            (None, format!("ledger: MaxSize of {} (had {had})", entry.group))
        }
        Setting::Protection { instance } => (Some(instance), "ledger: scale-in protection".to_owned()),
        Setting::HeldMinimum { had, .. } => (None, format!("ledger: MinSize of {} (had {had})", entry.group)),
        Setting::Template { had, .. } => (None, format!("ledger: launch template of {} (had {had})", entry.group)),
        Setting::Stickiness { place, had } => (None, format!("ledger: stickiness of {place} (had {had:#})")),
    };
    plan.journal(instance, &setting, "settled", why);
}

/// What someone else wrote stands, whatever we had written before.
fn strike_raises(plan: &mut Plan<'_>, group: &GroupName, why: &str) {
    for entry in plan.next.ledger.clone() {
        if entry.group == *group && matches!(entry.setting, Setting::Maximum { .. }) {
            strike(plan, &entry, why);
        }
    }
}
