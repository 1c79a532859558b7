//! The guards about the whole fleet, which are in the lists of replacements and of cutovers.

use jiff::Timestamp;

use crate::adopt::FleetState;
use crate::answer::Answer;
use crate::draft::Draft;
use crate::guards::GuardAnswer;
use crate::policy::{Mode, Policy};
use crate::waiting::Waiting;

/// The input of the guards about the whole fleet. Every other guard may use it too.
#[derive(Clone, Copy)]
pub(crate) struct Fleet<'q> {
    pub(crate) draft: &'q Draft<'q>,
    pub(crate) standing: &'q FleetState<'q>,
}

impl<'q> Fleet<'q> {
    /// The policy. None: it is invalid, so guards that need it are not evaluated.
    pub(super) fn policy(&self) -> Option<&'q Policy> {
        self.standing.policy.as_ref().ok()
    }
}

pub(super) fn nobody_froze_it(fleet: &Fleet<'_>) -> GuardAnswer {
    fleet.draft.pause(None).into()
}

pub(super) fn mode_is_act(fleet: &Fleet<'_>) -> GuardAnswer {
    match fleet.standing.mode() {
        None => Answer::NotAsked,
        Some(Mode::Act) => Answer::Agrees,
        Some(Mode::Observe) => Answer::Blocks(Waiting::Observed),
    }
}

pub(super) fn policy_is_valid(fleet: &Fleet<'_>) -> GuardAnswer {
    let problem = fleet.standing.policy.as_ref().err();
    problem.map(|problem| Waiting::PolicyInvalid { problem: problem.clone() }).into()
}

pub(super) fn setup_is_fit(fleet: &Fleet<'_>) -> GuardAnswer {
    fleet.standing.obstacle.clone().map(|obstacle| Waiting::SetupUnfit { obstacle }).into()
}

/// Why work waits outside the change window, with the time when the window opens. None: the window is open.
pub(crate) fn when_closed(policy: &Policy, now: Timestamp) -> Option<Waiting> {
    let window = &policy.window;
    (!window.is_open(now)).then(|| Waiting::WindowClosed { opens_at: window.next_opening(now) })
}
