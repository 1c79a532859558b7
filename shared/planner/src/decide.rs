//! The decision of a reconcile pass over one fleet.
//!
//! `take_steps` lists the steps of [`decide`]. Each step has a module of its own: it reads the
//! [`Draft`](crate::draft::Draft), writes into it, and returns what later steps need.

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
/// Once the actions of a decision have taken effect and nothing else has changed, the next decision has no action: the
/// state is a fixed point.
pub fn decide(input: Input<'_>) -> Decision {
    let mut draft = Draft::new(input);
    take_steps(&mut draft, None);
    draft.finish()
}

/// Runs all steps of a decision, and returns the state of the fleet. With `explained`, also records the result of every
/// guard for each drifted instance.
pub(crate) fn take_steps<'a>(draft: &mut Draft<'a>, explained: Option<&mut Explained>) -> FleetState<'a> {
    commands::drop_answered(draft);
    // An operator's choice of the live color comes before the groups are examined.
    commands::accept_live(draft);
    let standing = adopt::assess_fleet(draft);
    let findings = drift::detect(draft, &standing);
    images::take_note(draft);
    let orders = commands::follow(draft, &standing);
    pin::advance(draft);
    let waits = cutover::advance(draft, &standing, orders.cutover);
    draft.cutover_waits(waits);
    replacement::advance_all(draft, &standing, &findings);
    // A surge that has just ended may leave its replacement instance behind, which then counts for the breaker.
    let findings = findings.count_again(draft, &standing);
    quarantine::expire(draft, &standing);
    admission::admit(draft, &standing, &findings, explained);
    observed::tell_week(draft, standing.mode());
    capacity::announce(draft);
    borrowed_settings::restore_borrowed(draft);
    draft.note_outcomes();
    standing
}
