//! Records the port calls of each function, so that a test can count the calls of a reconcile pass and find the calls
//! that wait for each other. Nothing is recorded unless a test switches the recording on.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use driftless_planner::record::Record;
use jiff::Timestamp;

/// The call that marks the beginning of a pass. The function sends further reads at the same time.
const PASS_BEGINS: &str = "load";
/// The calls after the last reconcile pass of a run, with which the run sends the delayed request and releases the
/// lease.
const RUN_ENDS: [&str; 2] = ["sqs:SendMessage", "release"];
/// The commit. A pass makes its reads before the commit and its writes after it.
const COMMIT: &str = "commit";

/// A call to a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The operation, as in `Counts::calls`.
    pub operation: &'static str,
    /// The arguments of a read, in `Debug` form. Empty for a write, and for a read without arguments.
    pub subject: String,
    pub sent: Timestamp,
    pub answered: Timestamp,
}

/// The stored state of a fleet before a pass and after it. `after` is None if the pass committed nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Passage {
    before: String,
    after: Option<String>,
}

/// The recorded calls of all functions. Empty unless the recording is on.
#[derive(Debug, Clone, Default)]
pub struct Calls {
    is_on: bool,
    made: BTreeMap<u64, Vec<Call>>,
    passages: BTreeMap<u64, Vec<Passage>>,
}

/// One reconcile pass over one fleet, from its first read to its last write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The stored state before the pass, in words: the phases of the cutover and the replacements under way, or `idle`.
    pub before: String,
    /// The stored state after the pass, in words. None: the pass committed nothing.
    pub after: Option<String>,
    /// The calls of the pass, in the order in which the function sent them.
    pub calls: Vec<Call>,
}

impl Calls {
    /// An empty recording that is on.
    pub fn on() -> Self {
        Self { is_on: true, ..Self::default() }
    }

    /// Whether the recording is on.
    pub const fn is_on(&self) -> bool {
        self.is_on
    }

    /// Records a call.
    pub(crate) fn note(&mut self, function: u64, call: impl FnOnce() -> Call) {
        if self.is_on {
            self.made.entry(function).or_default().push(call());
        }
    }

    /// Records the stored state that a pass has loaded.
    pub(crate) fn found(&mut self, function: u64, record: Option<&Record>) {
        if self.is_on {
            let passage = Passage { before: state_of(record), after: None };
            self.passages.entry(function).or_default().push(passage);
        }
    }

    /// Records the stored state that a pass has committed.
    pub(crate) fn left(&mut self, function: u64, record: &Record) {
        if let Some(passage) = self.passages.get_mut(&function).and_then(|passages| passages.last_mut()) {
            passage.after = Some(state_of(Some(record)));
        }
    }

    /// The calls of all functions, grouped by function.
    pub fn all(&self) -> impl Iterator<Item = &Call> {
        self.made.values().flatten()
    }

    /// The passes of all functions, grouped by function. The result is correct only if each function reconciles one
    /// fleet at a time.
    pub fn passes(&self) -> Vec<Snapshot> {
        let mut passes = Vec::new();
        for (function, made) in &self.made {
            let passages = self.passages.get(function).into_iter().flatten();
            passes.extend(parts(made).into_iter().zip(passages).map(|(part, passage)| Snapshot {
                before: passage.before.clone(),
                after: passage.after.clone(),
                calls: made.get(part).unwrap_or_default().to_vec(),
            }));
        }
        passes
    }
}

/// For each pass, the range of its calls within the calls of one function.
fn parts(made: &[Call]) -> Vec<Range<usize>> {
    let begins: Vec<Timestamp> =
        made.iter().filter(|call| call.operation == PASS_BEGINS).map(|call| call.sent).collect();
    let place = |at: Timestamp| made.iter().take_while(|call| call.sent < at).count();
    let ends = begins.iter().skip(1).map(|at| place(*at)).chain([made.len()]);
    let part = |(begin, end): (&Timestamp, usize)| {
        let begin = place(*begin);
        let of_run = made.get(begin..end).unwrap_or_default().iter().rev();
        let tail = of_run.take_while(|call| RUN_ENDS.contains(&call.operation)).count();
        begin..end - tail
    };
    begins.iter().zip(ends).map(part).collect()
}

/// Describes the stored state in words: its phases and quarantined instances, `idle` without any, `unknown` without a
/// record.
fn state_of(record: Option<&Record>) -> String {
    let Some(record) = record else { return "unknown".to_owned() };
    let replacements =
        record.replacements.values().map(|replacement| format!("replacement {}", replacement.phase().name()));
    let quarantined = record.quarantined.keys().map(|_| "quarantined".to_owned());
    let cutover = record.cutover.as_ref().map(|cutover| format!("cutover {}", cutover.phase().name()));
    let all: Vec<String> = cutover.into_iter().chain(replacements).chain(quarantined).collect();
    if all.is_empty() { "idle".to_owned() } else { all.join(" + ") }
}

