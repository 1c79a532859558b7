//! Explores every state that a model can reach, breadth first, until it finds no new state.
//!
//! The graph keeps for each state its fingerprint, the state from which it was first reached, and its edges. A
//! counterexample is a shortest path: the explorer follows the first edges back to the initial state and executes the
//! path again. Liveness is checked on the complete graph, cycles included: it holds in a state when *every* path of
//! calm moves from there ends at rest.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::{Display, Write as _};
use std::num::NonZero;
use std::thread;

/// Number of states that are expanded before the states to which they lead are merged into the graph. It bounds the
/// memory for states that are not merged yet.
const BATCH: usize = 16_384;
/// One in this many states that are reached on a second path is expanded again, to check that it leads to the same
/// states.
const DOUBTED_EVERY: usize = 64;
/// The largest number of states that are expanded again. Each of them is kept until the end.
const DOUBTED_MAX: usize = 20_000;
/// The property of the explorer itself. If the property is violated, the exploration proves nothing.
pub const SAMENESS: &str = "equal states lead to equal states";
/// The bit that marks a calm edge.
const CALM: u32 = 1 << 31;

/// A model: its initial state and its moves.
pub trait Model: Sync {
    /// Everything that affects later states.
    type State: Clone + std::fmt::Debug + Send + Sync;
    /// One move from a state to the next one.
    type Move: Clone + std::fmt::Debug + Display + Send;

    /// The initial state.
    fn initial(&self) -> Self::State;

    /// The fingerprint of a state. It is equal for two states exactly when the same moves lead from both to equal
    /// states.
    fn fingerprint(&self, state: &Self::State) -> u128;

    /// All moves from a state, each with the state to which it leads.
    fn expand(&self, state: &Self::State, tally: &mut Tally) -> Expansion<Self>
    where
        Self: Sized;

    /// Describes a state as text, for a counterexample.
    fn describe(&self, state: &Self::State) -> String;
}

/// The moves from a state.
#[derive(Debug)]
pub struct Expansion<M: Model> {
    pub steps: Vec<Step<M>>,
    /// Whether all work has ended, so that no move is necessary.
    pub is_at_rest: bool,
    /// The property that this state violates, if any.
    pub broken: Option<Broken>,
}

/// A possible move.
#[derive(Debug)]
pub struct Step<M: Model> {
    pub what: M::Move,
    /// The state to which the move leads. Err: the move violates a property.
    pub leads_to: Result<M::State, Broken>,
    /// Whether the move is neither a fault nor an action that takes effect late. Liveness is checked on calm moves
    /// only.
    pub is_calm: bool,
}

/// A property that a state or a move violates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    pub property: &'static str,
    pub how: String,
}

/// The counts of an exploration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// How often each property was checked.
    pub checked: BTreeMap<&'static str, u64>,
    /// The names of everything that occurred at least once.
    pub seen: BTreeSet<String>,
}

impl Tally {
    /// Counts a check of a property.
    pub fn check(&mut self, property: &'static str) {
        *self.checked.entry(property).or_default() += 1;
    }

    /// Records that something with this name occurred.
    pub fn saw(&mut self, what: &str) {
        if !self.seen.contains(what) {
            self.seen.insert(what.to_owned());
        }
    }

    fn add(&mut self, other: Self) {
        for (property, count) in other.checked {
            *self.checked.entry(property).or_default() += count;
        }
        self.seen.extend(other.seen);
    }
}

/// The result of a complete exploration.
#[derive(Debug)]
pub struct Explored {
    pub states: usize,
    pub transitions: usize,
    /// The greatest distance of a state from the initial state, in moves.
    pub depth: usize,
    /// Number of states at rest.
    pub at_rest: usize,
    /// The greatest number of calm moves from a state to rest.
    pub calm_moves_max: usize,
    /// Number of states that were reached on a second path and expanded again with the same result.
    pub doubted: usize,
    pub tally: Tally,
}

