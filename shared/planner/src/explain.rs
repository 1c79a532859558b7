//! A decision together with what it was made from, for whoever asks why. Deciding reads none of it.

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

/// What [`decide()`](crate::decide()) decides, and what it was made from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "an explanation changes nothing"]
pub struct Explanation {
    /// The decision, the same one.
    pub decision: Decision,
    /// The group that receives the traffic. None: nothing says which one it is.
    pub live: Option<GroupName>,
    /// The policy that the tags say now. Err: why it is invalid.
    pub policy: Result<Policy, UntrustedText>,
    /// What stands in the way of changing anything. None: nothing.
    pub obstacle: Option<UntrustedText>,
    /// By drifted instance that asks to be replaced: every guard's verdict, in the order in which they are asked. The
    /// first that blocks is what the decision says it waits for.
    pub verdicts: BTreeMap<InstanceId, Vec<GuardResult>>,
    /// The verdicts of the guards that hold the cutover that the decision leaves under way, in their order. What else a
    /// phase waits for is in the decision.
    pub cutover_verdicts: Vec<GuardResult>,
    /// The verdicts of the checks of its preflight, in their order, where nothing of it has begun.
    pub preflight_verdicts: Vec<PreflightResult>,
    /// The verdicts on every image that was read, apart from the release's own, in the order in which they are asked. Empty:
    /// the fleet is not adopted, or its policy is invalid, so that none is asked.
    pub image_verdicts: BTreeMap<ImageId, Vec<ImageResult>>,
    /// When the phase of the cutover on record has been watched, or has waited, for long enough. It moves by the time that
    /// the cutover is held. None: none is under way, or the phase ends when what it does is done.
    pub phase_ends_at: Option<Timestamp>,
}

/// Decides, as [`decide()`](crate::decide()) does, and says what from.
pub fn explain(input: Input<'_>) -> Explanation {
    let mut draft = Draft::new(input);
    let mut verdicts = BTreeMap::new();
    let standing = take_steps(&mut draft, Some(&mut verdicts));
    let under_way = draft.record().cutover.as_ref();
    let (cutover_verdicts, preflight_verdicts) =
        under_way.map(|cutover| cutover::verdicts(&draft, &standing, cutover)).unwrap_or_default();
    // Until it is over, what comes is compared with what it replaces.
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
