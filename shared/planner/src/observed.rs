//! The weekly digest of observe mode: what Driftless would have done in act mode, why, and which guards would have
//! blocked it.
//!
//! If there was nothing to do in a week, no digest is sent. A separate CloudWatch alarm reports that Driftless has
//! stopped reconciling.

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

/// The time that one digest covers. The first pass after this time sends the digest; it follows within an hour.
pub const WEEK: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Counts an instance that would be replaced in act mode, once for each time that observe mode begins to block its
/// replacement. `refused`: the reason of another guard that would block the replacement in act mode.
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

/// Counts a cutover that would begin in act mode. The caller calls this once for each candidate, when on-call gets the
/// first message about it.
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

/// Sends the digest of a finished week in observe mode. In act mode it discards the counts, because messages report the
/// actions themselves.
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