/// Why the exploration is incomplete.
#[derive(Debug)]
pub enum Unfinished {
    /// A property does not hold.
    Counterexample {
        broken: Broken,
        /// A shortest path to the violation, one move on each line, and the state at its end.
        story: String,
        /// Number of states found until the violation.
        states: usize,
    },
    /// The caller stopped the exploration.
    Stopped(Progress),
}

impl Display for Unfinished {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Counterexample { broken, story, states } => {
                write!(formatter, "{}: {}\n{story}({states} states had been found)", broken.property, broken.how)
            }
            Self::Stopped(Progress { depth, states }) => {
                write!(formatter, "stopped at {states} states, within {depth} moves: no property was violated so far")
            }
        }
    }
}

/// The progress of an exploration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// All states within this many moves of the initial state were found.
    pub depth: usize,
    /// Number of states found.
    pub states: usize,
}

/// Explores a model completely, or until `goes_on` returns false. `goes_on` is called after each batch of states.
///
/// # Errors
/// A property is violated, or the caller stopped the exploration.
pub fn explore<M: Model>(model: &M, mut goes_on: impl FnMut(Progress) -> bool) -> Result<Explored, Unfinished> {
    let mut graph: Graph<M> = Graph::new(model);
    let mut frontier = vec![(0_u32, model.initial())];
    let mut depth = 0;
    while !frontier.is_empty() {
        frontier = graph.next_level(model, &frontier, |states| {
            let progress = Progress { depth, states };
            if goes_on(progress) { Ok(()) } else { Err(Unfinished::Stopped(progress)) }
        })?;
        depth += usize::from(!frontier.is_empty());
    }
    graph.check_sameness(model)?;
    let calm_moves_max = graph.check_liveness(model)?;
    Ok(Explored {
        states: graph.parents.len(),
        transitions: graph.targets.len(),
        depth,
        at_rest: graph.is_at_rest.iter().filter(|is_at_rest| **is_at_rest).count(),
        calm_moves_max,
        doubted: graph.doubted.len(),
        tally: graph.tally,
    })
}

/// The graph of all states found so far. The number of a state is its index in the lists.
#[derive(Debug)]
struct Graph<M: Model> {
    numbers: HashMap<u128, u32>,
    prints: Vec<u128>,
    parents: Vec<u32>,
    is_at_rest: Vec<bool>,
    /// The edges of all states, concatenated: for each edge, the number of the state to which it leads.
    targets: Vec<u32>,
    /// For each state, the end of its edges in `targets`. The edges of the first state begin at 0.
    ends: Vec<usize>,
    tally: Tally,
    found_again: usize,
    /// A sample of the states that were reached on a second path, in the form in which they were reached then.
    doubted: Vec<(u32, M::State)>,
}

/// What a worker has found from one state.
struct Expanded<M: Model> {
    from: u32,
    is_at_rest: bool,
    broken: Option<(Option<M::Move>, Broken)>,
    found: Vec<(u128, bool, M::State)>,
}

impl<M: Model> Graph<M> {
    fn new(model: &M) -> Self {
        let print = model.fingerprint(&model.initial());
        Self {
            numbers: HashMap::from([(print, 0)]),
            prints: vec![print],
            parents: vec![0],
            is_at_rest: Vec::new(),
            targets: Vec::new(),
            ends: Vec::new(),
            tally: Tally::default(),
            found_again: 0,
            doubted: Vec::new(),
        }
    }

