//! The common form of guards and checks: an id, the requirement in words, and a function that evaluates the
//! requirement. A decision reports the first guard of a list that blocks; an explanation (`driftless why`) evaluates
//! the whole list. Both use the same list, so that they agree on the order.

/// The result of a guard or a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer<R> {
    Agrees,
    /// The requirement is not met, for this reason.
    Blocks(R),
    /// The guard was not evaluated, because its input is unknown while another guard blocks.
    NotAsked,
}

/// A guard or a check with its result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckResult<I, R> {
    pub id: I,
    /// The requirement, in words.
    pub asks: &'static str,
    pub answer: Answer<R>,
}

/// A guard or a check, as an entry of its list.
pub(crate) struct Guard<I, A> {
    pub(crate) id: I,
    /// The requirement, in words.
    pub(crate) asks: &'static str,
    pub(crate) ask: A,
}

/// The evaluation of a guard. `Q` is the input that all guards of a list need.
pub(crate) trait Ask<Q> {
    type Reason;

    fn answer(&self, question: &Q) -> Answer<Self::Reason>;
}

impl<R> Answer<R> {
    /// The reason why the guard blocks. None: the guard passes, or was not evaluated.
    pub fn reason(self) -> Option<R> {
        match self {
            Self::Blocks(reason) => Some(reason),
            Self::Agrees | Self::NotAsked => None,
        }
    }
}

impl<R> From<Option<R>> for Answer<R> {
    /// Without a reason the guard passes.
    fn from(reason: Option<R>) -> Self {
        reason.map_or(Self::Agrees, Self::Blocks)
    }
}

/// The reasons of the guards that block, in the order of the list. The iterator is lazy: it evaluates further guards
/// only when the caller asks for the next reason.
pub(crate) fn reasons<'l, I: 'l, A: Ask<Q> + 'l, Q>(
    guards: impl IntoIterator<Item = &'l Guard<I, A>>,
    question: &Q,
) -> impl Iterator<Item = A::Reason> {
    guards.into_iter().filter_map(move |guard| guard.ask.answer(question).reason())
}

/// The results of all guards, in the order of the list.
pub(crate) fn verdicts<'l, I: Copy + 'l, A: Ask<Q> + 'l, Q>(
    guards: impl IntoIterator<Item = &'l Guard<I, A>>,
    question: &Q,
) -> Vec<CheckResult<I, A::Reason>> {
    let verdict =
        |guard: &Guard<I, A>| CheckResult { id: guard.id, asks: guard.asks, answer: guard.ask.answer(question) };
    guards.into_iter().map(verdict).collect()
}
