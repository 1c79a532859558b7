//! Borrowed settings of a group: Driftless records each setting before it changes it, and restores it if the live value
//! is still the one that Driftless wrote.

mod borrow;

use jiff::SignedDuration;

use crate::action::{Action, Protection};
use crate::draft::Draft;
use crate::ids::{GroupName, InstanceId};
use crate::limits::{RECHECK_MAX, RECHECK_MIN};
use crate::notification::Condition;
use crate::observation::{Group, Lifecycle, Member};
use crate::record::{BorrowedSetting, Phase, Setting};

pub(crate) use borrow::{
    borrow_maximum, borrow_minimum, borrow_template, forget_borrowed, hand_over, maximum_before, note, restore,
};

/// How long a raised `MaxSize` may wait to be restored before on-call gets a message. With the default deadlines, no
/// single replacement lasts an hour.
const RAISED_FOR_LONG: SignedDuration = SignedDuration::from_hours(1);

/// Raises `MaxSize` of a group, as a borrowed setting, if the group's replacement instances do not fit under it.
/// `base`: the desired capacity of the group before its replacements in progress began.
pub(crate) fn make_room(draft: &mut Draft<'_>, group: &Group, base: u32) {
    let surges = u32::try_from(draft.record().slots_used(&group.name)).unwrap_or(u32::MAX);
    let is_launching = |phase: &Phase| matches!(phase, Phase::Launching(_));
    let launches =
        draft.record().replacements.values().filter(|other| other.group == group.name && is_launching(other.phase()));
    let launches = u32::try_from(launches.count()).unwrap_or(u32::MAX);
    // A delayed describe shows a desired capacity without the newest replacement instances: the base then gives the
    // right number.
    let needed = base.saturating_add(surges).max(group.desired.saturating_add(launches));
    if group.max >= needed {
        return;
    }
    note_raise(draft, group, needed);
    draft.raise_maximum(&group.name, group.max, needed);
}

/// Records a raise of `MaxSize`. Each raise has an entry of its own, so that a raise that was committed but never
/// written to AWS can be told from an earlier raise.
fn note_raise(draft: &mut Draft<'_>, group: &Group, needed: u32) {
    let raised =
        |entry: &&mut BorrowedSetting| entry.group == group.name && matches!(entry.setting, Setting::Maximum { .. });
    if let Some(BorrowedSetting { setting: Setting::Maximum { had, wrote }, .. }) =
        draft.borrowed_settings().iter_mut().rfind(raised)
    {
        if group.max == *had {
            *wrote = needed;
            return;
        }
        if group.max != *wrote {
            // The value that an external change wrote meanwhile becomes the value to restore.
            let is_other = |entry: &BorrowedSetting| {
                entry.group != group.name || !matches!(entry.setting, Setting::Maximum { .. })
            };
            draft.borrowed_settings().retain(is_other);
        }
    }
    let since = draft.input().now;
    let setting = Setting::Maximum { had: group.max, wrote: needed };
    draft.borrowed_settings().push(BorrowedSetting { group: group.name.clone(), setting, since });
}

/// Protects a replacement instance from scale-in, which could otherwise terminate the instance that was just launched.
pub(crate) fn protect(draft: &mut Draft<'_>, group: &Group, successor: &Member) {
    // Auto Scaling accepts protection only for instances in service.
    if successor.protected || successor.lifecycle != Lifecycle::InService {
        return;
    }
    let entry = BorrowedSetting {
        group: group.name.clone(),
        setting: Setting::Protection { instance: successor.id.clone() },
        since: draft.input().now,
    };
    if !draft
        .record()
        .borrowed_settings
        .iter()
        .any(|known| known.group == entry.group && known.setting == entry.setting)
    {
        draft.borrowed_settings().push(entry);
    }
    draft.act(Action::Protect {
        group: group.name.clone(),
        instance: successor.id.clone(),
        protection: Protection::On,
    });
}

/// Restores the settings that finished replacements borrowed and, if no cutover is in progress, what a finished cutover
/// left behind. Keeps a value that an external change has written meanwhile.
pub(crate) fn restore_borrowed(draft: &mut Draft<'_>) {
    let seen = draft.input().seen;
    // The newest first: a raise on top of another one is restored before the one below it.
    for entry in draft.record().borrowed_settings.clone().into_iter().rev() {
        let Some(group) = seen.group(&entry.group) else {
            if !seen.groups.is_empty() {
                forget(draft, &entry, "the group no longer belongs to the fleet");
            }
            continue;
        };
        match &entry.setting {
            Setting::Maximum { had, wrote } => {
                if draft.record().slots_used(&group.name) == 0 && is_newest_raise(draft, &entry) {
                    restore_maximum(draft, &entry, group, *had, *wrote);
                }
            }
            Setting::Protection { instance } => restore_protection(draft, &entry, group, instance),
            // A cutover restores these itself. What a finished cutover left behind is restored below.
            Setting::BorrowedMinimum { .. }
            | Setting::BorrowedMaximum { .. }
            | Setting::Template { .. }
            | Setting::Stickiness { .. } => {}
        }
    }
    if draft.record().cutover.is_none() {
        for group in &seen.groups {
            restore(draft, group);
        }
    }
}