    fn next_level(
        &mut self,
        model: &M,
        frontier: &[(u32, M::State)],
        mut goes_on: impl FnMut(usize) -> Result<(), Unfinished>,
    ) -> Result<Vec<(u32, M::State)>, Unfinished> {
        let mut next = Vec::new();
        for batch in frontier.chunks(BATCH) {
            for expanded in self.expand(model, batch) {
                if let Some((last, broken)) = expanded.broken {
                    return Err(self.counterexample(model, expanded.from, last.as_ref(), broken));
                }
                self.is_at_rest.push(expanded.is_at_rest);
                for (print, is_calm, state) in expanded.found {
                    let number = if let Some(number) = self.numbers.get(&print).copied() {
                        self.doubt(number, state);
                        number
                    } else {
                        let number = u32::try_from(self.parents.len()).unwrap_or(u32::MAX);
                        self.numbers.insert(print, number);
                        self.prints.push(print);
                        self.parents.push(expanded.from);
                        next.push((number, state));
                        number
                    };
                    self.targets.push(number | if is_calm { CALM } else { 0 });
                }
                self.ends.push(self.targets.len());
            }
            goes_on(self.parents.len())?;
        }
        Ok(next)
    }

    /// Adds a state that was reached on a second path to the sample, if it is its turn.
    fn doubt(&mut self, number: u32, state: M::State) {
        self.found_again += 1;
        if self.found_again.is_multiple_of(DOUBTED_EVERY) && self.doubted.len() < DOUBTED_MAX {
            self.doubted.push((number, state));
        }
    }

    /// Checks that states with the same fingerprint lead to the same states, whichever path led to them. Otherwise the
    /// fingerprint omits something that matters, and the exploration is incomplete.
    fn check_sameness(&self, model: &M) -> Result<(), Unfinished> {
        let workers = thread::available_parallelism().map_or(1, NonZero::get);
        let share = self.doubted.len().div_ceil(workers).max(1);
        let is_other = |(number, state): &&(u32, M::State)| !self.leads_to_the_same(model, *number as usize, state);
        let found = thread::scope(|scope| {
            let running: Vec<_> =
                self.doubted.chunks(share).map(|part| scope.spawn(move || part.iter().find(is_other))).collect();
            let join = |worker: thread::ScopedJoinHandle<'_, _>| {
                worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            running.into_iter().map(join).collect::<Vec<_>>()
        });
        let Some((number, state)) = found.into_iter().flatten().next() else { return Ok(()) };
        let (_, known) = self.live(model, &self.path_to(*number as usize), usize::MAX);
        let how = format!(
            "this state does not, and is equal to the state at the end of the path\n{}  these moves lead elsewhere:\n{}",
            model.describe(state),
            elsewhere(model, *number as usize, &known, state)
        );
        let broken = Broken { property: SAMENESS, how };
        Err(self.counterexample(model, *number, None, broken))
    }

    fn leads_to_the_same(&self, model: &M, number: usize, state: &M::State) -> bool {
        let found = found_from(model, number, state);
        found.into_iter().map(|(edge, _)| edge).collect::<BTreeSet<_>>() == self.known_from(number)
    }

    fn known_from(&self, number: usize) -> BTreeSet<(u128, bool)> {
        let print = |edge: &u32| self.prints.get((edge & !CALM) as usize).copied().unwrap_or_default();
        let edges = self.edges(number).iter().map(|edge| (print(edge), edge & CALM != 0));
        let rest = self.is_at_rest.get(number).copied().unwrap_or_default();
        edges.chain([(0, rest)]).collect()
    }

    /// Expands a batch of states on all processors. The result is in the order of the batch.
    fn expand(&mut self, model: &M, batch: &[(u32, M::State)]) -> Vec<Expanded<M>> {
        let workers = thread::available_parallelism().map_or(1, NonZero::get);
        let share = batch.len().div_ceil(workers).max(1);
        let done: Vec<(Vec<Expanded<M>>, Tally)> = thread::scope(|scope| {
            let work = |part: &[(u32, M::State)]| {
                let mut tally = Tally::default();
                (part.iter().map(|(from, state)| expand_one(model, *from, state, &mut tally)).collect(), tally)
            };
            let running: Vec<_> = batch.chunks(share).map(|part| scope.spawn(move || work(part))).collect();
            let join = |worker: thread::ScopedJoinHandle<'_, _>| {
                worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            running.into_iter().map(join).collect()
        });
        let mut all = Vec::with_capacity(batch.len());
        for (expanded, tally) in done {
            all.extend(expanded);
            self.tally.add(tally);
        }
        all
    }

