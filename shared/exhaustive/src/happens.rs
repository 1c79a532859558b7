//! The moves that are possible in one state.

use std::sync::Arc;

use driftless_planner::action::{Action, ActionResult};
use driftless_planner::decision::Decision;
use driftless_planner::fact::{Command, CommandFact, Fact};
use driftless_planner::record::{Phase, Record};

use crate::explore::{Broken, Model, Step, Tally};
use crate::invariants;
use crate::moves::{Actee, Ending, Move, Told};
use crate::run::{Actor, Decided, Hand};
use crate::setups::Trouble;
use crate::small::{Small, State, commit, forget_taken, overtake};
use crate::world::{Life, TICK, World, instance_id, number};

/// Collects the moves that are possible in one state.
pub(crate) struct Moves<'s> {
    pub(crate) small: &'s Small,
    pub(crate) state: &'s State,
    pub(crate) steps: Vec<Step<Small>>,
    pub(crate) tally: &'s mut Tally,
}

impl Moves<'_> {
    fn go(&mut self, what: Move, is_calm: bool, state: State) {
        self.steps.push(Step { what, leads_to: Ok(state), is_calm });
    }

    /// Adds a fault as a move, if the setup allows it.
    fn trouble(&mut self, trouble: Trouble, what: Move, change: impl FnOnce(&mut State)) {
        if let Some(mut state) = self.after_trouble(trouble) {
            change(&mut state);
            self.go(what, false, state);
        }
    }

    fn after_trouble(&self, trouble: Trouble) -> Option<State> {
        let setup = &self.small.setup;
        if !setup.troubles.contains(&trouble) {
            return None;
        }
        let mut state = self.state.clone();
        if setup.troubles_max.is_some() {
            state.troubles_left = state.troubles_left.checked_sub(1)?;
        }
        Some(state)
    }

    /// Adds a reconcile pass. Returns its decision if the pass begins a new run (`is_fresh`) and has no effect at all.
    pub(crate) fn reconcile(&mut self, is_fresh: bool) -> Result<Option<Decision>, Broken> {
        let (world, record) = (&self.state.world, self.state.record.as_ref().map(|kept| &kept.record));
        let decision = self.small.decide(world, record, &self.state.actor);
        let budget = usize::try_from(self.small.setup.budget).unwrap_or(usize::MAX);
        invariants::decision(world, record, &decision, budget, self.tally)?;
        for entry in &decision.history {
            self.tally.saw(&format!("{} → {}", entry.from(), entry.to()));
        }
        for waiting in decision.waiting.values() {
            self.tally.saw(&format!("waits: {}", waiting.guard()));
        }
        if !decision.changed && decision.actions.is_empty() {
            if is_fresh {
                return Ok(Some(decision));
            }
            let mut state = self.state.clone();
            state.actor = Actor::Passing(Vec::new());
            let told = Told(Arc::new(Decided::new(decision, world)));
            self.go(Move::Pass(told), true, state);
            return Ok(None);
        }
        let decided = Arc::new(Decided::new(decision, world));
        let mut state = self.state.clone();
        overtake(&mut state);
        commit(&mut state, &decided);
        if is_fresh && decided.decision.actions.is_empty() && self.is_same(&state, self.state) {
            return self.changes_nothing(&state).map(Some);
        }
        let hand = Hand { decided: Arc::clone(&decided), at: 0, outcomes: Vec::new(), is_uncommitted: false };
        self.trouble_of_pass(&state, &hand);
        if hand.next_action().is_some() {
            state.actor = Actor::Acting(hand);
        }
        self.go(Move::Pass(Told(decided)), true, state);
        Ok(None)
    }

    fn is_same(&self, one: &State, other: &State) -> bool {
        self.small.fingerprint(one) == self.small.fingerprint(other)
    }

    /// Checks a pass that changed only texts for readers: the next pass must change nothing, not even texts.
    fn changes_nothing(&mut self, state: &State) -> Result<Decision, Broken> {
        const PROPERTY: &str = "a second decision on unchanged input changes nothing";
        self.tally.check(PROPERTY);
        let again = self.small.decide(&state.world, state.record.as_ref().map(|kept| &kept.record), &state.actor);
        if again.changed || !again.actions.is_empty() {
            let told = Told(Arc::new(Decided::new(again, &state.world)));
            return Err(Broken { property: PROPERTY, how: told.words() });
        }
        Ok(again)
    }

    fn trouble_of_pass(&mut self, committed: &State, hand: &Hand) {
        if hand.decided.decision.changed {
            let committed = committed.clone();
            self.trouble(Trouble::Crash, Move::PassAndDie, |state| {
                *state = State { troubles_left: state.troubles_left, ..committed };
            });
        }
        if !matches!(&self.state.actor, Actor::Passing(outcomes) if outcomes.is_empty()) {
            self.trouble(Trouble::Crash, Move::Die, |state| {
                state.actor = Actor::Passing(Vec::new());
                forget_taken(state);
            });
        }
        // Only the lease guards a decision without a commit: no call starts after the lease has expired.
        if committed.sleeper.is_none() && hand.decided.decision.changed {
            let sleeper = Hand { is_uncommitted: true, ..hand.clone() };
            self.trouble(Trouble::LateCommit, Move::PassAndSleep, |state| {
                state.sleeper = Some(sleeper);
                state.actor = Actor::Passing(Vec::new());
            });
        }
    }

    /// Adds the moves in which the holder of the lease executes its next action, dies or sleeps.
    pub(crate) fn act(&mut self, hand: &Hand) {
        let Some(action) = hand.next_action() else { return };
        for ending in endings(action, &self.state.world) {
            self.end(hand, action, ending, Actee::Holder);
        }
        self.trouble(Trouble::Crash, Move::Die, |state| {
            state.actor = Actor::Passing(Vec::new());
            forget_taken(state);
        });
        if self.state.sleeper.is_none() {
            self.trouble(Trouble::LateCall, Move::Sleep, |state| {
                state.sleeper = Some(hand.clone());
                state.actor = Actor::Passing(Vec::new());
            });
        }
    }

    /// Adds the move in which the sleeping function continues.
    pub(crate) fn request(&mut self, hand: &Hand) {
        if !hand.is_uncommitted {
            if let Some(action) = hand.next_action() {
                self.end(hand, action, Ending::Well, Actee::Sleeper);
            }
            return;
        }
        let mut state = self.state.clone();
        state.sleeper = None;
        commit(&mut state, &hand.decided);
        if hand.next_action().is_some() {
            state.actor = Actor::Acting(Hand { is_uncommitted: false, ..hand.clone() });
        }
        self.go(Move::CommitLate, true, state);
    }

    fn end(&mut self, hand: &Hand, action: &Action, ending: Ending, who: Actee) {
        let state = match ending {
            Ending::Well => Some(self.state.clone()),
            Ending::LostReply => self.after_trouble(Trouble::LostReply),
            Ending::Busy => self.after_trouble(Trouble::Busy),
            Ending::Shortage => self.after_trouble(Trouble::Shortage),
            Ending::BadLaunch => self.after_trouble(Trouble::BadLaunch),
        };
        let Some(mut state) = state else { return };
        let before = &self.state.world;
        let result = match ending {
            Ending::Well => crate::writes::write(&mut state.world, &self.small.names, action),
            Ending::LostReply => {
                let _ = crate::writes::write(&mut state.world, &self.small.names, action);
                ActionResult::Busy("timed out".into())
            }
            Ending::Busy => ActionResult::Busy("an activity is in progress".into()),
            Ending::Shortage => ActionResult::Failed("InsufficientInstanceCapacity".into()),
            Ending::BadLaunch => ActionResult::Failed("the launch failed".into()),
        };
        let checked = invariants::write(
            before,
            &state.world,
            &self.small.names,
            &hand.decided,
            action,
            self.small.setup.budget,
            self.tally,
        );
        if let Action::Terminate { instance, .. } = action {
            let is_leaving = |id: &u32| state.world.server(*id).is_some_and(|(_, server)| !server.is_active());
            let taken = number(instance).filter(is_leaving);
            state.world.taken.extend(taken);
        }
        let what = Move::Act(who, action.name(), ending);
        let went_on = hand.clone().go_on(result);
        match who {
            Actee::Holder => {
                state.actor = went_on.map_or_else(Actor::Passing, Actor::Acting);
            }
            Actee::Sleeper => state.sleeper = None,
        }
        forget_taken(&mut state);
        let is_calm = ending == Ending::Well;
        self.steps.push(Step { what, leads_to: checked.map(|()| state), is_calm });
    }

    /// Adds the moves of AWS. Returns whether AWS is still working on something that will end.
    pub(crate) fn aws(&mut self) -> bool {
        let mut is_moving = false;
        let servers: Vec<_> = self.state.world.servers().cloned().collect();
        let is_one_leaving = servers.iter().any(|server| server.life == Life::Terminating);
        for server in &servers {
            let id = server.id;
            match server.life {
                Life::Pending => {
                    is_moving = true;
                    let mut state = self.state.clone();
                    if let Some(server) = state.world.server_mut(id) {
                        server.life = Life::InService;
                    }
                    for at in 0..state.world.groups.len() {
                        state.world.balance(at, false);
                    }
                    self.go(Move::Arrive(id), true, state);
                }
                Life::Terminating => {
                    is_moving = true;
                    let mut state = self.state.clone();
                    state.world.forget(id);
                    self.go(Move::Leave(id), true, state);
                }
                Life::InService if server.is_sick => {
                    // In a pair, Auto Scaling replaces an unhealthy instance in time.
                    is_moving |= self.state.world.colors.is_some();
                    let mut state = self.state.clone();
                    if let Some(server) = state.world.server_mut(id) {
                        server.is_sick = false;
                    }
                    self.go(Move::Recover(id), true, state);
                }
                Life::InService => {
                    self.trouble(Trouble::Sickness, Move::Sicken(id), |state| {
                        if let Some(server) = state.world.server_mut(id) {
                            server.is_sick = true;
                        }
                    });
                }
            }
            if server.is_active() && !is_one_leaving {
                self.trouble(Trouble::Loss, Move::Lose(id), |state| state.world.take(id, false));
            }
            self.drift(server.id, server.life);
        }
        is_moving
    }

    fn drift(&mut self, id: u32, life: Life) {
        let world = &self.state.world;
        let mut state = self.state.clone();
        if world.drifted.contains_key(&id) {
            state.world.drifted.remove(&id);
            self.go(Move::Comply(id), false, state);
        } else if life == Life::InService && world.drifted.len() < self.small.setup.drifted_max {
            if self.small.setup.drifts_max.is_some() {
                let Some(left) = state.drifts_left.checked_sub(1) else { return };
                state.drifts_left = left;
            }
            state.world.find_drifted(id);
            self.go(Move::Drift(id), false, state);
        }
    }

    /// Adds the moves of operators.
    pub(crate) fn people(&mut self) {
        if self.state.world.frozen_since.is_some() {
            let mut state = self.state.clone();
            state.world.frozen_since = None;
            self.go(Move::Thaw, true, state);
        } else {
            self.trouble(Trouble::Freeze, Move::Freeze, |state| state.world.frozen_since = Some(state.world.now));
        }
        for (at, pool) in self.state.world.groups.iter().enumerate() {
            if pool.kept > 0 && is_idle(self.state) {
                let mut state = self.state.clone();
                state.world.take_back(at);
                self.go(Move::TakeBack(at), true, state);
            }
            if pool.max != pool.wanted.max && pool.desired <= pool.wanted.max {
                self.trouble(Trouble::MaximumByOthers, Move::WriteMaximum(at), |state| {
                    if let Some(pool) = state.world.groups.get_mut(at) {
                        pool.max = pool.wanted.max;
                    }
                });
            }
        }
        self.pipeline();
        if !self.state.world.facts.is_empty() {
            return;
        }
        self.commands();
        let record = self.state.record.as_ref().map(|kept| &kept.record);
        let is_stopped =
            |record: &Record| record.replacements.values().any(|work| matches!(work.phase(), Phase::Stopped(_)));
        if record.is_some_and(is_stopped) {
            self.say(Trouble::Retry, &Command::Retry);
        }
        let in_service = self.state.world.servers().filter(|server| server.life == Life::InService);
        for id in in_service.map(|server| instance_id(server.id)).collect::<Vec<_>>() {
            if record.is_some_and(|record| !record.asked_to_replace.contains_key(&id)) {
                self.say(Trouble::Replace, &Command::Replace { instance: id });
            }
        }
    }

    /// Adds the moves of the pipeline and of the alarms.
    fn pipeline(&mut self) {
        let Some(colors) = &self.state.world.colors else { return };
        if colors.newest_image <= self.small.setup.images {
            let mut state = self.state.clone();
            if let Some(colors) = &mut state.world.colors {
                colors.newest_image += 1;
            }
            self.go(Move::Publish, false, state);
        }
        if colors.in_alarm.is_some() {
            let mut state = self.state.clone();
            if let Some(colors) = &mut state.world.colors {
                colors.in_alarm = None;
            }
            self.go(Move::Quiet, true, state);
            return;
        }
        for color in [0, 1] {
            self.trouble(Trouble::Alarm, Move::AlarmGoesOff(color), |state| {
                if let Some(colors) = &mut state.world.colors {
                    colors.in_alarm = Some(color);
                }
            });
        }
    }

    /// Adds the commands of operators about a cutover. An operator who has paused a cutover resumes it later.
    fn commands(&mut self) {
        let Some(kept) = self.state.record.as_ref().filter(|_| self.state.world.colors.is_some()) else { return };
        let cutover = kept.record.cutover.as_ref();
        if cutover.is_some_and(|cutover| cutover.paused().is_some()) {
            let mut state = self.state.clone();
            state.world.facts.push(self.fact(&Command::Resume));
            self.go(Move::Say(Command::Resume), true, state);
        }
        let mut commands = vec![Command::Rollback];
        if let Some(cutover) = cutover {
            let image = cutover.candidate.image.clone();
            commands.extend([
                Command::Abort,
                Command::Promote,
                Command::Pause,
                Command::Reject,
                Command::Veto { image },
            ]);
        } else {
            commands.push(Command::Redeploy);
        }
        for command in commands {
            self.say(Trouble::Command, &command);
        }
    }

    fn fact(&self, command: &Command) -> Fact {
        Fact::Command(CommandFact {
            // Each command has its own request id: a repeated id has no effect.
            request: format!("{command:?}"),
            fleet: self.small.names.fleet.clone(),
            actor: "ana".into(),
            at: self.state.world.now,
            reason: None,
            cutover: None,
            command: command.clone(),
        })
    }

    fn say(&mut self, trouble: Trouble, command: &Command) {
        let fact = self.fact(command);
        self.trouble(trouble, Move::Say(command.clone()), |state| state.world.facts.push(fact));
    }

    /// Adds the move in which time passes. If a pass had no effect, a pass after this time must have no effect either,
    /// unless the decision asked for a requeue.
    pub(crate) fn tick(&mut self, is_calm: bool, quiet: Option<&Decision>) {
        const PROPERTY: &str = "every wait has a requeue";
        let mut state = self.state.clone();
        state.world.now += TICK;
        state.actor = Actor::Passing(Vec::new());
        state.sleeper = None;
        forget_taken(&mut state);
        let missed = quiet.filter(|quiet| quiet.recheck.is_none_or(|at| at > state.world.now)).and_then(|_| {
            self.tally.check(PROPERTY);
            let record = state.record.as_ref().map(|kept| &kept.record);
            let later = self.small.decide(&state.world, record, &state.actor);
            let decided = Arc::new(Decided::new(later, &state.world));
            let mut after = state.clone();
            commit(&mut after, &decided);
            let does_something = !decided.decision.actions.is_empty() || !self.is_same(&after, &state);
            does_something.then(|| {
                let how = format!("no requeue was asked for, and a reconcile would do this: {}", Told(decided).words());
                Broken { property: PROPERTY, how }
            })
        });
        self.steps.push(Step { what: Move::Tick, leads_to: missed.map_or(Ok(state), Err), is_calm });
    }
}

/// Whether no capacity change is under way. An operator who lowers the desired capacity waits for that.
pub(crate) fn is_idle(state: &State) -> bool {
    let record = state.record.as_ref().map(|kept| &kept.record);
    let mut work = record.into_iter().flat_map(|record| record.replacements.values());
    work.all(|work| work.phase().surge().is_none()) && matches!(state.actor, Actor::Passing(_))
}

/// The possible endings of a call. A launch with a known token does not fail for want of capacity or because of its
/// template, since it returns the instance of the first call.
fn endings(action: &Action, world: &World) -> Vec<Ending> {
    let mut endings = vec![Ending::Well, Ending::LostReply, Ending::Busy];
    if matches!(action, Action::Launch { token, .. } if !world.launched.contains_key(token)) {
        endings.extend([Ending::Shortage, Ending::BadLaunch]);
    }
    endings
}
