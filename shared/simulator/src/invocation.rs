//! What the function does with a batch of the reconcile queue, as `functions/reconcile` does it.

use std::collections::BTreeSet;

use driftless_planner::notification::Runbooks;
use driftless_planner::policy::Defaults;
use driftless_reconciler::batch::{self, Received};
use driftless_reconciler::ports::Clock;
use driftless_reconciler::reconcile::{Invocation, Times};
use jiff::SignedDuration;

use crate::executor::Ended;
use crate::function::Function;

/// Lambda ends a function after this long.
pub(crate) const FUNCTION_TIMEOUT: SignedDuration = SignedDuration::from_secs(30);
/// How long a lease is taken for.
pub(crate) const LEASE: SignedDuration = SignedDuration::from_secs(40);
/// No write starts later than this before the end.
pub(crate) const MARGIN: SignedDuration = SignedDuration::from_secs(5);

/// Files the facts of a batch, and looks at every fleet that it concerns.
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
