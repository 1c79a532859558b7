//! The form of everything that may stand in the way: an id, what it asks, and one function that answers. Deciding takes
//! the first of a list that blocks; explaining asks the whole list. So that both go by one order, a list is written once.

/// What a guard, or a check, answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer<R> {
    Agrees,
    /// It is not so, and this is why.
    Blocks(R),
    /// It could not be asked: what it looks at is not known while another one blocks.
    NotAsked,
}

/// What one guard, or one check, says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckResult<I, R> {
    pub id: I,
    /// What must be so, in words.
    pub asks: &'static str,
    pub answer: Answer<R>,
}

/// A row of a list.
pub(crate) struct Guard<I, A> {
    pub(crate) id: I,
    /// What must be so, in words.
    pub(crate) asks: &'static str,
    pub(crate) ask: A,
}

/// A function that answers, together with how much it looks at.
pub(crate) trait Ask<Q> {
    type Reason;

    fn answer(&self, question: &Q) -> Answer<Self::Reason>;
}

impl<R> Answer<R> {
    /// Why not. None: it agrees, or was not asked.
    pub fn reason(self) -> Option<R> {
        match self {
            Self::Blocks(reason) => Some(reason),
            Self::Agrees | Self::NotAsked => None,
        }
    }
}

impl<R> From<Option<R>> for Answer<R> {
    /// It agrees where there is no reason why not.
    fn from(reason: Option<R>) -> Self {
        reason.map_or(Self::Agrees, Self::Blocks)
    }
}

/// The reasons of those that block, in the order of the list. Each guard is asked when the reason before it was taken.
pub(crate) fn reasons<'l, I: 'l, A: Ask<Q> + 'l, Q>(
    guards: impl IntoIterator<Item = &'l Guard<I, A>>,
    question: &Q,
) -> impl Iterator<Item = A::Reason> {
    guards.into_iter().filter_map(move |guard| guard.ask.answer(question).reason())
}

/// What all of them say, in the order of the list.
pub(crate) fn verdicts<'l, I: Copy + 'l, A: Ask<Q> + 'l, Q>(
    guards: impl IntoIterator<Item = &'l Guard<I, A>>,
    question: &Q,
) -> Vec<CheckResult<I, A::Reason>> {
    let verdict =
        |guard: &Guard<I, A>| CheckResult { id: guard.id, asks: guard.asks, answer: guard.ask.answer(question) };
    guards.into_iter().map(verdict).collect()
}
