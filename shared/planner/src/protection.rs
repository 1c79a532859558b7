//! The protection of an instance from Driftless, by an operator's tag on it or by scale-in protection.

use jiff::Timestamp;

use crate::draft::Draft;
use crate::ids::InstanceId;
use crate::observation::{Group, Lifecycle, Member};
use crate::reading::Read;
use crate::text::UntrustedText;
use crate::waiting::{Protector, Waiting};

/// What protects an instance from Driftless. None: nothing. The protection applies at admission and until the instance
/// is terminated.
pub(crate) fn protection(draft: &Draft<'_>, group: &Group, member: &Member) -> Option<Waiting> {
    if let Some(waiting) = protected_by_tag(draft, &member.id) {
        return Some(waiting);
    }
    // Protection by the group's own setting does not count: operators use it against scale-in, not against Driftless. A
    // replacement instance is not protected at first, and a pending instance cannot be.
    let is_successor = |member: &Member| draft.record().successors().any(|successor| *successor == member.id);
    let is_spared =
        |member: &Member| member.protected || member.lifecycle == Lifecycle::Pending || is_successor(member);
    let protects_all = group.protects_new_instances || group.members.iter().all(is_spared);
    (member.protected && !protects_all).then_some(Waiting::Protected { by: Protector::ScaleInProtection, until: None })
}

/// The protection by an operator's tag `driftless:protect` on an instance, until its expiry. An instance whose tags
/// were not read counts as protected. None: no such protection.
pub(crate) fn protected_by_tag(draft: &Draft<'_>, id: &InstanceId) -> Option<Waiting> {
    let reason = match draft.input().seen.machines.get(id) {
        Read::Found(machine) => machine.protect.as_ref()?,
        Read::Absent => return None,
        Read::NotAsked => return Some(Waiting::Protected { by: Protector::TagsNotRead, until: None }),
    };
    let until = protection_expiry(reason);
    let holds = until.is_none_or(|until| draft.input().now < until);
    holds.then(|| Waiting::Protected { by: Protector::Tag { reason: reason.clone() }, until })
}

/// The expiry in the value of the tag `driftless:protect`, which has the form `<reason> until <time>`. None: the value
/// has no valid time, so the protection does not end, because a typing error must not remove it.
fn protection_expiry(reason: &UntrustedText) -> Option<Timestamp> {
    reason.as_str().rsplit_once(" until ").and_then(|(_, time)| time.trim().parse().ok())
}
