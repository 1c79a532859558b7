//! How traffic moves between two groups, which depends on their target groups and the load balancer.

use crate::balancer::BalancerKind;
use crate::fleet::Layout;
use crate::observation::{Group, Observation};
use crate::record::Route;
use crate::waiting::RouteProblem;

/// The route by which traffic moves from one group to the other. Err: why there is none.
pub(super) fn route_of(
    layout: Layout<'_>,
    seen: &Observation,
    old: &Group,
    new: &Group,
) -> Result<Route, RouteProblem> {
    if matches!(layout, Layout::Single(_)) {
        return Ok(Route::Rolling);
    }
    match (old.target_groups.as_slice(), new.target_groups.as_slice()) {
        ([], []) => Ok(Route::None),
        ([target_group], []) => Ok(Route::Shared { target_group: target_group.clone(), api: old.attachment_api }),
        ([of_old], [of_new]) if of_old != of_new => {
            let naming: Vec<_> = seen
                .forwards
                .iter()
                .filter(|forward| forward.weights.contains_key(of_old) || forward.weights.contains_key(of_new))
                .collect();
            match naming.as_slice() {
                [one] if one.weights.len() > 2 => Err(RouteProblem::OthersShareIt { place: one.place.clone() }),
                [one] if one.balancer != BalancerKind::Application => Err(RouteProblem::NoWeights),
                [one] if one.weights.contains_key(of_old) && one.weights.contains_key(of_new) => {
                    Ok(Route::Weighted { place: one.place.clone(), old: of_old.clone(), new: of_new.clone() })
                }
                [] => Err(RouteProblem::NothingForwards),
                [_] => Err(RouteProblem::OneIsNotNamed),
                several => Err(RouteProblem::SeveralForward { actions: several.len() }),
            }
        }
        ([_], [_]) => Err(RouteProblem::BothInOne),
        (of_old, of_new) => Err(RouteProblem::TargetGroupsDiffer { old: of_old.len(), new: of_new.len() }),
    }
}