/// Whether this entry is the newest raise of its group's `MaxSize`, which is restored before the earlier ones.
fn is_newest_raise(draft: &Draft<'_>, entry: &BorrowedSetting) -> bool {
    let of_group =
        |known: &&BorrowedSetting| known.group == entry.group && matches!(known.setting, Setting::Maximum { .. });
    draft.record().borrowed_settings.iter().rfind(of_group) == Some(entry)
}

fn restore_maximum(draft: &mut Draft<'_>, entry: &BorrowedSetting, group: &Group, had: u32, wrote: u32) {
    if group.max == had {
        forget(draft, entry, "restored");
    } else if group.max != wrote {
        let why = format!("MaxSize is {} after a change outside Driftless, and stays", group.max);
        forget_raises(draft, &group.name, &why);
    } else if group.desired <= had {
        draft.act(Action::SetMaximum { group: group.name.clone(), expected: wrote, maximum: had });
        draft.requeue(draft.input().now + RECHECK_MIN);
    } else {
        does_not_fit(draft, entry, group, had);
    }
}

/// Waits when the desired capacity does not fit under the old maximum, because a scaling policy may lower the desired
/// capacity again. After [`RAISED_FOR_LONG`] on-call gets a message: an operator may have set a capacity for which only
/// Driftless's raise made room.
fn does_not_fit(draft: &mut Draft<'_>, entry: &BorrowedSetting, group: &Group, had: u32) {
    let overdue_at = entry.since + RAISED_FOR_LONG;
    if draft.input().now < overdue_at {
        draft.requeue(overdue_at.min(draft.input().now + RECHECK_MAX));
        return;
    }
    let Group { name, desired, max, .. } = group;
    let detail = format!(
        "Driftless raised MaxSize of {name} from {had} to {max}, and desired capacity is {desired} now: lower desired \
         capacity to {had}, or set the MaxSize that you want"
    );
    draft.is_in(Condition::RestoreOverdue, detail);
}

fn restore_protection(draft: &mut Draft<'_>, entry: &BorrowedSetting, group: &Group, instance: &InstanceId) {
    let is_needed = draft.record().successors().any(|successor| successor == instance);
    match group.member(instance) {
        None => forget(draft, entry, "the instance is gone"),
        Some(_) if is_needed => {}
        Some(member) if !member.protected => forget(draft, entry, "restored"),
        Some(member) if member.lifecycle == Lifecycle::Terminating => {
            forget(draft, entry, "the instance is terminating");
        }
        Some(_) => {
            draft.requeue(draft.input().now + RECHECK_MIN);
            if draft.terminates(instance) {
                return;
            }
            draft.act(Action::Protect {
                group: group.name.clone(),
                instance: instance.clone(),
                protection: Protection::Off,
            });
        }
    }
}

fn forget(draft: &mut Draft<'_>, entry: &BorrowedSetting, why: &str) {
    draft.borrowed_settings().retain(|known| known != entry);
    let (instance, setting) = match &entry.setting {
        Setting::Maximum { had, .. } | Setting::BorrowedMaximum { had, .. } => {
            (None, format!("MaxSize of {} (was {had})", entry.group))
        }
        Setting::Protection { instance } => (Some(instance), "scale-in protection".to_owned()),
        Setting::BorrowedMinimum { had, .. } => (None, format!("MinSize of {} (was {had})", entry.group)),
        Setting::Template { had, .. } => (None, format!("launch template of {} (was {had})", entry.group)),
        Setting::Stickiness { place, had } => (None, format!("stickiness of {place} (was {had:#})")),
    };
    draft.history().setting(setting, instance, why);
}

/// Removes all raises of a group's `MaxSize` from the record after an external change: the value of that change stays,
/// whatever Driftless wrote before.
fn forget_raises(draft: &mut Draft<'_>, group: &GroupName, why: &str) {
    for entry in draft.record().borrowed_settings.clone() {
        if entry.group == *group && matches!(entry.setting, Setting::Maximum { .. }) {
            forget(draft, &entry, why);
        }
    }
}
