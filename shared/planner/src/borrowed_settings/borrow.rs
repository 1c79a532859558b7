//! Settings of a group that a cutover borrows. Each is restored at the end, or moves to the group that has the traffic;
//! the value of an external change stays.

use std::collections::BTreeSet;

use super::{does_not_fit, forget};
use crate::action::{Action, Direction, WeightChange};
use crate::draft::Draft;
use crate::ids::GroupName;
use crate::limits::RECHECK_MIN;
use crate::observation::Group;
use crate::record::{BorrowedSetting, FleetBounds, Setting};
use crate::template::{TemplateReference, TemplateVersion};

/// Records a borrowed setting before Driftless changes it.
pub(crate) fn note(draft: &mut Draft<'_>, group: &GroupName, setting: Setting) {
    let entry = BorrowedSetting { group: group.clone(), setting, since: draft.input().now };
    if !draft
        .record()
        .borrowed_settings
        .iter()
        .any(|known| known.group == entry.group && known.setting == entry.setting)
    {
        draft.borrowed_settings().push(entry);
    }
}

/// Raises `MinSize` of a group to the wanted value, but not above `MaxSize`, and records it as borrowed. Never lowers
/// it.
pub(crate) fn borrow_minimum(draft: &mut Draft<'_>, group: &Group, minimum: u32) {
    let minimum = minimum.min(group.max);
    if group.min >= minimum {
        return;
    }
    let of_group = draft.borrowed_settings().iter_mut().filter(|entry| entry.group == group.name);
    let known = of_group.map(|entry| &mut entry.setting).find_map(|setting| {
        if let Setting::BorrowedMinimum { had, wrote } = setting { Some((had, wrote)) } else { None }
    });
    match known {
        Some((had, wrote)) => follow(had, wrote, group.min, minimum),
        None => {
            note(draft, &group.name, Setting::BorrowedMinimum { had: group.min, wrote: BTreeSet::from([minimum]) });
        }
    }
    draft.act(Action::SetMinimum { group: group.name.clone(), expected: group.min, minimum });
}

/// Raises `MaxSize` of a group to the wanted value, and records it as borrowed. Never lowers it.
pub(crate) fn borrow_maximum(draft: &mut Draft<'_>, group: &Group, maximum: u32) {
    if group.max >= maximum {
        return;
    }
    let of_group = draft.borrowed_settings().iter_mut().filter(|entry| entry.group == group.name);
    let known = of_group.map(|entry| &mut entry.setting).find_map(|setting| {
        if let Setting::BorrowedMaximum { had, wrote } = setting { Some((had, wrote)) } else { None }
    });
    match known {
        Some((had, wrote)) => follow(had, wrote, group.max, maximum),
        None => {
            note(draft, &group.name, Setting::BorrowedMaximum { had: group.max, wrote: BTreeSet::from([maximum]) });
        }
    }
    draft.act(Action::SetMaximum { group: group.name.clone(), expected: group.max, maximum });
}

/// Notes the next value that Driftless writes. If an external change has written the live value, that value becomes the
/// one to restore at the end.
fn follow(had: &mut u32, wrote: &mut BTreeSet<u32>, live: u32, next: u32) {
    if live != *had && !wrote.contains(&live) {
        *had = live;
        wrote.clear();
    }
    wrote.insert(next);
}

/// Sets the launch template version that a cutover needs on a group, and records the earlier version as borrowed.
pub(crate) fn borrow_template(draft: &mut Draft<'_>, group: &Group, live: &TemplateVersion, wanted: &TemplateVersion) {
    let setting = Setting::Template { had: live.clone(), wrote: wanted.clone() };
    // An unchanged entry stays as it is: a pass that changes nothing commits nothing.
    let is_another =
        |entry: &BorrowedSetting| matches!(entry.setting, Setting::Template { .. }) && entry.setting != setting;
    draft.borrowed_settings().retain(|entry| entry.group != group.name || !is_another(entry));
    note(draft, &group.name, setting);
    draft.act(Action::SetTemplate {
        group: group.name.clone(),
        expected: group.template.clone(),
        template: wanted.clone(),
    });
}

