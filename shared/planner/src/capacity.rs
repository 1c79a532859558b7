//! Capacity shortages of AWS: when AWS has no capacity for a launch, the whole fleet backs off, and the attempt does
//! not count as a failure of the instance's replacement.
//!
//! A shortage concerns a zone and an instance type, so the next drifted instance of the fleet would meet it too. Other
//! fleets continue. On-call gets one message when the shortage begins, not one at every retry.

use jiff::SignedDuration;

use crate::draft::Draft;
use crate::launch_fault::{LaunchFault, classify};
use crate::notification::Condition;
use crate::record::{BackOff, CancelReason, Phase};
use crate::text::UntrustedText;
use crate::waiting::Waiting;

/// The back-off after the first launch without capacity; each further one doubles it. Most shortages pass within
/// minutes.
const PAUSE_MIN: SignedDuration = SignedDuration::from_mins(2);
/// The longest back-off: the fleet finds out within an hour that AWS has capacity again.
const PAUSE_MAX: SignedDuration = SignedDuration::from_hours(1);

/// The reason to record when an attempt is cancelled because its launch failed with this message of AWS.
pub(crate) fn reason_of(message: &UntrustedText) -> CancelReason {
    match classify(message.as_str()) {
        LaunchFault::Capacity => CancelReason::NoCapacity(message.clone()),
        LaunchFault::Configuration | LaunchFault::Unknown => CancelReason::Failed(message.clone()),
    }
}

/// Starts the back-off of the fleet after a launch for which AWS had no capacity, or a longer one if an earlier
/// back-off has ended. Several such launches during one back-off count as one.
pub(crate) fn back_off(draft: &mut Draft<'_>, message: UntrustedText) {
    let now = draft.input().now;
    let known = draft.record().back_off.as_ref();
    if known.is_some_and(|known| now < known.until) {
        return;
    }
    let (since, tries) = known.map_or((now, 1), |known| (known.since, known.tries.saturating_add(1)));
    let pause = (PAUSE_MIN * 2_i32.pow(tries.saturating_sub(1).min(8))).min(PAUSE_MAX);
    draft.no_room(BackOff { since, until: now + pause, tries, message });
}

/// Keeps the capacity condition open until a launch succeeds, or until no replacement needs a launch any more.
pub(crate) fn announce(draft: &mut Draft<'_>) {
    let Some(back_off) = draft.record().back_off.clone() else { return };
    let is_wanted = draft.record().replacements.values().any(|replacement| {
        // A replacement that waits for another reason needs no launch.
        matches!(
            replacement.phase(),
            Phase::Launching(_) | Phase::LaunchingAfter(_) | Phase::Blocked(Waiting::CapacityShort { .. })
        )
    });
    if is_wanted {
        draft.is_in(Condition::CapacityShort, back_off.message);
    } else if draft.input().now >= back_off.until {
        draft.room_may_be_there();
        return;
    }
    draft.requeue(back_off.until);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_shortage_spares_the_instance() {
        let short: UntrustedText = "InsufficientInstanceCapacity".into();
        assert_eq!(reason_of(&short), CancelReason::NoCapacity(short.clone()));
        let wrong: UntrustedText = "The image id '[ami-1]' does not exist".into();
        assert_eq!(reason_of(&wrong), CancelReason::Failed(wrong.clone()));
    }
}
