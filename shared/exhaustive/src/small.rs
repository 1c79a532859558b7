//! A bounded model of a fleet, with a planner inside.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use driftless_planner::action::Action;
use driftless_planner::decision::Decision;
use driftless_planner::input::Input;
use driftless_planner::notification::{Details, Notification};
use driftless_planner::record::Record;
use jiff::Timestamp;

use crate::canon::Pieces;
use crate::explore::{Expansion, Model, Tally};
use crate::happens::{Moves, is_idle};
use crate::invariants;
use crate::kept::Kept;
use crate::moves::{Move, Told};
use crate::observe::Names;
use crate::run::{Actor, Decided, Hand, write_outcomes};
use crate::setups::Setup;
use crate::world::{Colors, Pool, SIZE, World, count};

/// A planner: the shipped one, or a faulty one for a test.
pub type Planner = fn(Input<'_>) -> Decision;

/// Everything that affects later states.
#[derive(Debug, Clone)]
pub struct State {
    pub world: World,
    /// The last committed record.
    pub record: Option<Arc<Kept>>,
    /// The run that holds the lease, or the next run.
    pub actor: Actor,
    /// A function that sleeps with a decision while another one has taken the lease.
    pub sleeper: Option<Hand>,
    /// The number of drifts that may still occur.
    pub drifts_left: u8,
    /// The number of faults that may still occur.
    pub troubles_left: u8,
}

/// A bounded model.
#[derive(Debug)]
pub struct Small {
    pub(crate) setup: Setup,
    pub(crate) names: Names,
    planner: Planner,
}

impl Small {
    /// A bounded model with this setup and this planner.
    ///
    /// # Errors
    /// The setup has an invalid name or policy.
    pub fn new(setup: Setup, planner: Planner) -> Result<Self, String> {
        let names = Names::new(setup.groups, &setup.policy)?;
        Ok(Self { setup, names, planner })
    }

    /// The decision that a pass makes in this world.
    pub(crate) fn decide(&self, world: &World, record: Option<&Record>, actor: &Actor) -> Decision {
        let outcomes = match actor {
            Actor::Passing(outcomes) => outcomes.as_slice(),
            Actor::Acting(_) => &[],
        };
        (self.planner)(Input {
            fleet: &self.names.fleet,
            record,
            facts: &world.facts,
            outcomes,
            freezes: &Names::freezes(world),
            seen: &self.names.observe(world, record),
            defaults: self.names.defaults(),
            now: world.now,
        })
    }
}

impl Model for Small {
    type State = State;
    type Move = Move;

    fn initial(&self) -> State {
        let now = Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_hours(24 * 365 * 56);
        let long_ago = now - jiff::SignedDuration::from_hours(48);
        let world = World {
            now,
            groups: if self.setup.groups == 1 {
                vec![Pool::full(1, self.setup.max, long_ago)]
            } else {
                vec![Pool::full(1, self.setup.max, long_ago), Pool::idle()]
            },
            colors: (self.setup.groups > 1).then(|| Colors {
                weights: [100, 0],
                newest_image: 1,
                templates: [vec![(1, None)], vec![(1, None)]],
                in_alarm: None,
                has_slot: false,
            }),
            drifted: std::collections::BTreeMap::new(),
            frozen_since: None,
            launched: std::collections::BTreeMap::new(),
            last_id: SIZE,
            first_ids: SIZE,
            facts: Vec::new(),
            taken: BTreeSet::new(),
        };
        let troubles_left = self.setup.troubles_max.unwrap_or(0);
        let drifts_left = self.setup.drifts_max.unwrap_or(0);
        State { world, record: None, actor: Actor::Passing(Vec::new()), sleeper: None, drifts_left, troubles_left }
    }

    fn fingerprint(&self, state: &State) -> u128 {
        pieces(state).fingerprint(state.world.now)
    }

    fn expand(&self, state: &State, tally: &mut Tally) -> Expansion<Self> {
        let mut moves = Moves { small: self, state, steps: Vec::with_capacity(16), tally };
        let quiet = match &state.actor {
            Actor::Passing(outcomes) => moves.reconcile(outcomes.is_empty()),
            Actor::Acting(hand) => {
                moves.act(hand);
                Ok(None)
            }
        };
        let quiet = match quiet {
            Ok(quiet) => quiet,
            Err(broken) => {
                return Expansion { steps: Vec::new(), is_at_rest: false, broken: Some(broken) };
            }
        };
        if let Some(hand) = &state.sleeper {
            moves.request(hand);
        }
        let is_moving = moves.aws() || (state.world.groups.iter().any(|pool| pool.kept > 0) && is_idle(state));
        moves.people();
        let in_alarm = state.world.colors.as_ref().is_some_and(|colors| colors.in_alarm.is_some());
        let cutover = state.record.as_ref().and_then(|kept| kept.record.cutover.as_ref());
        let is_paused = cutover.is_some_and(|cutover| cutover.paused().is_some());
        let is_moving = is_moving || in_alarm || is_paused;
        let is_calm = quiet.is_some() && !is_moving && state.sleeper.is_none() && state.world.frozen_since.is_none();
        moves.tick(is_calm, quiet.as_ref());
        let steps = moves.steps;
        let idle = state.record.as_ref().is_some_and(|kept| invariants::is_idle(&state.world, &kept.record));
        let is_at_rest = is_calm && idle;
        let record = state.record.as_ref().filter(|_| is_at_rest);
        let broken = record.and_then(|kept| invariants::rest(&state.world, &kept.record, tally).err());
        Expansion { steps, is_at_rest, broken }
    }

    fn describe(&self, state: &State) -> String {
        let mut text = String::new();
        for (pool, name) in state.world.groups.iter().zip(&self.names.groups) {
            let Pool { min, max, desired, servers, .. } = pool;
            let _ = writeln!(text, "  {name}: {min} <= {desired} <= {max}");
            for server in servers {
                let drifted = if state.world.drifted.contains_key(&server.id) { ", drifted" } else { "" };
                let sick = if server.is_sick { ", unhealthy" } else { "" };
                let protected = if server.is_protected { ", protected" } else { "" };
                let _ = writeln!(text, "    i-{:x} {:?}{sick}{protected}{drifted}", server.id, server.life);
            }
        }
        if let Some(kept) = &state.record {
            for (id, work) in &kept.record.replacements {
                let mut phase = format!("{:?}", work.phase());
                if let Some(surge) = work.phase().surge() {
                    phase = phase.replace(&format!("{:?}", surge.policy), "..");
                }
                let _ = writeln!(text, "  {id} since {}: {phase}, {} failures", work.detected_at, work.failures.len());
            }
            if let Some(cutover) = &kept.record.cutover {
                let _ = writeln!(text, "  cutover to {}: {:?}", cutover.candidate.image, cutover.phase());
            }
            if let Some(colors) = &state.world.colors {
                let _ = writeln!(text, "  {colors:?}, live {:?}", kept.record.live);
            }
            for entry in &kept.record.borrowed_settings {
                let _ = writeln!(text, "  borrowed setting: {:?}", entry.setting);
            }
        }
        let decision = self.decide(&state.world, state.record.as_ref().map(|kept| &kept.record), &state.actor);
        let decided = Told(Arc::new(Decided::new(decision, &state.world)));
        let _ = writeln!(text, "  now {}; a reconcile would decide: {}", state.world.now, decided.words());
        text
    }
}

/// A new pass has taken the lease with a higher fencing number. A function that sleeps before its commit can no longer
/// commit, and is dropped.
pub(crate) fn overtake(state: &mut State) {
    state.sleeper.take_if(|hand| hand.is_uncommitted);
    forget_taken(state);
}

/// Commits a decision: stores its record and removes the facts that it consumed.
pub(crate) fn commit(state: &mut State, decided: &Arc<Decided>) {
    if !decided.decision.changed {
        return;
    }
    state.world.facts.retain(|fact| !decided.decision.consumed.contains(&fact.key()));
    let is_kept = |told: &&Notification| matches!(told.details, Details::ExtraInstanceKept { .. });
    // Only a single group has an extra instance that stays.
    if let Some(pool) = state.world.groups.first_mut() {
        pool.kept += count(decided.decision.notifications.iter().filter(is_kept));
    }
    state.record = Some(Arc::clone(&decided.next));
    state.actor = Actor::Passing(Vec::new());
    let of_sleeper = state.sleeper.iter().flat_map(|hand| &hand.decided.decision.actions).filter_map(token);
    let surges = decided.next.record.replacements.values().filter_map(|work| work.phase().surge());
    let known: BTreeSet<&str> = surges.map(|surge| surge.token.as_str()).chain(of_sleeper).collect();
    state.world.forget_launches(&known);
}

/// Forgets the instances that Driftless terminated, if no pending decision needs them.
pub(crate) fn forget_taken(state: &mut State) {
    if state.sleeper.is_none() && matches!(state.actor, Actor::Passing(_)) {
        state.world.taken.clear();
    }
}

const fn token(action: &Action) -> Option<&str> {
    if let Action::Launch { token, .. } = action { Some(token.as_str()) } else { None }
}

/// The pieces of everything that affects later states.
pub fn pieces(state: &State) -> Pieces {
    let State { world, record, actor, sleeper, drifts_left, troubles_left } = state;
    let mut pieces = Pieces::default();
    world.write(record.as_ref().map(|kept| &kept.record), &mut pieces);
    if let Some(kept) = record {
        pieces.add(&kept.pieces);
    }
    match actor {
        Actor::Passing(outcomes) => write_outcomes(outcomes, &mut pieces),
        Actor::Acting(hand) => {
            pieces.number(0x800);
            hand.write(&mut pieces);
        }
    }
    if let Some(hand) = sleeper {
        pieces.number(0x900);
        hand.write(&mut pieces);
    }
    pieces.number(u64::from(*troubles_left) << 8 | u64::from(*drifts_left));
    pieces
}
