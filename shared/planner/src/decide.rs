//! The heart: one look at a fleet becomes one decision.
//!
//! [`decide`] reads as the list of its steps. What a step does stands in the module that it names; it reads the
//! [`Draft`](crate::draft::Draft), writes into it, and hands to later steps what its result says.

use crate::admission::Explained;
use crate::adopt::FleetState;
use crate::decision::Decision;
use crate::draft::Draft;
use crate::input::Input;
use crate::{
    admission, adopt, borrowed_settings, capacity, commands, cutover, drift, images, observed, pin, quarantine,
    replacement,
};

/// Decides what to do about a fleet.
///
/// Deciding again on an unchanged world, after the actions took effect, yields no action: the fixed point.
pub fn decide(input: Input<'_>) -> Decision {
    let mut draft = Draft::new(input);
    take_steps(&mut draft, None);
    draft.finish()
}

/// All steps of a decision, and where they found the fleet to stand. Where someone asks why, what every guard says of
/// each drifted instance is noted.
pub(crate) fn take_steps<'a>(draft: &mut Draft<'a>, explained: Option<&mut Explained>) -> FleetState<'a> {
    commands::drop_answered(draft);
    // An operator's word on which color is live counts before anything is told from the groups.
    commands::accept_live(draft);
    let standing = adopt::assess_fleet(draft);
    let findings = drift::detect(draft, &standing);
    images::take_note(draft);
    let orders = commands::follow(draft, &standing);
    pin::advance(draft);
    let waits = cutover::advance(draft, &standing, orders.cutover);
    draft.cutover_waits(waits);
    replacement::advance_all(draft, &standing, &findings);
    // A surge that has just ended may have left its successor behind, which counts for the breaker.
    let findings = findings.count_again(draft, &standing);
    quarantine::expire(draft, &standing);
    admission::admit(draft, &standing, &findings, explained);
    observed::tell_week(draft, standing.mode());
    capacity::announce(draft);
    borrowed_settings::restore_borrowed(draft);
    draft.note_outcomes();
    standing
}