/// `MaxSize` of a group before a cutover borrowed it. If no cutover borrowed it, or an external change wrote another
/// value, it is the current `MaxSize`.
pub(crate) fn maximum_before(draft: &Draft<'_>, group: &Group) -> u32 {
    let before = draft.record().borrowed_settings.iter().filter(|entry| entry.group == group.name).find_map(|entry| {
        let Setting::BorrowedMaximum { had, wrote } = &entry.setting else { return None };
        wrote.contains(&group.max).then_some(*had)
    });
    before.unwrap_or(group.max)
}

/// The recorded settings of a group that a cutover has borrowed.
fn held(draft: &Draft<'_>, group: &GroupName) -> Vec<BorrowedSetting> {
    let is_held = |entry: &&BorrowedSetting| entry.group == *group && entry.setting.is_of_cutover();
    draft.record().borrowed_settings.iter().filter(is_held).cloned().collect()
}

/// Restores the settings that a cutover borrowed from a group. True: nothing remains that could be restored now.
pub(crate) fn restore(draft: &mut Draft<'_>, group: &Group) -> bool {
    for entry in held(draft, &group.name) {
        match &entry.setting {
            Setting::BorrowedMinimum { had, wrote } => match group.min {
                live if live == *had => forget(draft, &entry, "restored"),
                live if !wrote.contains(&live) => forget_for_others(draft, &entry, &format!("MinSize is {live}")),
                live => {
                    draft.act(Action::SetMinimum { group: group.name.clone(), expected: live, minimum: *had });
                }
            },
            Setting::BorrowedMaximum { had, wrote } => match group.max {
                live if live == *had => forget(draft, &entry, "restored"),
                live if !wrote.contains(&live) => forget_for_others(draft, &entry, &format!("MaxSize is {live}")),
                // The desired capacity must fit under the old maximum: restoring it must terminate no instance.
                live if group.desired <= *had && group.min <= *had => {
                    draft.act(Action::SetMaximum { group: group.name.clone(), expected: live, maximum: *had });
                }
                _ => does_not_fit(draft, &entry, group, *had),
            },
            Setting::Template { had, wrote } => restore_template(draft, group, &entry, had, wrote),
            Setting::Stickiness { .. } => restore_stickiness(draft, group, &entry),
            Setting::Maximum { .. } | Setting::Protection { .. } => {}
        }
    }
    let is_done = held(draft, &group.name).iter().all(|entry| is_overdue(entry, group));
    if !is_done {
        draft.requeue(draft.input().now + RECHECK_MIN);
    }
    is_done
}

/// Whether the restoration of a setting must wait, because the desired capacity exceeds the old maximum. Driftless
/// restores the setting when the group fits under the old maximum.
fn is_overdue(entry: &BorrowedSetting, group: &Group) -> bool {
    matches!(&entry.setting, Setting::BorrowedMaximum { had, wrote } if group.desired > *had && wrote.contains(&group.max))
}

fn restore_template(
    draft: &mut Draft<'_>,
    group: &Group,
    entry: &BorrowedSetting,
    had: &TemplateVersion,
    wrote: &TemplateVersion,
) {
    match &group.template {
        TemplateReference::Numbered(live) if live == had => forget(draft, entry, "restored"),
        TemplateReference::Numbered(live) if live == wrote => draft.act(Action::SetTemplate {
            group: group.name.clone(),
            expected: group.template.clone(),
            template: had.clone(),
        }),
        TemplateReference::Numbered(_) | TemplateReference::Floating { .. } | TemplateReference::None => {
            forget_for_others(draft, entry, "the launch template is a different one");
        }
    }
}

