//! The guards of replacements and of cutovers: they decide what may start, and why the rest waits. There is one list of
//! guards for each, in a fixed order. A decision takes the first guard that blocks; an explanation evaluates all
//! guards.

mod cutover;
mod fitness;
mod fleet;
mod instance;
mod replacement;

use crate::answer::{Answer, CheckResult};
use crate::waiting::{GuardId, Waiting};

pub(crate) use cutover::{CutoverQuestion, may_not_begin, pause, verdicts_on_cutover};
pub(crate) use fitness::{refresh_under_way, suspended};
pub(crate) use fleet::{Fleet, when_closed};
pub(crate) use instance::{bases, launches_by_desired};
pub(crate) use replacement::{Question, Refusal, lacks_hooks, looks_at_the_instance, refusal, verdicts};

/// The answer of a guard: it passes, it blocks with a reason, or it was not evaluated.
pub type GuardAnswer = Answer<Waiting>;

/// A guard with its answer.
pub type GuardResult = CheckResult<GuardId, Waiting>;