    fn edges(&self, number: usize) -> &[u32] {
        let start = number.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let end = self.ends.get(number).copied().unwrap_or(start);
        self.targets.get(start..end).unwrap_or_default()
    }

    /// Checks that from every state every path of calm moves ends at rest. Returns the greatest number of moves that
    /// this takes.
    ///
    /// The check goes backward from the states at rest: a state is live when all its calm moves lead to live states.
    /// Any other state is on a cycle, or has no calm move although its work has not ended.
    fn check_liveness(&self, model: &M) -> Result<usize, Unfinished> {
        let states = self.parents.len();
        let calm = |number: usize| self.edges(number).iter().filter(|edge| *edge & CALM != 0).map(|edge| edge & !CALM);
        let mut open: Vec<u32> = vec![0; states];
        let mut before: Vec<Vec<u32>> = vec![Vec::new(); states];
        for number in (0..states).filter(|number| !self.is_at_rest.get(*number).copied().unwrap_or_default()) {
            for target in calm(number) {
                if let (Some(count), Some(list)) = (open.get_mut(number), before.get_mut(target as usize)) {
                    *count += 1;
                    list.push(u32::try_from(number).unwrap_or(u32::MAX));
                }
            }
        }
        let mut moves: Vec<Option<usize>> = vec![None; states];
        let mut well: Vec<usize> =
            (0..states).filter(|number| self.is_at_rest.get(*number).copied().unwrap_or_default()).collect();
        for number in &well {
            if let Some(known) = moves.get_mut(*number) {
                *known = Some(0);
            }
        }
        while let Some(number) = well.pop() {
            for source in before.get(number).into_iter().flatten().map(|source| *source as usize) {
                let Some(count) = open.get_mut(source) else { continue };
                *count -= 1;
                if *count == 0 {
                    let longest = calm(source).filter_map(|target| moves.get(target as usize).copied().flatten()).max();
                    if let Some(known) = moves.get_mut(source) {
                        *known = longest.map(|longest| longest + 1);
                    }
                    well.push(source);
                }
            }
        }
        let Some(stuck) = moves.iter().position(Option::is_none) else {
            return Ok(moves.into_iter().flatten().max().unwrap_or_default());
        };
        Err(self.never_at_rest(model, stuck, &moves))
    }

    /// The counterexample for a state from which some path never ends at rest.
    fn never_at_rest(&self, model: &M, stuck: usize, moves: &[Option<usize>]) -> Unfinished {
        let mut path = self.path_to(stuck);
        let calm_from = path.len();
        let mut at = stuck;
        let mut how = "no move is left".to_owned();
        let is_ill = |target: &usize| moves.get(*target).copied().flatten().is_none();
        loop {
            let calm = self.edges(at).iter().filter(|edge| *edge & CALM != 0).map(|edge| (edge & !CALM) as usize);
            let Some(next) = calm.filter(is_ill).min() else { break };
            let is_known = path.get(calm_from - 1..).unwrap_or_default().contains(&next);
            path.push(next);
            if is_known {
                how = String::from("the path comes back to this state, so that it never ends");
                break;
            }
            at = next;
        }
        let (story, _) = self.live(model, &path, calm_from);
        let broken = Broken { property: "every path ends at rest once faults stop", how };
        Unfinished::Counterexample { broken, story, states: self.parents.len() }
    }

    fn path_to(&self, number: usize) -> Vec<usize> {
        let mut path = vec![number];
        let mut at = number;
        while at != 0 {
            at = self.parents.get(at).map_or(0, |parent| *parent as usize);
            path.push(at);
        }
        path.reverse();
        path
    }