fn restore_stickiness(draft: &mut Draft<'_>, group: &Group, entry: &BorrowedSetting) {
    let Setting::Stickiness { place, had } = &entry.setting else { return };
    let Some(live) = draft.input().seen.forwards.iter().find(|forward| forward.place == *place) else {
        return forget_for_others(draft, entry, "the forward action no longer exists");
    };
    match live.stickiness {
        Some(live) if live == *had => forget(draft, entry, "restored"),
        Some(_) => forget_for_others(draft, entry, "the stickiness is different"),
        None => draft.act(Action::SetWeights {
            group: group.name.clone(),
            change: WeightChange {
                place: place.clone(),
                expected: live.weights.clone(),
                weights: live.weights.clone(),
                expected_stickiness: None,
                stickiness: Some(*had),
            },
            gate: std::collections::BTreeMap::new(),
            direction: Direction::Back,
        }),
    }
}

fn forget_for_others(draft: &mut Draft<'_>, entry: &BorrowedSetting, what: &str) {
    forget(draft, entry, &format!("{what} after a change outside Driftless, and stays"));
}

/// Moves the fleet's minimum and maximum to the group that has the traffic. True: no write remains, because the group
/// has both values, an external change set others, or the desired capacity exceeds the maximum by now.
pub(crate) fn hand_over(draft: &mut Draft<'_>, group: &Group, bounds: FleetBounds) -> bool {
    if draft.bounds(&group.name) {
        // This pass still reads the old values. The next one reads the new ones.
        draft.requeue(draft.input().now + RECHECK_MIN);
        return false;
    }
    for entry in held(draft, &group.name) {
        match &entry.setting {
            Setting::BorrowedMinimum { had, wrote } => match group.min {
                live if live == bounds.min => {
                    forget(draft, &entry, "the bounds of the fleet moved to this group with the traffic");
                }
                live if live != *had && !wrote.contains(&live) => {
                    forget_for_others(draft, &entry, &format!("MinSize is {live}"));
                }
                live => {
                    let minimum = bounds.min.min(group.max);
                    draft.act(Action::SetMinimum { group: group.name.clone(), expected: live, minimum });
                }
            },
            Setting::BorrowedMaximum { had, wrote } => match group.max {
                live if live == bounds.max => {
                    forget(draft, &entry, "the bounds of the fleet moved to this group with the traffic");
                }
                live if live != *had && !wrote.contains(&live) => {
                    forget_for_others(draft, &entry, &format!("MaxSize is {live}"));
                }
                live if group.desired <= bounds.max => {
                    draft.act(Action::SetMaximum { group: group.name.clone(), expected: live, maximum: bounds.max });
                }
                // Driftless lowers a maximum only when the desired capacity fits under it. Until then it stays
                // borrowed.
                live => {
                    let wrote = BTreeSet::from([live]);
                    rebase(draft, &entry, &Setting::BorrowedMaximum { had: bounds.max, wrote });
                    does_not_fit(draft, &entry, group, bounds.max);
                }
            },
            Setting::Template { .. } => forget(draft, &entry, "the release uses it now"),
            Setting::Stickiness { .. } => restore_stickiness(draft, group, &entry),
            Setting::Maximum { .. } | Setting::Protection { .. } => {}
        }
    }
    held(draft, &group.name).iter().all(|entry| is_overdue(entry, group))
}

/// Replaces the recorded setting of an entry, with the value to restore at the end.
fn rebase(draft: &mut Draft<'_>, entry: &BorrowedSetting, setting: &Setting) {
    for known in draft.borrowed_settings().iter_mut().filter(|known| *known == entry) {
        known.setting = setting.clone();
    }
}

/// Removes the settings that a cutover borrowed from a group from the record, without restoring them.
pub(crate) fn forget_borrowed(draft: &mut Draft<'_>, group: &GroupName, why: &str) {
    for entry in held(draft, group) {
        forget(draft, &entry, why);
    }
}
