//! A decision together with the result of each of its guards and checks, for `driftless why`. The `reconcile` function
//! uses [`decide()`](crate::decide()) without these results.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::candidate;
use crate::cutover::{self, PreflightResult};
use crate::decide::take_steps;
use crate::decision::Decision;
use crate::draft::Draft;
use crate::guards::GuardResult;
use crate::ids::{GroupName, ImageId, InstanceId};
use crate::image::ImageResult;
use crate::input::Input;
use crate::policy::Policy;
use crate::text::UntrustedText;

/// The decision of [`decide()`](crate::decide()), with the results of the guards and checks that led to it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "an explanation changes nothing"]
pub struct Explanation {
    /// The decision, identical to the one of [`decide()`](crate::decide()).
    pub decision: Decision,
    /// The group that receives the traffic. None: the groups do not form a fleet, neither the load balancer nor the
    /// record shows which group it is, or the two disagree.
    pub live: Option<GroupName>,
    /// The policy that the tags set now. Err: why it is invalid.
    pub policy: Result<Policy, UntrustedText>,
    /// Why Driftless must not change the fleet. None: no obstacle.
    pub obstacle: Option<UntrustedText>,
    /// For each drifted instance: the result of every guard, in the order of evaluation. The decision reports the first
    /// guard that blocks.
    pub verdicts: BTreeMap<InstanceId, Vec<GuardResult>>,
    /// The results of the guards for the cutover that is in progress after the decision, in the order of evaluation.
    /// Other reasons for which the cutover waits are in [`Decision::cutover_waits`].
    pub cutover_verdicts: Vec<GuardResult>,
    /// The results of the preflight checks, in the order of evaluation. Empty: no cutover is in progress, or the
    /// cutover has already changed something.
    pub preflight_verdicts: Vec<PreflightResult>,
    /// The results of all checks for every image that was read, except the image of the release. Empty also if the
    /// fleet is not adopted or its policy is invalid, because no check ran then.
    pub image_verdicts: BTreeMap<ImageId, Vec<ImageResult>>,
    /// When the time for which the cutover's phase watches or waits is over. A pause of the cutover moves it. None: no
    /// cutover is in progress, or the phase ends when its work is done.
    pub phase_ends_at: Option<Timestamp>,
}

/// Decides as [`decide()`](crate::decide()) does, and returns the results of all guards and checks too.
pub fn explain(input: Input<'_>) -> Explanation {
    let mut draft = Draft::new(input);
    let mut verdicts = BTreeMap::new();
    let standing = take_steps(&mut draft, Some(&mut verdicts));
    let under_way = draft.record().cutover.as_ref();
    let (cutover_verdicts, preflight_verdicts) =
        under_way.map(|cutover| cutover::verdicts(&draft, &standing, cutover)).unwrap_or_default();
    // During a cutover candidates are compared with the release to which a rollback would return.
    let release = under_way.map(|cutover| &cutover.rollback_to).or(draft.record().release.as_ref());
    let image_verdicts = match (&standing.policy, release) {
        (Ok(policy), Some(release)) => candidate::verdicts(&draft, policy, release),
        (Ok(_) | Err(_), _) => BTreeMap::new(),
    };
    let on_record = input.record.and_then(|record| record.cutover.as_ref());
    Explanation {
        phase_ends_at: on_record.and_then(|cutover| cutover::phase_ends_at(input.seen, cutover, input.now)),
        live: standing.live.map(|group| group.name.clone()),
        policy: standing.policy,
        obstacle: standing.obstacle,
        verdicts,
        cutover_verdicts,
        preflight_verdicts,
        image_verdicts,
        decision: draft.finish(),
    }
}