    fn counterexample(&self, model: &M, from: u32, last: Option<&M::Move>, broken: Broken) -> Unfinished {
        let path = self.path_to(from as usize);
        let (mut story, _) = self.live(model, &path, usize::MAX);
        if let Some(last) = last {
            let _ = writeln!(story, "{:>4}. {last}   <-- here", path.len());
        }
        Unfinished::Counterexample { broken, story, states: self.parents.len() }
    }

    /// Executes a path again and writes it as text. Returns the text and the last state.
    fn live(&self, model: &M, path: &[usize], calm_from: usize) -> (String, M::State) {
        let mut state = model.initial();
        let mut story = String::new();
        for (count, number) in path.iter().enumerate().skip(1) {
            let wanted = self.prints.get(*number).copied();
            let expansion = model.expand(&state, &mut Tally::default());
            let mut steps = expansion.steps.into_iter().filter(|step| count < calm_from || step.is_calm);
            let found = steps.find_map(|step| {
                let next = step.leads_to.ok()?;
                (Some(model.fingerprint(&next)) == wanted).then_some((step.what, next))
            });
            let Some((what, next)) = found else {
                let _ = writeln!(
                    story,
                    "{count:>4}. (the path cannot be repeated: the fingerprint leaves out something that matters)"
                );
                break;
            };
            if count == calm_from {
                let _ = writeln!(story, "      faults stop");
            }
            let _ = writeln!(story, "{count:>4}. {what}");
            state = next;
        }
        let _ = writeln!(story, "{}", model.describe(&state));
        (story, state)
    }
}

fn expand_one<M: Model>(model: &M, from: u32, state: &M::State, tally: &mut Tally) -> Expanded<M> {
    let expansion = model.expand(state, tally);
    let mut expanded = Expanded {
        from,
        is_at_rest: expansion.is_at_rest,
        broken: expansion.broken.map(|broken| (None, broken)),
        found: Vec::with_capacity(expansion.steps.len()),
    };
    for step in expansion.steps {
        match step.leads_to {
            Ok(state) => expanded.found.push((model.fingerprint(&state), step.is_calm, state)),
            Err(broken) => {
                expanded.broken.get_or_insert((Some(step.what), broken));
            }
        }
    }
    expanded
}

/// Describes the moves that lead from only one of two states with the same fingerprint, one on each line.
fn elsewhere<M: Model>(model: &M, number: usize, one: &M::State, other: &M::State) -> String {
    let [one, other] = [one, other].map(|state| found_from(model, number, state));
    let only = |all: &[((u128, bool), String)], others: &[((u128, bool), String)]| {
        let edges: BTreeSet<_> = others.iter().map(|(edge, _)| *edge).collect();
        all.iter().filter(|(edge, _)| !edges.contains(edge)).map(|(_, what)| what.clone()).collect::<Vec<_>>()
    };
    let lines = |whose: &str, all: Vec<String>| {
        all.into_iter().fold(String::new(), |mut lines, what| {
            let _ = writeln!(lines, "    {whose}: {what}");
            lines
        })
    };
    lines("this one", only(&other, &one)) + &lines("the other", only(&one, &other))
}

/// The moves from a state, each with the fingerprint of the state to which it leads. "At rest" counts as a move, too.
fn found_from<M: Model>(model: &M, number: usize, state: &M::State) -> Vec<((u128, bool), String)> {
    let expansion = model.expand(state, &mut Tally::default());
    let mut found = vec![((0, expansion.is_at_rest), "whether it is at rest".to_owned())];
    for step in expansion.steps {
        let print = step.leads_to.map_or(u128::MAX, |next| model.fingerprint(&next));
        found.push(((print, step.is_calm), step.what.to_string()));
    }
    if expansion.broken.is_some() {
        found.push(((u128::MAX, false), format!("it violates a property, which state {number} does not")));
    }
    found
}
