//! The weekly digest of observe mode: what Driftless would have done, why, and which guards would have blocked it.
//!
//! A week without anything to do sends no digest. A separate alarm reports a Driftless that has stopped reconciling.

use jiff::SignedDuration;

use crate::draft::Draft;
use crate::ids::InstanceId;
use crate::notification::Details;
use crate::policy::Mode;
use crate::record::{
    OTHER_REASONS, Observed, Phase, REASONS_MAX, Replacement, Tally, WOULD_CUT_OVER_MAX, WouldCutOver,
};
use crate::text::UntrustedText;
use crate::waiting::Waiting;

/// How long a digest covers. It is sent at the first pass after that, which comes within the hour.
pub const WEEK: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Records an instance that would be replaced, once for each time that observe mode begins to block it. `refused`: the
/// result of another guard.
pub(crate) fn note_replacement(draft: &mut Draft<'_>, id: &InstanceId, refused: Option<&Waiting>) {
    let Some(replacement) = draft.record().replacements.get(id) else { return };
    if matches!(replacement.phase(), Phase::Blocked(Waiting::Observed)) {
        return;
    }
    let reasons: Vec<UntrustedText> = replacement.drift.iter().map(|reason| reason.to_string().into()).collect();
    let observed = observed(draft);
    observed.replacements = observed.replacements.saturating_add(1);
    for reason in reasons {
        let is_known = observed.reasons.iter().any(|tally| tally.what == reason);
        let is_one_too_many = !is_known && observed.reasons.len() >= REASONS_MAX;
        count(&mut observed.reasons, if is_one_too_many { OTHER_REASONS.into() } else { reason });
    }
    if let Some(waiting) = refused {
        count(&mut observed.would_wait, waiting.guard().to_string().into());
    }
}

/// Records a cutover that would begin. The caller does so once for each, before on-call has a message about it.
pub(crate) fn note_cutover(draft: &mut Draft<'_>, would: WouldCutOver) {
    let observed = observed(draft);
    observed.cutovers = observed.cutovers.saturating_add(1);
    if observed.images.len() >= WOULD_CUT_OVER_MAX {
        observed.images.remove(0);
    }
    observed.images.push(would);
}

fn observed<'p>(draft: &'p mut Draft<'_>) -> &'p mut Observed {
    let now = draft.input().now;
    draft.observed().get_or_insert_with(|| Box::new(Observed::since(now)))
}

fn count(tallies: &mut Vec<Tally>, what: UntrustedText) {
    match tallies.iter_mut().find(|tally| tally.what == what) {
        Some(tally) => tally.count = tally.count.saturating_add(1),
        None => tallies.push(Tally { what, count: 1 }),
    }
}

/// Sends the digest of a finished week. Not for a fleet in act mode, whose messages report its actions.
pub(crate) fn tell_week(draft: &mut Draft<'_>, mode: Option<Mode>) {
    let Some(week) = draft.observed().take() else { return };
    let (now, ended) = (draft.input().now, week.since + WEEK);
    match mode {
        Some(Mode::Act) => return,
        Some(Mode::Observe) if now >= ended => {}
        // An invalid policy has no mode: the digest waits until the policy is valid again.
        Some(Mode::Observe) | None => {
            *draft.observed() = Some(week);
            return;
        }
    }
    let is_held = |replacement: &&Replacement| matches!(replacement.phase(), Phase::Blocked(Waiting::Observed));
    let still = draft.record().replacements.values().filter(is_held).count();
    let still = u32::try_from(still).unwrap_or(u32::MAX);
    if still > 0 {
        // Weeks follow one another. After a gap without any pass a new week begins.
        let next = if now < ended + WEEK { ended } else { now };
        *draft.observed() = Some(Box::new(Observed::since(next)));
    }
    draft.tell(Details::ObservedWeek { week, still });
}
