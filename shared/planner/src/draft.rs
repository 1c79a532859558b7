//! The decision while it is being made.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::action::{Action, ActionResult, Outcome};
use crate::cutover::Step;
use crate::decide::Input;
use crate::decision::{Decision, JournalEntry};
use crate::explain::Verdict;
use crate::ids::{GroupName, InstanceId, RuleName};
use crate::notification::{Condition, News, Notification, REMIND_AFTER, fold};
use crate::observation::Freeze;
use crate::policy::Mode;
use crate::record::{ConditionSince, Denial, HeldBack, Record, Release};
use crate::text::ForeignText;
use crate::waiting::Waiting;

/// A refused permission does not come back by itself within seconds; each try costs a call of the bucket that a
/// rollback may need.
const DENIED_RECHECK: SignedDuration = SignedDuration::from_mins(5);
/// AWS is busy with a group for as long as a scaling activity takes to get out of the way: seconds.
const BUSY_RECHECK: SignedDuration = SignedDuration::from_secs(10);

/// The decision while it is being made.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    pub(crate) input: Input<'a>,
    pub(crate) next: Record,
    pub(crate) actions: Vec<Action>,
    pub(crate) waiting: BTreeMap<InstanceId, Waiting>,
    pub(crate) consumed: Vec<String>,
    pub(crate) begins_to_drift: BTreeSet<RuleName>,
    pub(crate) cutover_waits: Option<Waiting>,
    /// Set where a command ends the cutover.
    pub(crate) turn_back: Option<Step>,
    /// Where someone asks why: what every guard says of each drifted instance, when it was asked. Deciding reads none of it.
    pub(crate) verdicts: Option<BTreeMap<InstanceId, Vec<Verdict>>>,
    journal: Vec<JournalEntry>,
    news: Vec<News>,
    conditions: BTreeMap<String, (Condition, ForeignText)>,
    recheck: Option<Timestamp>,
}

impl<'a> Draft<'a> {
    pub(crate) fn new(input: Input<'a>) -> Self {
        Self {
            input,
            next: input.record.cloned().unwrap_or_else(|| Record::new(input.fleet.clone())),
            actions: Vec::new(),
            waiting: BTreeMap::new(),
            consumed: Vec::new(),
            begins_to_drift: BTreeSet::new(),
            cutover_waits: None,
            turn_back: None,
            verdicts: None,
            journal: Vec::new(),
            news: Vec::new(),
            conditions: BTreeMap::new(),
            recheck: None,
        }
    }

