//! The preflight checks of a cutover: everything that can be verified before the first change.

use jiff::SignedDuration;

use crate::answer::Answer::{self, Agrees, Blocks};
use crate::answer::{self, Ask, CheckResult, Guard, reasons};
use crate::cutover::{CutoverContext, alarms};
use crate::draft::Draft;
use crate::guards::{refresh_under_way, suspended};
use crate::image::ImageState;
use crate::observation::{Group, Lifecycle, Observation};
use crate::reading::Read;
use crate::record::{BorrowedSetting, Cutover, FleetBounds, Route};
use crate::template::TemplateReference;
use crate::waiting::{PreflightCheck, PreflightProblem};

type CheckAnswer = Answer<PreflightProblem>;

/// A preflight check with its result.
pub(crate) type PreflightResult = CheckResult<PreflightCheck, PreflightProblem>;

/// The input of the preflight checks of one cutover.
pub(super) struct Question<'q> {
    /// None: this pass has not read everything that the checks need, so no check is evaluated.
    known: Option<Known<'q>>,
}

struct Known<'q> {
    draft: &'q Draft<'q>,
    context: &'q CutoverContext<'q>,
    cutover: &'q Cutover,
}

struct Check(fn(&Known<'_>) -> CheckAnswer);

impl Ask<Question<'_>> for Check {
    type Reason = PreflightProblem;

    fn answer(&self, question: &Question<'_>) -> CheckAnswer {
        question.known.as_ref().map_or(Answer::NotAsked, self.0)
    }
}

/// The preflight checks, in the order in which they are evaluated.
const CHECKS: [Guard<PreflightCheck, Check>; 7] = [
    Guard {
        id: PreflightCheck::LiveGroup,
        asks: "the live group can take part in a cutover",
        ask: Check(|known| fit(known.context.old, known.context.seen)),
    },
    Guard {
        id: PreflightCheck::NextGroup,
        asks: "the group that takes the traffic can take part in a cutover",
        ask: Check(|known| fit(known.context.new, known.context.seen)),
    },
    Guard { id: PreflightCheck::OtherColor, asks: "the idle color is empty", ask: Check(is_other_color_empty) },
    Guard {
        id: PreflightCheck::Alarms,
        asks: "every guard alarm exists and none is in ALARM",
        ask: Check(|known| alarms::preflight(known.context, known.cutover).into()),
    },
    Guard {
        id: PreflightCheck::RollbackPath,
        asks: "the release to roll back to can be launched",
        ask: Check(is_rollback_launchable),
    },
    Guard {
        id: PreflightCheck::Stickiness,
        asks: "stickiness is not longer than driftless:bake and driftless:keep-warm together",
        ask: Check(clients_scaled_to_zero),
    },
    Guard {
        id: PreflightCheck::Room,
        asks: "the maximum of the fleet leaves room for the new color",
        ask: Check(has_room),
    },
];

impl<'q> Question<'q> {
    pub(super) fn about(draft: &'q Draft<'q>, context: Option<&'q CutoverContext<'q>>, cutover: &'q Cutover) -> Self {
        let context = context.filter(|context| hook_timeout_if_read(context, cutover).is_some());
        Self { known: context.map(|context| Known { draft, context, cutover }) }
    }
}

/// Why the preflight blocks the cutover: the reason of the first check that blocks. None: no check blocks.
pub(super) fn problem(question: &Question<'_>) -> Option<PreflightProblem> {
    reasons(&CHECKS, question).next()
}

/// The result of every preflight check.
pub(super) fn verdicts(question: &Question<'_>) -> Vec<PreflightResult> {
    answer::verdicts(&CHECKS, question)
}

/// The longest lifecycle hook timeout of both groups. None: this pass has not read the lifecycle hooks, or the settings
/// of the target groups of the route.
pub(super) fn hook_timeout_if_read(context: &CutoverContext<'_>, cutover: &Cutover) -> Option<SignedDuration> {
    let settings = &context.seen.target_group_settings;
    let are_known = match &cutover.route {
        Route::Weighted { old, new, .. } => settings.get(old).is_found() && settings.get(new).is_found(),
        Route::Shared { target_group, .. } => settings.get(target_group).is_found(),
        Route::None | Route::Rolling => true,
    };
    let hook_timeouts = &context.seen.hook_timeouts;
    let longest = hook_timeouts.get(&context.old.name).found()?.max(hook_timeouts.get(&context.new.name).found()?);
    are_known.then_some(*longest)
}

fn fit(group: &Group, seen: &Observation) -> CheckAnswer {
    let unfit = suspended(group).or_else(|| refresh_under_way(group, seen)).map(PreflightProblem::Group);
    unfit.or_else(|| other_activity(group)).into()
}

fn other_activity(group: &Group) -> Option<PreflightProblem> {
    let moving = group
        .members
        .iter()
        .find(|member| matches!(member.lifecycle, Lifecycle::Pending | Lifecycle::Terminating | Lifecycle::Detaching));
    moving.map(|member| PreflightProblem::OtherActivity { group: group.name.clone(), instance: member.id.clone() })
}

fn is_other_color_empty(known: &Known<'_>) -> CheckAnswer {
    let new = known.context.new;
    if known.cutover.route == Route::Rolling {
        return Agrees;
    }
    if !matches!(new.template, TemplateReference::Numbered(_)) {
        return Blocks(PreflightProblem::NoNumberedTemplate { group: new.name.clone() });
    }
    let is_empty = known.draft.record().is_vacant(new) && new.desired == 0 && new.min == 0;
    let filled = (!is_empty).then(|| PreflightProblem::NotEmpty {
        group: new.name.clone(),
        wants: new.desired,
        least: new.min,
        has: new.members.len(),
    });
    filled.into()
}

fn is_rollback_launchable(known: &Known<'_>) -> CheckAnswer {
    let (seen, release) = (known.context.seen, &known.cutover.rollback_to);
    let image = release.image.clone();
    match seen.images.get(&image).map(|image| &image.state) {
        Read::Found(ImageState::Available) => {}
        Read::Found(ImageState::Pending) => return Blocks(PreflightProblem::RollbackPathPending { image }),
        Read::Found(ImageState::Unavailable(state)) => {
            return Blocks(PreflightProblem::RollbackPathUnavailable { image, state: state.clone() });
        }
        Read::Absent => return Blocks(PreflightProblem::RollbackImageGone { image }),
        // An image that was not read blocks the start.
        Read::NotAsked => return Blocks(PreflightProblem::RollbackImageUnread { image }),
    }
    let template = release.template.clone();
    match seen.templates.get(&template) {
        Read::Found(_) => Agrees,
        Read::Absent => Blocks(PreflightProblem::RollbackTemplateGone { template }),
        Read::NotAsked => Blocks(PreflightProblem::RollbackTemplateUnread { template }),
    }
}

fn clients_scaled_to_zero(known: &Known<'_>) -> CheckAnswer {
    let (context, cutover) = (known.context, known.cutover);
    let watched = cutover.policy.cutover.bake + cutover.policy.cutover.keep_warm;
    let sticking = longest_stickiness(context, cutover).filter(|longest| *longest > watched);
    sticking.map(|longest| PreflightProblem::ClientsStick { longest, watched }).into()
}

fn longest_stickiness(context: &CutoverContext<'_>, cutover: &Cutover) -> Option<SignedDuration> {
    let Route::Weighted { place, new, old } = &cutover.route else { return None };
    let of_action = context.seen.forwards.iter().find(|forward| forward.place == *place)?.stickiness;
    let of_targets =
        [new, old].map(|arn| context.seen.target_group_settings.get(arn).found().and_then(|known| known.stickiness));
    of_targets.into_iter().chain([of_action]).flatten().max()
}

fn has_room(known: &Known<'_>) -> CheckAnswer {
    let FleetBounds { min, max } = known.cutover.bounds;
    let (old, new) = (known.context.old, known.context.new);
    if old.desired > max {
        return Blocks(PreflightProblem::AboveMaximum { group: old.name.clone(), wants: old.desired, max });
    }
    if old.desired == 0 && known.cutover.route != Route::Rolling {
        return Blocks(PreflightProblem::NothingToSizeBy { group: old.name.clone() });
    }
    if min > max {
        return Blocks(PreflightProblem::MinimumAboveMaximum { min, max });
    }
    let is_ours = |entry: &BorrowedSetting| entry.group == new.name || entry.group == old.name;
    known.draft.record().borrowed_settings.iter().any(is_ours).then_some(PreflightProblem::SettingsToRestore).into()
}
