//! A reconcile run in steps: its state between two steps, and the part of that state that a crash loses.

use std::collections::BTreeSet;
use std::sync::Arc;

use driftless_planner::action::{Action, ActionResult, Outcome};
use driftless_planner::decision::Decision;

use crate::canon::Pieces;
use crate::kept::Kept;
use crate::world::{Bounds, Pool, World};

/// The run that holds the lease, between two of its steps.
#[derive(Debug, Clone)]
pub enum Actor {
    /// The next step is a pass, which gets the outcomes of the actions of the last pass. Empty: the pass begins a new
    /// run.
    Passing(Vec<Outcome>),
    Acting(Hand),
}

/// A decision that a function is executing.
#[derive(Debug, Clone)]
pub struct Hand {
    pub decided: Arc<Decided>,
    /// The index of the next action in the decision.
    pub at: usize,
    /// The outcomes of the actions so far.
    pub outcomes: Vec<Outcome>,
    /// Whether the decision still has to be committed.
    pub is_uncommitted: bool,
}

/// A decision, and the state of the world at the time of the decision.
#[derive(Debug)]
pub struct Decided {
    pub decision: Decision,
    pub next: Arc<Kept>,
    /// The instances that were healthy at the time of the decision.
    pub serving: BTreeSet<u32>,
    /// The number of healthy instances of each group at the time of the decision.
    pub served: Vec<u32>,
    /// The instances that were drifted at the time of the decision.
    pub drifted: BTreeSet<u32>,
    /// The bounds that operators wanted for each group at the time of the decision.
    pub wanted: Vec<Bounds>,
    /// The pieces of each action, for the fingerprint.
    written: Vec<Pieces>,
}

impl Decided {
    /// A decision that is made in this world.
    pub fn new(decision: Decision, world: &World) -> Self {
        let written = decision.actions.iter().map(|action| Pieces::of(&format!("{action:?}"))).collect();
        Self {
            written,
            next: Arc::new(Kept::new(decision.next.clone())),
            decision,
            serving: world.servers().filter(|server| server.serves()).map(|server| server.id).collect(),
            served: world.groups.iter().map(Pool::serving).collect(),
            drifted: world.drifted.keys().copied().collect(),
            wanted: world.groups.iter().map(|pool| pool.wanted).collect(),
        }
    }
}

impl Hand {
    /// The next action of the decision.
    pub fn next_action(&self) -> Option<&Action> {
        self.decided.decision.actions.get(self.at)
    }

    /// Continues after an action with this result. Err: the outcomes so far, because the action was the last one or its
    /// result is not as planned.
    pub fn go_on(mut self, result: ActionResult) -> Result<Self, Vec<Outcome>> {
        let is_as_decided = result.is_as_decided();
        if let Some(action) = self.next_action() {
            self.outcomes.push(Outcome { action: action.clone(), result });
        }
        self.at += 1;
        if is_as_decided && self.next_action().is_some() { Ok(self) } else { Err(self.outcomes) }
    }

    /// Adds the part that affects later states to the pieces.
    pub fn write(&self, pieces: &mut Pieces) {
        let Self { decided, at, outcomes, is_uncommitted } = self;
        let actions = decided.decision.actions.get(*at..).unwrap_or_default();
        for written in decided.written.get(*at..).unwrap_or_default() {
            pieces.add(written);
        }
        write_outcomes(outcomes, pieces);
        // Terminations are checked against the state at the time of the decision.
        let takes = actions.iter().any(|action| matches!(action, Action::Terminate { .. }));
        let moves =
            actions.iter().any(|action| matches!(action, Action::ScaleToZero { .. } | Action::SetWeights { .. }));
        let known = [(0x400, takes || moves, &decided.serving), (0x500, takes, &decided.drifted)];
        for (word, _, ids) in known.into_iter().filter(|(_, counts, _)| *counts) {
            pieces.number(word);
            for id in ids {
                pieces.id(*id);
            }
        }
        if moves {
            for served in &decided.served {
                pieces.number(u64::from(*served));
            }
        }
        if takes {
            for wanted in &decided.wanted {
                pieces.number(u64::from(wanted.desired));
            }
        }
        if *is_uncommitted {
            pieces.number(0x600);
            pieces.add(&decided.next.pieces);
            pieces.text(&format!("{:?}", decided.decision.consumed));
        }
    }
}

/// Adds the outcomes that the next pass gets to the pieces.
pub fn write_outcomes(outcomes: &[Outcome], pieces: &mut Pieces) {
    if !outcomes.is_empty() {
        pieces.text(&format!("{outcomes:?}"));
    }
}
