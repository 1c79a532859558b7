//! Where people and pipelines are answered: [`answer`] and [`widget`] only read, [`order`] changes something. All work over
//! the ports of the loop, so that what a person is shown is what the next decision is made from.
//!
//! Never: an answer takes no lease, commits nothing and calls nothing that writes. An order changes no fleet: it files a
//! fact, which the loop follows under its lease, or it throws the stop switch, which every run reads.

mod answer;
mod order;
mod widget;

pub use answer::answer;
pub use order::{Caller, order};
pub use widget::widget;

use driftless_reconciler::ports::{CallError, CallErrorKind};
use driftless_status::request::{Refusal, RefusalCause};

/// The words for a call that failed: who asked can ask again, or knows whom to tell.
fn unavailable(error: &CallError) -> Refusal {
    let next = match error.kind {
        CallErrorKind::Throttled | CallErrorKind::Unavailable => "ask again in a moment",
        CallErrorKind::Denied => "the function's role lacks the permission: compare it with the template",
        CallErrorKind::Gone
        | CallErrorKind::Busy
        | CallErrorKind::Unsupported
        | CallErrorKind::Refused
        | CallErrorKind::Unreadable => "the function's log has all of it",
    };
    Refusal { cause: RefusalCause::Unavailable, says: format!("{error}; {next}").into() }
}