    /// The freeze that stops this fleet now, the one that ends last.
    pub(crate) fn freeze(&self) -> Option<&'a Freeze> {
        let freezes = self.input.freezes.iter().filter(|freeze| freeze.holds(self.input.now));
        freezes.max_by_key(|freeze| freeze.expires_at.unwrap_or(Timestamp::MAX))
    }

    /// Since when a freeze has stopped this fleet, without interruption as far as is known.
    pub(crate) fn frozen_since(&self) -> Option<Timestamp> {
        let freezes = self.input.freezes.iter().filter(|freeze| freeze.holds(self.input.now));
        freezes.map(|freeze| freeze.since).min()
    }

    /// Why work under way stands still: a freeze, or a fleet switched back to observe. Both apply at once.
    pub(crate) fn hold(&self, mode: Option<Mode>) -> Option<Waiting> {
        if let Some(freeze) = self.freeze() {
            return Some(Waiting::Frozen {
                reason: freeze.reason.clone(),
                owner: freeze.owner.clone(),
                until: freeze.expires_at,
            });
        }
        (mode == Some(Mode::Observe)).then_some(Waiting::Observed)
    }

    /// Look again at this time, or earlier.
    pub(crate) fn look_again(&mut self, at: Timestamp) {
        let at = at.max(self.input.now);
        self.recheck = Some(self.recheck.map_or(at, |earlier| earlier.min(at)));
    }

    /// What runs now is not cut over to again by itself.
    pub(crate) fn hold_back_release(&mut self, release: &Release, why: &str) {
        let held_back = HeldBack { why: why.into(), until: None, tries: 0 };
        self.next.memory.held_back.insert(release.image.to_string(), held_back);
    }

    /// Writes a transition into the journal.
    pub(crate) fn journal(&mut self, instance: Option<&InstanceId>, from: &str, to: &str, why: impl Into<ForeignText>) {
        self.journal_entry(JournalEntry {
            at: self.input.now,
            instance: instance.cloned(),
            from: from.to_owned(),
            to: to.to_owned(),
            why: why.into(),
            actor: "driftless".to_owned(),
            evidence: None,
        });
    }

    /// Writes a transition with its evidence into the journal.
    pub(crate) fn journal_entry(&mut self, entry: JournalEntry) {
        self.journal.push(entry);
    }

    /// Tells on-call.
    pub(crate) fn tell(&mut self, news: News) {
        self.news.push(news);
    }

    /// Says that the fleet is in a state. It is announced when it was not before.
    pub(crate) fn is_in(&mut self, condition: Condition, detail: impl Into<ForeignText>) {
        self.conditions.insert(condition.key(), (condition, detail.into()));
    }

    /// How many states with such a key this look has found that are not on record yet.
    pub(crate) fn new_conditions(&self, prefix: &str) -> usize {
        let is_new = |key: &&String| key.starts_with(prefix) && !self.next.conditions.contains_key(*key);
        self.conditions.keys().filter(is_new).count()
    }

    /// What came of the last run's actions for the sake of one drifted instance, newest last.
    pub(crate) fn outcomes_for(&self, instance: &InstanceId) -> impl Iterator<Item = &'a Outcome> {
        self.input.outcomes.iter().filter(move |outcome| outcome.action.for_the_sake_of() == Some(instance))
    }

    /// What every outcome asks for, whatever it was about: patience, or a person.
    pub(crate) fn note_outcomes(&mut self) {
        let now = self.input.now;
        for outcome in self.input.outcomes {
            let name = outcome.action.name();
            match &outcome.result {
                ActionResult::Denied(message) => {
                    self.next.denied.insert(name.to_owned(), Denial { at: now, message: message.clone() });
                }
                ActionResult::Busy(_) => self.look_again(now + BUSY_RECHECK),
                // AWS tried: it was allowed.
                ActionResult::Done
                | ActionResult::Launched(_)
                | ActionResult::Written(_)
                | ActionResult::Started(_)
                | ActionResult::NoTurn
                | ActionResult::Gone
                | ActionResult::Failed(_) => {
                    self.next.denied.remove(name);
                }
                ActionResult::Changed | ActionResult::Frozen | ActionResult::Unsupported => {}
            }
        }
        self.leave_out();
    }

    /// Leaves out what AWS denies or is just busy with, and what would need it.
    fn leave_out(&mut self) {
        let now = self.input.now;
        let before = self.actions.clone();
        // Without work nobody asks for the permission any more.
        let is_idle =
            self.next.replacements.values().all(|work| work.phase.surge().is_none()) && self.next.ledger.is_empty();
        self.next.denied.retain(|_, denial| !is_idle || now < denial.at + DENIED_RECHECK);
        for (action, denial) in self.next.denied.clone() {
            let retry_at = denial.at + DENIED_RECHECK;
            if now < retry_at {
                self.actions.retain(|planned| planned.name() != action);
                self.look_again(retry_at);
            }
            self.is_in(Condition::PermissionDenied { action }, denial.message);
        }
        // What AWS was just busy with is left alone until the next look.
        let is_busy = |action: &Action| {
            self.input
                .outcomes
                .iter()
                .any(|outcome| matches!(outcome.result, ActionResult::Busy(_)) && outcome.action == *action)
        };
        self.actions.retain(|action| !is_busy(action));
        // Without room a launch fails, and would count as an attempt.
        let makes_room = |action: &&Action| matches!(action, Action::SetMaximum { .. }) && action.is_disruptive();
        let missing: Vec<&GroupName> = before
            .iter()
            .filter(makes_room)
            .filter(|action| !self.actions.contains(action))
            .filter_map(Action::group)
            .collect();
        self.actions.retain(|action| {
            let needs_room =
                matches!(action, Action::Launch { .. } | Action::SetDesired { .. }) && action.is_disruptive();
            !(needs_room && action.group().is_some_and(|group| missing.contains(&group)))
        });
    }

    /// Announces states that were entered, that last, and that ended.
    fn announce(&mut self) {
        let now = self.input.now;
        // An answer without any group is no proof that anything is over.
        let is_blind = self.input.seen.groups.is_empty();
        let is_over = |key: &&String| !is_blind && !self.conditions.contains_key(*key);
        let ended: Vec<String> = self.next.conditions.keys().filter(is_over).cloned().collect();
        for condition in ended {
            if let Some(ConditionSince { since, .. }) = self.next.conditions.remove(&condition) {
                self.journal(None, &condition, "over", "");
                self.news.push(News::Ended { condition, since });
            }
        }
        for (key, (condition, detail)) in std::mem::take(&mut self.conditions) {
            match self.next.conditions.get_mut(&key) {
                None => {
                    self.journal(None, "", &key, detail.clone());
                    self.next
                        .conditions
                        .insert(key, ConditionSince { since: now, announced_at: now, detail: detail.clone() });
                    self.news.push(News::Entered { condition, detail });
                }
                Some(known) if now >= known.announced_at + REMIND_AFTER => {
                    known.announced_at = now;
                    known.detail.clone_from(&detail);
                    let since = known.since;
                    self.news.push(News::Lasts { condition, detail, since });
                }
                Some(_) => {}
            }
        }
    }

    pub(crate) fn finish(mut self) -> Decision {
        self.announce();
        let changed = self.input.record != Some(&self.next) || !self.journal.is_empty() || !self.consumed.is_empty();
        if changed {
            self.next.version += 1;
        }
        let version = self.next.version;
        let groups: Vec<GroupName> = self.input.seen.groups.iter().map(|group| group.name.clone()).collect();
        let notifications = fold(self.news).into_iter().enumerate().map(|(index, news)| Notification {
            id: format!("{}-{version}-{index}", self.input.fleet),
            fleet: self.input.fleet.clone(),
            groups: groups.clone(),
            at: self.input.now,
            news,
        });
        Decision {
            notifications: notifications.collect(),
            next: self.next,
            changed,
            consumed: self.consumed,
            journal: self.journal,
            actions: self.actions,
            waiting: self.waiting,
            recheck: self.recheck,
            begins_to_drift: self.begins_to_drift,
            cutover_waits: self.cutover_waits,
        }
    }
}
