//! Quarantine: drifted instances are kept for forensics, in standby and out of their target groups, for
//! [`QUARANTINE_FOR`](crate::policy::QUARANTINE_FOR), and at most [`QUARANTINE_MAX`] instances of a fleet at once.

use jiff::Timestamp;

use crate::action::{Action, CapacityChange, Role};
use crate::adopt::FleetState;
use crate::draft::Draft;
use crate::ids::InstanceId;
use crate::observation::{Group, Lifecycle, Member};
use crate::policy::{QUARANTINE_FOR, QUARANTINE_MAX, ReplaceBy};
use crate::record::{Quarantined, Record, Replacement};

/// Records an instance in standby as quarantined. Returns when its quarantine ends.
pub(crate) fn keep(draft: &mut Draft<'_>, id: &InstanceId, replacement: &Replacement) -> Timestamp {
    let since = draft.input().now;
    let until = since + QUARANTINE_FOR;
    draft.quarantined().insert(
        id.clone(),
        Quarantined { group: replacement.group.clone(), since, until, drift: replacement.drift.clone() },
    );
    until
}

/// Whether the fleet's quarantine is full. Instances that are still to enter quarantine count too.
pub(crate) fn is_full(record: &Record) -> bool {
    let on_the_way = record.replacements.values().filter(|replacement| {
        replacement.phase().surge().is_some_and(|surge| surge.replace_by() == ReplaceBy::Quarantine)
    });
    record.quarantined.len() + on_the_way.count() >= QUARANTINE_MAX
}

/// Terminates instances whose quarantine is over, and forgets those that are gone or that an operator took out of
/// standby.
pub(crate) fn expire(draft: &mut Draft<'_>, standing: &FleetState<'_>) {
    let is_held = draft.pause(standing.mode()).is_some();
    for (id, kept) in draft.record().quarantined.clone() {
        let seen = draft.input().seen;
        if seen.groups.is_empty() {
            // A read without any group does not prove that the instance is gone.
            continue;
        }
        let Some((group, member)) = seen.group(&kept.group).and_then(|group| Some((group, group.member(&id)?))) else {
            leave(draft, &id, "the instance is gone");
            continue;
        };
        match &member.lifecycle {
            Lifecycle::Standby => {}
            Lifecycle::Terminating | Lifecycle::Detaching => continue,
            // The describe lags behind the accepted call, or the instance is still entering standby.
            Lifecycle::InService | Lifecycle::Pending | Lifecycle::Unknown(_) => {
                if draft.input().now >= kept.since + crate::drift::CONFIRMATION_GRACE {
                    leave(draft, &id, "an operator took it out of Standby");
                }
                continue;
            }
        }
        draft.requeue(kept.until);
        // A protection that an operator set on it extends the quarantine.
        let is_protected = crate::protection::protected_by_tag(draft, &id).is_some();
        if draft.input().now >= kept.until && !is_held && !is_protected {
            terminate(draft, group, member);
        }
    }
}

/// Terminates an instance whose quarantine is over. The desired capacity does not count an instance in standby, so it
/// stays as it is.
fn terminate(draft: &mut Draft<'_>, group: &Group, member: &Member) {
    draft.requeue(draft.input().now + crate::limits::RECHECK_MIN);
    if !draft.takes_from(&group.name) {
        draft.act(Action::Terminate {
            group: group.name.clone(),
            instance: member.id.clone(),
            expected_desired: group.desired,
            capacity: CapacityChange::Keep,
            role: Role::Quarantined,
        });
    }
}

fn leave(draft: &mut Draft<'_>, id: &InstanceId, why: &str) {
    draft.quarantined().remove(id);
    draft.history().quarantine(id, false, why);
}