impl Snapshot {
    /// The reads of the pass: its calls before the commit or, without a commit, before the first call that is not a
    /// read.
    pub fn reads(&self) -> &[Call] {
        let committed = self.calls.iter().position(|call| call.operation == COMMIT);
        let acts = self.calls.iter().position(|call| !is_read_of_a_look(call));
        let end = committed.or(acts).unwrap_or(self.calls.len());
        self.calls.get(..end).unwrap_or_default()
    }

    /// The repeated reads: each has the operation and the arguments of an earlier read of the pass.
    pub fn repeated(&self) -> Vec<&Call> {
        let mut known = BTreeSet::new();
        self.reads().iter().filter(|call| !known.insert((call.operation, call.subject.as_str()))).collect()
    }
}

/// Whether the call is one of the reads of a pass: `load`, or a read with arguments.
fn is_read_of_a_look(call: &Call) -> bool {
    call.operation == PASS_BEGINS || !call.subject.is_empty()
}

/// Groups the calls into rounds: each call waits for a call of the round before and for no call of its own round.
pub fn rounds(calls: &[Call]) -> Vec<Vec<&Call>> {
    let mut rounds: Vec<Vec<&Call>> = Vec::new();
    for (call, depth) in calls.iter().zip(depths(calls, |_| 1)) {
        if rounds.len() < depth {
            rounds.resize(depth, Vec::new());
        }
        if let Some(round) = rounds.get_mut(depth - 1) {
            round.push(call);
        }
    }
    rounds
}

/// The number of AWS calls in each round that `shared/aws` makes for one port call, if each response fits one page. An
/// operation that is not listed makes one AWS call.
fn behind(operation: &str) -> &'static [usize] {
    match operation {
        "load" => &[3],
        "open_fleets" | "ec2:DescribeImages (by id)" => &[2],
        "take_slot"
        | "give_slot"
        | "elasticloadbalancing:ModifyRule"
        | "autoscaling:UpdateAutoScalingGroup (template)"
        | "autoscaling:StartInstanceRefresh" => &[1, 1],
        // `DescribeRules` needs the load balancer and its listeners first. A version for the idle color needs that
        // color's own template, and then its base version.
        "elasticloadbalancing:DescribeRules" | "ec2:CreateLaunchTemplateVersion" => &[1, 1, 1],
        _ => &[1],
    }
}

/// The length of the longest chain of AWS calls in which each call waits for the one before.
pub fn aws_rounds(calls: &[Call]) -> usize {
    depths(calls, |call| behind(call.operation).len()).into_iter().max().unwrap_or(0)
}

/// The number of AWS calls that `shared/aws` makes for these port calls, if each response fits one page.
pub fn aws_calls(calls: &[Call]) -> usize {
    calls.iter().flat_map(|call| behind(call.operation)).sum()
}

/// For each call, the length of the longest chain that ends with it. `length` tells how much one call adds to a chain.
fn depths(calls: &[Call], length: impl Fn(&Call) -> usize) -> Vec<usize> {
    let mut depths: Vec<usize> = Vec::with_capacity(calls.len());
    for call in calls {
        let before = calls.iter().zip(&depths).filter(|(earlier, _)| earlier.answered <= call.sent);
        let longest = before.map(|(_, depth)| *depth).max().unwrap_or(0);
        depths.push(longest + length(call));
    }
    depths
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(operation: &'static str, sent: i64, answered: i64) -> Call {
        let at = |second| Timestamp::from_second(second).unwrap();
        Call { operation, subject: "x".to_owned(), sent: at(sent), answered: at(answered) }
    }

    #[test]
    fn calls_that_are_made_together_are_one_round_whatever_each_takes() {
        let calls = [call("load", 0, 1), call("groups", 0, 5), call("commit", 5, 6)];
        let rounds: Vec<usize> = rounds(&calls).iter().map(Vec::len).collect();
        assert_eq!(rounds, [2, 1]);
    }

    #[test]
    fn a_call_that_goes_on_beside_a_chain_does_not_lengthen_it() {
        let calls = [call("load", 0, 1), call("groups", 0, 9), call("a", 1, 2), call("b", 2, 3)];
        assert_eq!(rounds(&calls).len(), 3);
    }

    #[test]
    fn a_pass_ends_where_the_run_releases_the_lease() {
        let made = [
            call("acquire", 0, 1),
            call("load", 1, 2),
            call("commit", 2, 3),
            call("load", 3, 4),
            call("release", 4, 5),
        ];
        assert_eq!(parts(&made), [1..3, 3..4]);
    }
}
