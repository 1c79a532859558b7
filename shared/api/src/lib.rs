//! The operator API. [`answer`] and [`widget`] only read; [`order`] changes something. All three use the ports of the
//! control loop, so that an operator sees the same values that the next decision is based on.
//!
//! A query takes no lease, commits nothing and makes no write call. A request does not change a fleet itself: it sends
//! a command, which `reconcile` carries out under the fleet's lease, or it writes a freeze, which every run reads.

mod answer;
mod order;
mod widget;

pub use answer::answer;
pub use order::{Caller, order};
pub use widget::widget;

use driftless_reconciler::ports::{CallError, CallErrorKind};
use driftless_status::request::{Refusal, RefusalCause};

/// The refusal of a request after a failed call, with what the caller can do.
fn unavailable(error: &CallError) -> Refusal {
    let next = match error.kind {
        CallErrorKind::Throttled | CallErrorKind::Unavailable => "try again in a moment",
        CallErrorKind::Denied => "the role of the function lacks the permission: compare the role with template.yaml",
        CallErrorKind::Gone
        | CallErrorKind::Busy
        | CallErrorKind::Unsupported
        | CallErrorKind::Refused
        | CallErrorKind::Unreadable => "the log of the function has the details",
    };
    Refusal { cause: RefusalCause::Unavailable, says: format!("{error}; {next}").into() }
}
