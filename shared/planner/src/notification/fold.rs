//! Folding: many messages of one kind become one.

use super::{Details, Severity};

/// The most messages of one kind that a decision sends singly; more become one. A lock screen or chat window shows five
/// without scrolling, and each keeps its own thread. Of six or more on-call needs the number and a few names. Observe
/// mode announces at most this many for one fleet, too.
pub const FOLD_ABOVE: usize = 5;

/// How many of the folded messages are named: enough to investigate, and few enough for a subject.
pub const FOLD_NAMES: usize = 3;

/// Folds messages of which there are more than [`FOLD_ABOVE`] of one kind. Kinds keep the order of their first message.
pub(crate) fn fold(details: Vec<Details>) -> Vec<Details> {
    let mut heaps: Vec<(Heap, Vec<Details>)> = Vec::new();
    for one in details {
        let of = Heap::of(&one);
        match heaps.iter_mut().find(|(heap, _)| heap.is_shared_by(&of)) {
            Some((_, heap)) => heap.push(one),
            None => heaps.push((of, vec![one])),
        }
    }
    heaps.into_iter().flat_map(|(_, heap)| if heap.len() > FOLD_ABOVE { folded(heap) } else { heap }).collect()
}

/// What two messages must have in common to be folded into one.
#[derive(PartialEq, Eq)]
struct Heap {
    kind: &'static str,
    severity: Severity,
    condition: Option<String>,
}

impl Heap {
    fn of(details: &Details) -> Self {
        Self { kind: details.kind(), severity: details.severity(), condition: details.condition().map(str::to_owned) }
    }

    /// A response to a command is never folded, because its sender waits for it.
    fn is_shared_by(&self, other: &Self) -> bool {
        self == other && self.kind != "command-result"
    }
}

fn folded(heap: Vec<Details>) -> Vec<Details> {
    let count = u32::try_from(heap.len()).unwrap_or(u32::MAX);
    let mut named = heap.into_iter().take(FOLD_NAMES);
    let example = named.next();
    let others = named.collect();
    example.map(|example| Details::Many { count, example: Box::new(example), others }).into_iter().collect()
}

impl Details {
    /// The number of messages that this one stands for.
    pub fn count(&self) -> u32 {
        if let Self::Many { count, .. } = self { *count } else { 1 }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::notification::Condition;
    use crate::record::CancelReason;

    fn cancelled(number: usize, because: CancelReason) -> Details {
        Details::Cancelled { instance: format!("i-{number:017x}").parse().unwrap(), because, next_attempt: None }
    }

    fn drains(number: usize) -> Details {
        let instance = format!("i-{number:017x}").parse().unwrap();
        Details::Entered { condition: Condition::DrainOverdue { instance }, detail: "x".into() }
    }

    fn counts(details: Vec<Details>) -> Vec<(&'static str, u32)> {
        fold(details).iter().map(|details| (details.kind(), details.count())).collect()
    }

    #[test]
    fn one_more_than_is_read_one_by_one_is_folded() {
        for (size, told) in [(FOLD_ABOVE - 1, FOLD_ABOVE - 1), (FOLD_ABOVE, FOLD_ABOVE), (FOLD_ABOVE + 1, 1)] {
            assert_eq!(fold((0..size).map(drains).collect()).len(), told, "{size}");
        }
    }

    #[test]
    fn what_is_louder_or_about_another_state_is_not_hidden_in_a_burst() {
        let quiet = (0..FOLD_ABOVE).map(|number| cancelled(number, CancelReason::Cleared));
        let loud = cancelled(99, CancelReason::Failed("x".into()));
        assert_eq!(fold(quiet.chain([loud]).collect()).len(), FOLD_ABOVE + 1);
        let other = Details::Entered { condition: Condition::BreakerOpen, detail: "x".into() };
        let burst = (0..=FOLD_ABOVE).map(drains);
        assert_eq!(counts(burst.chain([other]).collect()), [("entered", 6), ("entered", 1)]);
    }

    #[test]
    fn the_order_is_that_of_the_first_of_each_kind() {
        let over = Details::Ended { condition: "breaker-open".to_owned(), since: Timestamp::UNIX_EPOCH };
        let mut details = vec![drains(0), over];
        details.extend((1..=FOLD_ABOVE).map(drains));
        assert_eq!(counts(details), [("entered", 6), ("ended", 1)]);
    }

    #[test]
    fn nothing_is_made_of_nothing() {
        assert_eq!(fold(Vec::new()), []);
    }
}
