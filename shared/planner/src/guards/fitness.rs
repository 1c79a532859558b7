//! Conditions of a group in which Driftless starts neither replacements nor cutovers.

use strum::VariantArray;

use crate::observation::{Group, Observation};
use crate::waiting::{GroupProblem, NeededProcess};

/// A process of the group that Driftless needs and that is suspended. None: all of them run.
pub(crate) fn suspended(group: &Group) -> Option<GroupProblem> {
    let is_suspended = |process: &&NeededProcess| group.suspended.contains::<str>((*process).into());
    let process = *NeededProcess::VARIANTS.iter().find(is_suspended)?;
    Some(GroupProblem::ProcessSuspended { process, group: group.name.clone() })
}

/// An instance refresh of the group that is in progress, whoever started it. None: there is none.
pub(crate) fn refresh_under_way(group: &Group, seen: &Observation) -> Option<GroupProblem> {
    let is_under_way = seen.refreshes.get(&group.name).found().is_some_and(|refresh| refresh.status.is_under_way());
    is_under_way.then(|| GroupProblem::RefreshUnderWay { group: group.name.clone() })
}
