//! What may start, and why the rest may not: the guards of replacements and those of cutovers. Each list stands once, in
//! its order: deciding takes the first that blocks, explaining asks them all.

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

/// What a guard answers.
pub type GuardAnswer = Answer<Waiting>;

/// What a guard says.
pub type GuardResult = CheckResult<GuardId, Waiting>;
