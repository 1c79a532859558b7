//! Conditions of a group that rule out every change, replacements and cutovers alike.

use strum::VariantArray;

use crate::observation::{Group, Observation};
use crate::waiting::{GroupProblem, NeededProcess};

/// A suspended process that Driftless needs.
pub(crate) fn suspended(group: &Group) -> Option<GroupProblem> {
    let is_suspended = |process: &&NeededProcess| group.suspended.contains::<str>((*process).into());
    let process = *NeededProcess::VARIANTS.iter().find(is_suspended)?;
    Some(GroupProblem::ProcessSuspended { process, group: group.name.clone() })
}

/// An instance refresh in progress, whether Driftless or anyone else started it.
pub(crate) fn refresh_under_way(group: &Group, seen: &Observation) -> Option<GroupProblem> {
    let is_under_way = seen.refreshes.get(&group.name).found().is_some_and(|refresh| refresh.status.is_under_way());
    is_under_way.then(|| GroupProblem::RefreshUnderWay { group: group.name.clone() })
}
