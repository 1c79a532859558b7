//! Instances that are kept for forensics: out of their target groups, in standby, for as long as
//! [`QUARANTINE_FOR`](crate::policy::QUARANTINE_FOR), and at most [`QUARANTINE_MAX`] of a fleet.

use jiff::Timestamp;

use crate::action::{Action, CapacityChange, Role};
use crate::adopt::Standing;
use crate::decide::Plan;
use crate::ids::InstanceId;
use crate::observation::{Group, Lifecycle, Member};
use crate::policy::{QUARANTINE_FOR, QUARANTINE_MAX, ReplaceBy};
use crate::record::{Quarantined, Record, Replacement};

/// Enters an instance that was set aside.
pub(crate) fn keep(plan: &mut Plan<'_>, id: &InstanceId, replacement: &Replacement) -> Timestamp {
    let since = plan.input.now;
    let until = since + QUARANTINE_FOR;
    let (group, drift) = (replacement.group.clone(), replacement.drift.clone());
    plan.next.quarantined.insert(id.clone(), Quarantined { group, since, until, drift });
    until
}

/// Whether there is no place for one more, those on their way there counted.
pub(crate) fn is_full(record: &Record) -> bool {
    let on_the_way = record.replacements.values().filter(|replacement| {
        replacement.phase.surge().is_some_and(|surge| surge.replace_by() == ReplaceBy::Quarantine)
    });
    record.quarantined.len() + on_the_way.count() >= QUARANTINE_MAX
}

/// Lets go what has been kept long enough, and what a person took out.
pub(crate) fn expire(plan: &mut Plan<'_>, standing: &Standing<'_>) {
    let is_held = plan.hold(standing.mode()).is_some();
    for (id, kept) in plan.next.quarantined.clone() {
        let seen = plan.input.seen;
        if seen.groups.is_empty() {
            // An empty answer is no proof that it is gone.
            continue;
        }
        let Some((group, member)) = seen.group(&kept.group).and_then(|group| Some((group, group.member(&id)?))) else {
            leave(plan, &id, "the instance is gone");
            continue;
        };
        match &member.lifecycle {
            Lifecycle::Standby => {}
            Lifecycle::Terminating | Lifecycle::Detaching => continue,
            // The describe trails what was accepted, or the instance is on its way there.
            Lifecycle::InService | Lifecycle::Pending | Lifecycle::Unknown(_) => {
                if plan.input.now >= kept.since + crate::drift::CONFIRMATION_GRACE {
                    leave(plan, &id, "a person took it out of standby");
                }
                continue;
            }
        }
        plan.look_again(kept.until);
        // A protection that someone set on it keeps the evidence longer.
        let is_protected = crate::guards::protected_by_tag(plan, &id).is_some();
        if plan.input.now >= kept.until && !is_held && !is_protected {
            terminate(plan, group, member);
        }
    }
}

/// In standby it counts in no capacity: terminating it changes none.
fn terminate(plan: &mut Plan<'_>, group: &Group, member: &Member) {
    let is_taken = plan.actions.iter().any(|action| {
        matches!(action, Action::Terminate { .. } | Action::SetAside { .. }) && action.group() == Some(&group.name)
    });
    plan.look_again(plan.input.now + crate::replacement::LOOK_MIN);
    if !is_taken {
        plan.actions.push(Action::Terminate {
            group: group.name.clone(),
            instance: member.id.clone(),
            expected_desired: group.desired,
            capacity: CapacityChange::Keep,
            role: Role::Quarantined,
        });
    }
}

fn leave(plan: &mut Plan<'_>, id: &InstanceId, why: &str) {
    plan.next.quarantined.remove(id);
    plan.journal(Some(id), "quarantined", "let go", why);
}
