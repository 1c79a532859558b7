//! Selects the target of a request as an Application Load Balancer does.

use std::collections::BTreeMap;

use crate::fleet::{Routes, Target, TargetGroup};

/// Selects targets in weighted round-robin order, so that the shares are exact in every sequence of requests.
#[derive(Debug, Default)]
pub(crate) struct Choice {
    /// The deficit of each target group: its share of the requests since the last change of weights, less the requests
    /// that it got.
    owed: BTreeMap<String, i64>,
    /// The weights behind the deficits.
    weights: BTreeMap<String, i64>,
    /// Number of requests of each target group.
    turns: BTreeMap<String, usize>,
}

/// Why no target gets a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nobody {
    /// No target group has a weight.
    NoWeight,
    /// The selected target group has no target.
    NoTarget,
}

impl Nobody {
    /// The reason as text.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::NoWeight => "no target group has a weight",
            Self::NoTarget => "the target group is empty",
        }
    }
}

impl Choice {
    /// The instance of the next request. The weights select the target group first: an empty target group loses its
    /// requests, even if the others have targets.
    pub(crate) fn next<'a>(&mut self, routes: &'a Routes) -> Result<&'a str, Nobody> {
        let group = self.group(routes).ok_or(Nobody::NoWeight)?;
        let targets = routable(group);
        let turn = self.turns.entry(group.arn.clone()).or_default();
        let position = turn.checked_rem(targets.len()).ok_or(Nobody::NoTarget)?;
        *turn = turn.wrapping_add(1);
        targets.get(position).map(|target| target.instance.as_str()).ok_or(Nobody::NoTarget)
    }

    /// The target group with the largest deficit.
    fn group<'a>(&mut self, routes: &'a Routes) -> Option<&'a TargetGroup> {
        let weighted: Vec<&TargetGroup> = routes.0.iter().filter(|group| group.weight > 0).collect();
        let weights = weighted.iter().map(|group| (group.arn.clone(), i64::from(group.weight))).collect();
        if self.weights != weights {
            // A change of weights resets the deficits.
            self.owed.clear();
            self.weights = weights;
        }
        for (arn, weight) in &self.weights {
            *self.owed.entry(arn.clone()).or_default() += weight;
        }
        let chosen = weighted.into_iter().max_by_key(|group| self.owed.get(&group.arn))?;
        *self.owed.entry(chosen.arn.clone()).or_default() -= self.weights.values().sum::<i64>();
        Some(chosen)
    }
}

/// The healthy targets or, if there are none, all registered targets (fail-open). A draining target gets no new
/// requests.
fn routable(group: &TargetGroup) -> Vec<&Target> {
    let those = |states: &[&str]| -> Vec<&Target> {
        group.targets.iter().filter(|target| states.contains(&target.health.as_str())).collect()
    };
    let healthy = those(&["healthy"]);
    if healthy.is_empty() { those(&["initial", "unhealthy"]) } else { healthy }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(name: &str, weight: i32, targets: &[(&str, &str)]) -> TargetGroup {
        let target = |(instance, health): &(&str, &str)| Target {
            instance: (*instance).to_owned(),
            health: (*health).to_owned(),
        };
        TargetGroup { arn: name.to_owned(), weight, targets: targets.iter().map(target).collect() }
    }

    fn pair(blue: i32, green: i32) -> Routes {
        Routes(vec![group("blue", blue, &[("i-b", "healthy")]), group("green", green, &[("i-g", "healthy")])])
    }

    /// The number of requests that each instance gets.
    fn shares(choice: &mut Choice, routes: &Routes, requests: usize) -> BTreeMap<String, usize> {
        let mut shares = BTreeMap::new();
        for _ in 0..requests {
            *shares.entry(choice.next(routes).unwrap().to_owned()).or_default() += 1;
        }
        shares
    }

    fn expected(shares: &[(&str, usize)]) -> BTreeMap<String, usize> {
        shares.iter().map(|(instance, requests)| ((*instance).to_owned(), *requests)).collect()
    }

    #[test]
    fn every_ten_requests_are_shared_out_exactly_as_the_weights_say() {
        let mut choice = Choice::default();
        for _ in 0..5 {
            assert_eq!(shares(&mut choice, &pair(90, 10), 10), expected(&[("i-b", 9), ("i-g", 1)]));
        }
        assert_eq!(shares(&mut choice, &pair(50, 50), 10), expected(&[("i-b", 5), ("i-g", 5)]));
    }

    #[test]
    fn a_target_group_without_weight_gets_nothing_from_the_very_next_request_on() {
        let mut choice = Choice::default();
        choice.next(&pair(50, 50)).unwrap();
        for (weights, served) in [((0, 100), "i-g"), ((100, 0), "i-b")] {
            let routes = pair(weights.0, weights.1);
            assert_eq!(shares(&mut choice, &routes, 20), expected(&[(served, 20)]));
        }
    }

    #[test]
    fn what_was_owed_before_the_weight_went_is_not_made_up_for() {
        let mut choice = Choice::default();
        shares(&mut choice, &pair(90, 10), 9);
        shares(&mut choice, &pair(100, 0), 100);
        assert_eq!(shares(&mut choice, &pair(90, 10), 10), expected(&[("i-b", 9), ("i-g", 1)]));
    }

    #[test]
    fn healthy_targets_take_turns() {
        let routes = Routes(vec![group("blue", 1, &[("i-1", "healthy"), ("i-2", "healthy"), ("i-3", "healthy")])]);
        let shared = shares(&mut Choice::default(), &routes, 9);
        assert_eq!(shared, expected(&[("i-1", 3), ("i-2", 3), ("i-3", 3)]));
    }

    #[test]
    fn a_target_that_is_not_healthy_gets_nothing_while_another_one_is() {
        for health in ["unhealthy", "initial", "draining", "unused"] {
            let routes = Routes(vec![group("blue", 1, &[("i-1", health), ("i-2", "healthy")])]);
            assert_eq!(shares(&mut Choice::default(), &routes, 4), expected(&[("i-2", 4)]), "{health}");
        }
    }

    #[test]
    fn without_a_healthy_target_all_that_are_registered_get_requests() {
        let targets = [("i-1", "unhealthy"), ("i-2", "initial"), ("i-3", "draining"), ("i-4", "unused")];
        let routes = Routes(vec![group("blue", 1, &targets)]);
        assert_eq!(shares(&mut Choice::default(), &routes, 4), expected(&[("i-1", 2), ("i-2", 2)]));
    }

    #[test]
    fn an_empty_target_group_loses_its_requests_and_no_other_group_gets_them() {
        let routes = Routes(vec![group("blue", 50, &[("i-b", "healthy")]), group("green", 50, &[])]);
        let mut choice = Choice::default();
        let lost = (0..10).filter(|_| choice.next(&routes) == Err(Nobody::NoTarget)).count();
        assert_eq!(lost, 5);
    }

    #[test]
    fn what_drains_is_no_target_for_anything_new() {
        let routes = Routes(vec![group("blue", 1, &[("i-1", "draining")])]);
        assert_eq!(Choice::default().next(&routes), Err(Nobody::NoTarget));
    }

    #[test]
    fn no_request_is_served_with_weights_of_zero_or_without_target_groups() {
        assert_eq!(Choice::default().next(&pair(0, 0)), Err(Nobody::NoWeight));
        assert_eq!(Choice::default().next(&Routes::default()), Err(Nobody::NoWeight));
    }
}
