//! Handles a batch of the reconcile queue, as `functions/reconcile` does.

use std::collections::BTreeSet;

use driftless_planner::notification::Runbooks;
use driftless_planner::policy::Defaults;
use driftless_reconciler::batch::{self, Received};
use driftless_reconciler::ports::Clock;
use driftless_reconciler::reconcile::{Invocation, Times};
use jiff::SignedDuration;

use crate::executor::Ended;
use crate::function::Function;

/// The timeout of the reconcile function.
pub(crate) const FUNCTION_TIMEOUT: SignedDuration = SignedDuration::from_secs(30);
/// The duration of the lease of a fleet.
pub(crate) const LEASE: SignedDuration = SignedDuration::from_secs(40);
/// The time before the timeout of the function in which no write starts.
pub(crate) const MARGIN: SignedDuration = SignedDuration::from_secs(5);

/// Stores the facts of a batch of messages, and reconciles every fleet that the messages concern.
pub(crate) async fn handle(function: &Function, batch: Vec<Received<u64>>, defaults: &Defaults) -> Ended {
    let times = Times { lease: LEASE, deadline: function.now() + FUNCTION_TIMEOUT, margin: MARGIN };
    let received: BTreeSet<u64> = batch.iter().map(|message| message.id).collect();
    let holder = format!("f{}", function.id);
    let runbooks = Runbooks::default();
    let invocation = Invocation { holder: &holder, times, defaults, runbooks: &runbooks };
    let failures = batch::handle(function, batch, invocation).await;
    let failed: BTreeSet<u64> = failures.into_iter().flat_map(|failure| failure.messages).collect();
    Ended { handled: received.difference(&failed).copied().collect(), failed: failed.into_iter().collect() }
}
