//! How AWS would do what a cutover decides.

use driftless_planner::action::{Action, ActionResult, Bounds, WeightChange};
use driftless_planner::ids::GroupName;
use driftless_planner::limits::CUTOVERS_MAX;
use driftless_planner::observation::{Group, Lifecycle, TemplateContent, TemplateReference, TemplateVersion};
use driftless_planner::refresh::{Refresh, RefreshPlan, RefreshStatus};

use super::{Stage, fleet, image};

impl Stage {
    pub(crate) fn turn(&mut self, action: &Action) -> ActionResult {
        let turns = &mut self.account.turns;
        if *action == Action::GiveTurn {
            turns.remove(&fleet());
        } else if turns.len() >= CUTOVERS_MAX && !turns.contains_key(&fleet()) {
            return ActionResult::NoTurn;
        } else {
            turns.insert(fleet(), self.now);
        }
        ActionResult::Done
    }

    pub(crate) fn move_traffic(&mut self, at: usize, action: &Action) -> ActionResult {
        let group = &mut self.groups[at];
        match action {
            Action::SetMinimum { expected, minimum, .. } => {
                if group.min != *minimum && group.min != *expected {
                    return ActionResult::Changed;
                }
                assert!(*minimum <= group.max, "refused: a minimum above the maximum");
                group.min = *minimum;
                group.desired = group.desired.max(*minimum);
                self.balance(at);
            }
            Action::Empty { expected, maximum, without_traffic, .. } => {
                let live = Bounds { min: group.min, max: group.max, desired: group.desired };
                if live != *expected {
                    return ActionResult::Changed;
                }
                let weighs = without_traffic.as_ref().and_then(|arn| self.traffic.get(arn));
                if weighs.is_some_and(|weights| weights.iter().any(|weight| *weight > 0)) {
                    return ActionResult::Changed;
                }
                (group.min, group.max, group.desired) = (0, *maximum, 0);
                self.balance(at);
            }
            Action::WriteTemplate { template, base, image, token, .. } => {
                return ActionResult::Written(self.write_template(template, base, image, token));
            }
            Action::SetTemplate { expected, template, .. } => {
                if group.template != *expected && group.template != TemplateReference::Numbered(template.clone()) {
                    return ActionResult::Changed;
                }
                group.template = TemplateReference::Numbered(template.clone());
            }
            Action::SetWeights { change, gate, .. } => return self.set_weights(change, gate),
            Action::Attach { target_group, .. } => {
                if !group.target_groups.contains(target_group) {
                    group.target_groups.push(target_group.clone());
                }
            }
            Action::Detach { target_group, others_healthy, .. } => {
                let others = self.groups.iter().enumerate().filter(|(other, _)| *other != at);
                let healthy: usize = others.map(|(_, group)| self.healthy_in(group)).sum();
                if healthy < *others_healthy as usize {
                    return ActionResult::Changed;
                }
                self.groups[at].target_groups.retain(|arn| arn != target_group);
            }
            Action::StartRefresh { plan, group } => return self.start_refresh(group, plan),
            Action::RollBackRefresh { group, .. } => {
                self.refreshes.get_mut(group).unwrap().status = RefreshStatus::GoingBack;
            }
            Action::SetMaximum { .. }
            | Action::Launch { .. }
            | Action::SetDesired { .. }
            | Action::Protect { .. }
            | Action::Terminate { .. }
            | Action::SetAside { .. }
            | Action::TakeTurn
            | Action::GiveTurn => panic!("moves no traffic: {action:?}"),
        }
        ActionResult::Done
    }

    fn start_refresh(&mut self, group: &GroupName, plan: &RefreshPlan) -> ActionResult {
        let refresh = Refresh {
            id: "08b91cf7-8fa6-48af-b6a6-d227f40f1b9b".parse().unwrap(),
            status: RefreshStatus::Running,
            template: Some(plan.template.clone()),
            percentage: 0,
            started_at: self.now,
            reason: None,
        };
        let id = refresh.id.clone();
        self.refreshes.insert(group.clone(), refresh);
        ActionResult::Started(id)
    }

    fn healthy_in(&self, group: &Group) -> usize {
        let is_healthy = |id| !self.sick.contains(id);
        group.members.iter().filter(|member| member.lifecycle == Lifecycle::InService && is_healthy(&member.id)).count()
    }

    fn write_template(
        &mut self,
        template: &driftless_planner::ids::TemplateId,
        base: &TemplateVersion,
        image: &driftless_planner::ids::ImageId,
        token: &str,
    ) -> TemplateVersion {
        let is_known = |content: &TemplateContent| content.written_for.as_deref() == Some(token);
        let known = self.templates.iter().find(|(_, content)| is_known(content));
        if let Some((version, _)) = known {
            return version.clone();
        }
        let versions = self.templates.keys().filter(|version| version.template == *template);
        let newest = versions.map(|version| version.version).max().unwrap_or_default();
        let version = TemplateVersion { template: template.clone(), version: newest + 1 };
        let content = TemplateContent {
            image: Some(image.clone()),
            written_for: Some(token.to_owned()),
            settings: self.templates[base].settings.clone(),
        };
        self.templates.insert(version.clone(), content);
        version
    }

    fn set_weights(
        &mut self,
        change: &WeightChange,
        gate: &std::collections::BTreeMap<driftless_planner::ids::TargetGroupArn, u32>,
    ) -> ActionResult {
        let live = |stage: &Self| {
            let weights = stage.traffic.iter().map(|(arn, weights)| (arn.clone(), weights[0]));
            weights.collect::<std::collections::BTreeMap<_, _>>()
        };
        if live(self) != change.expected || self.stickiness != change.expected_stickiness {
            return ActionResult::Changed;
        }
        for (arn, needed) in gate {
            let group = self.groups.iter().find(|group| group.target_groups.contains(arn)).unwrap();
            if self.healthy_in(group) < *needed as usize {
                return ActionResult::Changed;
            }
        }
        for (arn, weight) in &change.weights {
            self.traffic.insert(arn.clone(), vec![*weight]);
        }
        self.stickiness = change.stickiness;
        ActionResult::Done
    }

    /// The pipeline publishes the image with this number.
    pub(crate) fn publish(&mut self, number: u32) {
        self.images.push(image(number));
    }

    /// The weight of a color's target group, by its name.
    pub(crate) fn weight(&self, name: &str) -> u32 {
        self.traffic[&super::target_group(name)][0]
    }

    /// Where the cutover under way is.
    pub(crate) fn cutover_phase(&self) -> Option<&'static str> {
        self.record().cutover.as_ref().map(|cutover| cutover.phase.name())
    }
}
