//! The state of a fleet in a reconcile pass: its live group, its policy, and any obstacle to changing it.

use crate::draft::Draft;
use crate::fleet::{Layout, obstacles};
use crate::ids::GroupName;
use crate::notification::{Condition, Details};
use crate::observation::Group;
use crate::policy::{Mode, Policy};
use crate::record::Release;
use crate::template::TemplateReference;
use crate::text::UntrustedText;

/// The state of a fleet in this pass.
#[derive(Debug)]
pub(crate) struct FleetState<'a> {
    /// The group that receives the traffic. None: the fleet is misconfigured.
    pub(crate) live: Option<&'a Group>,
    /// The policy. Err: why it is invalid.
    pub(crate) policy: Result<Policy, UntrustedText>,
    /// Why Driftless must not change the fleet: the fleet is misconfigured or cannot be adopted. None: no obstacle.
    pub(crate) obstacle: Option<UntrustedText>,
}

impl FleetState<'_> {
    /// The mode that the policy sets. None: the policy is invalid.
    pub(crate) fn mode(&self) -> Option<Mode> {
        self.policy.as_ref().ok().map(|policy| policy.mode)
    }

    /// Whether this group is the live one.
    pub(crate) fn is_live(&self, group: &GroupName) -> bool {
        self.live.is_some_and(|live| live.name == *group)
    }
}

/// Determines the state of the fleet. Adopts the fleet, by recording its release, when Driftless sees it for the first
/// time.
pub(crate) fn assess_fleet<'a>(draft: &mut Draft<'a>) -> FleetState<'a> {
    let seen = draft.input().seen;
    let layout = match Layout::of(draft.input().fleet, &seen.groups) {
        Ok(layout) => layout,
        Err(problem) => {
            return misconfigured(draft, &problem.to_string(), Err("the groups do not form a fleet".into()));
        }
    };
    let policy = layout.policy(draft.input().defaults).map_err(|error| UntrustedText::from(error.to_string()));
    if let Err(problem) = &policy {
        draft.is_in(Condition::PolicyInvalid, problem.clone());
    }
    // While a cutover moves the traffic, the record says which color is live: the load balancer may be one write ahead.
    let moving = draft.record().cutover.as_ref().is_some_and(|cutover| !cutover.is_untouched());
    let found = if moving { layout.recorded(draft.record().live) } else { layout.live(seen, draft.record().live) };
    let (live, color) = match found {
        Ok(found) => found,
        Err(problem) => return misconfigured(draft, &problem.to_string(), policy),
    };
    let coming = draft.record().cutover.as_ref().and_then(|cutover| cutover.template.as_ref());
    let released = draft.record().release.as_ref().map(|release| &release.template);
    let obstacles = obstacles(layout, live, seen, &[released, coming]);
    if obstacles.is_empty() {
        draft.live_is_found(color);
        follow_release(draft, live, policy.as_ref().ok());
        FleetState { live: Some(live), policy, obstacle: None }
    } else {
        let obstacle = UntrustedText::from(obstacles.join("; "));
        draft.is_in(Condition::NotAdoptable, obstacle.clone());
        FleetState { live: Some(live), policy, obstacle: Some(obstacle) }
    }
}

/// Records the launch template version of the live group, with its image, as the release of the fleet: when Driftless
/// adopts the fleet, and in observe mode whenever the version changes. This changes nothing in AWS. An operator can
/// thus accept a manual change of the launch template by switching the fleet to `observe` and back.
fn follow_release(draft: &mut Draft<'_>, live: &Group, policy: Option<&Policy>) {
    if draft.record().cutover.as_ref().is_some_and(|cutover| !cutover.is_untouched()) {
        return;
    }
    let TemplateReference::Numbered(template) = &live.template else { return };
    let Some(image) = draft.input().seen.templates.get(template).found().and_then(|content| content.image.clone())
    else {
        return;
    };
    let build = draft.input().seen.images.get(&image).found().and_then(|image| image.build.clone());
    let found = Release { template: template.clone(), image, since: draft.input().now, build };
    let from = match &draft.record().release {
        None => None,
        Some(release) if release.template == found.template => return,
        Some(release) => Some(release.template.clone()),
    };
    let is_first = from.is_none();
    let is_observed = policy.is_some_and(|policy| policy.mode == Mode::Observe);
    if is_first || is_observed {
        let why = if is_first {
            "Driftless saw the fleet for the first time"
        } else {
            "the live group runs another version in observe mode"
        };
        draft.history().adoption(from, found.template.clone(), why);
        if is_first {
            draft.tell(Details::Adopted { release: found.clone() });
        }
        draft.release_is_found(found);
    }
}

fn misconfigured<'a>(draft: &mut Draft<'a>, problem: &str, policy: Result<Policy, UntrustedText>) -> FleetState<'a> {
    draft.is_in(Condition::Misconfigured, problem);
    FleetState { live: None, policy, obstacle: Some(problem.into()) }
}
