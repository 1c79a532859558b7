//! The decision while it is being made: the record that will be committed, and what goes with it. Steps read it freely
//! and write it only by what stands here.

mod effects;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::action::{Action, ActionResult, Outcome};
use crate::decision::Decision;
use crate::draft::effects::Effects;
use crate::fleet::Color;
use crate::ids::{GroupName, ImageId, InstanceId, RuleName, Zone};
use crate::input::Input;
use crate::notification::{Condition, Details, Notification, REMIND_AFTER, fold};
use crate::observation::{Finding, Freeze};
use crate::policy::Mode;
use crate::record::history::History;
use crate::record::transitions::ReplacementEnd;
use crate::record::{
    Answered, BackOff, Begun, BorrowedSetting, Candidate, CandidateReason, ConditionSince, Cutover, CutoverOutcome,
    CutoverPhase, Deferred, Denial, Descent, DriftReason, Failure, Observed, PAST_MAX, PastCutover, Phase, Published,
    Quarantined, Record, Release, Replacement, RuleBreaker, Veto,
};
use crate::template::TemplateVersion;
use crate::text::UntrustedText;
use crate::waiting::Waiting;

/// A refused permission does not come back by itself within seconds; each try costs a call of the bucket that a
/// rollback may need.
const DENIED_RECHECK: SignedDuration = SignedDuration::from_mins(5);
/// AWS is busy with a group for as long as a scaling activity takes to get out of the way: seconds.
const BUSY_RECHECK: SignedDuration = SignedDuration::from_secs(10);

/// The decision while it is being made.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    input: Input<'a>,
    record: Record,
    history: History,
    effects: Effects,
    waiting: BTreeMap<InstanceId, Waiting>,
    consumed: Vec<String>,
    begins_to_drift: BTreeSet<RuleName>,
    cutover_waits: Option<Waiting>,
    details: Vec<Details>,
    conditions: BTreeMap<String, (Condition, UntrustedText)>,
    recheck: Option<Timestamp>,
}

impl<'a> Draft<'a> {
    pub(crate) fn new(input: Input<'a>) -> Self {
        Self {
            input,
            record: input.record.cloned().unwrap_or_else(|| Record::new(input.fleet.clone())),
            history: History::at_time(input.now),
            effects: Effects::default(),
            waiting: BTreeMap::new(),
            consumed: Vec::new(),
            begins_to_drift: BTreeSet::new(),
            cutover_waits: None,
            details: Vec::new(),
            conditions: BTreeMap::new(),
            recheck: None,
        }
    }

    /// What the decision is made from.
    pub(crate) const fn input(&self) -> Input<'a> {
        self.input
    }

    /// The record as it will be committed, as far as it is written.
    pub(crate) const fn record(&self) -> &Record {
        &self.record
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
    pub(crate) fn pause(&self, mode: Option<Mode>) -> Option<Waiting> {
        if let Some(freeze) = self.freeze() {
            return Some(Waiting::Frozen {
                reason: freeze.reason.clone(),
                owner: freeze.owner.clone(),
                until: freeze.expires_at,
            });
        }
        (mode == Some(Mode::Observe)).then_some(Waiting::Observed)
    }

    /// Reconcile again at this time, or earlier.
    pub(crate) fn requeue(&mut self, at: Timestamp) {
        let at = at.max(self.input.now);
        self.recheck = Some(self.recheck.map_or(at, |earlier| earlier.min(at)));
    }

    // ---- what is said of the fleet ---------------------------------------------------------------------------------

    /// The entries that are not about phases.
    pub(crate) const fn history(&mut self) -> &mut History {
        &mut self.history
    }

    /// Tells on-call.
    pub(crate) fn tell(&mut self, details: Details) {
        self.details.push(details);
    }

    /// Says that the fleet is in a state. It is announced when it was not before.
    pub(crate) fn is_in(&mut self, condition: Condition, detail: impl Into<UntrustedText>) {
        self.conditions.insert(condition.key(), (condition, detail.into()));
    }

    /// How many states with such a key this pass has found that are not on record yet.
    pub(crate) fn new_conditions(&self, prefix: &str) -> usize {
        let is_new = |key: &&String| key.starts_with(prefix) && !self.record.conditions.contains_key(*key);
        self.conditions.keys().filter(is_new).count()
    }

    /// What came of the last run's actions for the sake of one drifted instance, newest last.
    pub(crate) fn outcomes_for(&self, instance: &InstanceId) -> impl Iterator<Item = &'a Outcome> {
        self.input.outcomes.iter().filter(move |outcome| outcome.action.for_the_sake_of() == Some(instance))
    }

    /// Leaves a fact out of the next decision: it is part of the record, or of no use.
    pub(crate) fn consume(&mut self, fact: String) {
        self.consumed.push(fact);
    }

    /// Says why a drifted instance waits.
    pub(crate) fn waits(&mut self, instance: &InstanceId, waiting: Waiting) {
        self.waiting.insert(instance.clone(), waiting);
    }

    /// Says why the cutover waits.
    pub(crate) fn cutover_waits(&mut self, waiting: Option<Waiting>) {
        self.cutover_waits = waiting;
    }

    // ---- what is done ----------------------------------------------------------------------------------------------

    /// Does this, after what was decided before.
    pub(crate) fn act(&mut self, action: Action) {
        self.effects.push(action);
    }

    /// Raises a maximum, once for all who need room.
    pub(crate) fn raise_maximum(&mut self, group: &GroupName, expected: u32, maximum: u32) {
        self.effects.raise_maximum(group, expected, maximum);
    }

    /// Whether this decision takes an instance out of the group already.
    pub(crate) fn takes_from(&self, group: &GroupName) -> bool {
        self.effects.takes_from(group)
    }

    /// Whether this decision terminates the instance.
    pub(crate) fn terminates(&self, instance: &InstanceId) -> bool {
        self.effects.terminates(instance)
    }

    /// Whether this decision writes the group's desired capacity already.
    pub(crate) fn resizes(&self, group: &GroupName) -> bool {
        self.effects.resizes(group)
    }

    /// Whether this decision writes the group's minimum or maximum already.
    pub(crate) fn bounds(&self, group: &GroupName) -> bool {
        self.effects.bounds(group)
    }

    // ---- replacements ----------------------------------------------------------------------------------------------

    /// An instance is found drifted.
    pub(crate) fn begin_replacement(
        &mut self,
        instance: &InstanceId,
        (group, zone): (GroupName, Zone),
        drift: BTreeSet<DriftReason>,
        findings: BTreeMap<RuleName, Finding>,
    ) {
        self.begins_to_drift.extend(findings.keys().cloned());
        let found = Replacement::found(instance, group, zone, drift, findings, &mut self.history);
        self.record.replacements.insert(instance.clone(), found);
    }

    /// Whether an instance began to break a rule in this very look.
    pub(crate) fn begins_to_break(&self, rule: &RuleName) -> bool {
        self.begins_to_drift.contains(rule)
    }

    /// What a known instance is drifted for has changed.
    pub(crate) fn drifts_for(
        &mut self,
        instance: &InstanceId,
        drift: BTreeSet<DriftReason>,
        findings: &BTreeMap<RuleName, Finding>,
    ) {
        if let Some(known) = self.record.replacements.get_mut(instance) {
            known.drift = drift;
            known.findings.clone_from(findings);
        }
    }

    /// A replacement goes on to another phase.
    pub(crate) fn enter(&mut self, instance: &InstanceId, to: Phase, why: impl Into<UntrustedText>) {
        if let Some(replacement) = self.record.replacements.get_mut(instance) {
            replacement.enter(instance, to, why, &mut self.history);
        }
    }

    /// The data of a replacement's phase is brought up to date.
    pub(crate) fn stay(&mut self, instance: &InstanceId, phase: Phase) {
        if let Some(replacement) = self.record.replacements.get_mut(instance) {
            replacement.stay(phase);
        }
    }

    /// An attempt to replace an instance has failed.
    pub(crate) fn attempt_failed(&mut self, instance: &InstanceId, why: UntrustedText) {
        let failure = Failure { at: self.input.now, why };
        if let Some(replacement) = self.record.replacements.get_mut(instance) {
            replacement.failures.push(failure);
        }
    }

    /// A replacement is over: nothing is waited for.
    pub(crate) fn end_replacement(
        &mut self,
        instance: &InstanceId,
        end: ReplacementEnd,
        why: impl Into<UntrustedText>,
    ) {
        if let Some(replacement) = self.record.replacements.remove(instance) {
            self.waiting.remove(instance);
            replacement.end(instance, end, why, &mut self.history);
        }
    }

    /// An operator wants an instance replaced.
    pub(crate) fn ask_to_replace(&mut self, instance: &InstanceId, actor: &UntrustedText) {
        self.record.asked_to_replace.insert(instance.clone(), actor.clone());
    }

    /// What an operator asked for is done.
    pub(crate) fn is_replaced_as_asked(&mut self, instance: &InstanceId) {
        self.record.asked_to_replace.remove(instance);
    }

    /// A successor is remembered as one.
    pub(crate) fn descends(&mut self, successor: &InstanceId, descent: Descent) {
        self.record.repeat_drift.insert(successor.clone(), descent);
    }

    /// What concerns instances that are no members any more is forgotten, and descent that this does not keep.
    pub(crate) fn forget_all_but(
        &mut self,
        is_member: impl Fn(&InstanceId) -> bool,
        is_recent: impl Fn(&Descent) -> bool,
    ) {
        self.record.shown.retain(|id, _| is_member(id));
        self.record.asked_to_replace.retain(|id, _| is_member(id));
        self.record.repeat_drift.retain(|id, descent| is_member(id) && is_recent(descent));
    }

    /// AWS does not know `LaunchInstances`: surges raise the desired capacity for a while.
    pub(crate) const fn launches_by_desired(&mut self) {
        self.record.launches_by_desired_since = Some(self.input.now);
    }

    /// A launch found no room, or finds none still.
    pub(crate) fn no_room(&mut self, back_off: BackOff) {
        self.record.back_off = Some(back_off);
    }

    /// A launch found room, nothing asks for any, or an operator wants it tried again.
    pub(crate) fn room_may_be_there(&mut self) {
        self.record.back_off = None;
    }

    // ---- the cutover -----------------------------------------------------------------------------------------------

    /// A cutover begins, and whatever an operator asked for has begun with it.
    pub(crate) fn begin_cutover(&mut self, begun: Begun, why: impl Into<UntrustedText>) {
        self.record.memory.requested = None;
        self.record.cutover = Some(Cutover::begin(begun, why, &mut self.history));
    }

    /// The cutover goes on to another phase, which must have been left by then.
    pub(crate) fn enter_cutover(&mut self, to: CutoverPhase, deadline: Timestamp, why: impl Into<UntrustedText>) {
        if let Some(cutover) = &mut self.record.cutover {
            cutover.enter(to, deadline, why, &mut self.history);
        }
    }

    /// The cutover, which waits for its cutover slot, is to another candidate from here on.
    pub(crate) fn take_instead(&mut self, candidate: Candidate, why: impl Into<UntrustedText>) {
        if let Some(cutover) = &mut self.record.cutover {
            cutover.take_instead(candidate, why, &mut self.history);
        }
    }

    /// What is known of the cutover changes, within its phase. Answers what it is then.
    pub(crate) fn change_cutover(&mut self, change: impl FnOnce(&mut Cutover)) -> Option<&Cutover> {
        let cutover = self.record.cutover.as_mut()?;
        change(cutover);
        Some(cutover)
    }

    /// The cutover is over, and remembered. Answers what it was.
    pub(crate) fn end_cutover(&mut self, outcome: CutoverOutcome, why: &str) -> Option<PastCutover> {
        let cutover = self.record.cutover.take()?;
        let past = cutover.end(outcome, why, &mut self.history);
        let known = &mut self.record.memory.past;
        known.push(past.clone());
        let extra = known.len().saturating_sub(PAST_MAX);
        known.drain(..extra);
        Some(past)
    }

    /// An operator asks for a release.
    pub(crate) fn ask_for(&mut self, release: CandidateReason) {
        self.record.memory.requested = Some(release);
    }

    /// What an operator asked for cannot be had any more.
    pub(crate) fn drop_request(&mut self) {
        self.record.memory.requested = None;
    }

    /// A candidate is not tried again for now.
    pub(crate) fn defer(&mut self, candidate: String, deferred: Deferred) {
        self.record.memory.deferred.insert(candidate, deferred);
    }

    /// What runs now is not cut over to again by itself.
    pub(crate) fn defer_release(&mut self, release: &Release, why: &str) {
        self.defer(release.image.to_string(), Deferred { why: why.into(), until: None, tries: 0 });
    }

    /// Candidates are tried again, unless this keeps them deferred.
    pub(crate) fn try_again(&mut self, stays: impl Fn(&str) -> bool) {
        self.record.memory.deferred.retain(|candidate, _| stays(candidate));
    }

    // ---- what the fleet is -----------------------------------------------------------------------------------------

    /// An operator says which color is live.
    pub(crate) const fn live_is_said(&mut self, color: Color) {
        self.record.live = Some(color);
    }

    /// The groups and their traffic show which color is live.
    pub(crate) const fn live_is_found(&mut self, color: Option<Color>) {
        self.record.live = color;
    }

    /// A cutover has given all of the traffic to a color.
    pub(crate) const fn traffic_has_moved(&mut self, color: Option<Color>) {
        self.record.live = color;
    }

    /// All of the traffic is back with the release that had it.
    pub(crate) fn traffic_is_back(&mut self, color: Option<Color>, release: &Release) {
        self.record.live = color;
        self.record.release = Some(release.clone());
    }

    /// The live group shows what the release is.
    pub(crate) fn release_is_found(&mut self, release: Release) {
        self.record.release = Some(release);
    }

    /// A release has proven itself with all of the traffic.
    pub(crate) fn release_is_proven(&mut self, release: Release) {
        self.record.release = Some(release);
    }

    // ---- what one step alone writes --------------------------------------------------------------------------------

    /// Commands that were followed.
    pub(crate) const fn answered(&mut self) -> &mut Vec<Answered> {
        &mut self.record.answered
    }

    /// Findings under rules that are not on the list.
    pub(crate) const fn shown(&mut self) -> &mut BTreeMap<InstanceId, BTreeMap<RuleName, Finding>> {
        &mut self.record.shown
    }

    /// Instances that ran another version when a version became the release.
    pub(crate) const fn backlog(&mut self) -> &mut BTreeSet<InstanceId> {
        &mut self.record.backlog
    }

    /// Rules under which many fleets drifted at once. An operator closes them all.
    pub(crate) const fn rule_breakers(&mut self) -> &mut BTreeMap<RuleName, RuleBreaker> {
        &mut self.record.rule_breakers
    }

    /// Settings that Driftless has changed.
    pub(crate) const fn borrowed_settings(&mut self) -> &mut Vec<BorrowedSetting> {
        &mut self.record.borrowed_settings
    }

    /// Instances that are kept for forensics.
    pub(crate) const fn quarantined(&mut self) -> &mut BTreeMap<InstanceId, Quarantined> {
        &mut self.record.quarantined
    }

    /// What observe mode has deferred.
    pub(crate) const fn observed(&mut self) -> &mut Option<Box<Observed>> {
        &mut self.record.observed
    }

    /// Groups that an operator wants pinned.
    pub(crate) const fn pins(&mut self) -> &mut BTreeMap<GroupName, TemplateVersion> {
        &mut self.record.pins
    }

    /// Releases that have proven themselves.
    pub(crate) const fn good(&mut self) -> &mut Vec<Release> {
        &mut self.record.memory.good
    }

    /// Images that must not take traffic.
    pub(crate) const fn vetoes(&mut self) -> &mut BTreeMap<ImageId, Veto> {
        &mut self.record.memory.vetoes
    }

    /// Images that the pipeline announced.
    pub(crate) const fn published(&mut self) -> &mut BTreeMap<ImageId, Published> {
        &mut self.record.memory.published
    }

    /// Why each image that asked to be taken is no candidate.
    pub(crate) const fn refused(&mut self) -> &mut BTreeMap<ImageId, UntrustedText> {
        &mut self.record.memory.refused
    }

    // ---- the end ---------------------------------------------------------------------------------------------------

    /// What every outcome asks for, whatever it was about: patience, or an operator.
    pub(crate) fn note_outcomes(&mut self) {
        let now = self.input.now;
        for outcome in self.input.outcomes {
            let name = outcome.action.name();
            match &outcome.result {
                ActionResult::Denied(message) => {
                    self.record.denied.insert(name.to_owned(), Denial { at: now, message: message.clone() });
                }
                ActionResult::Busy(_) => self.requeue(now + BUSY_RECHECK),
                // AWS tried: it was allowed.
                ActionResult::Done
                | ActionResult::Launched(_)
                | ActionResult::Written(_)
                | ActionResult::Started(_)
                | ActionResult::NoSlot
                | ActionResult::Gone
                | ActionResult::Failed(_) => {
                    self.record.denied.remove(name);
                }
                ActionResult::Changed | ActionResult::Frozen | ActionResult::Unsupported => {}
            }
        }
        self.leave_out();
    }

    /// Leaves out what AWS denies or is just busy with, and what would need it.
    fn leave_out(&mut self) {
        let now = self.input.now;
        let before = self.effects.actions().to_vec();
        // Without work nobody asks for the permission any more.
        let is_idle = self.record.replacements.values().all(|work| work.phase().surge().is_none())
            && self.record.borrowed_settings.is_empty();
        self.record.denied.retain(|_, denial| !is_idle || now < denial.at + DENIED_RECHECK);
        for (action, denial) in self.record.denied.clone() {
            let retry_at = denial.at + DENIED_RECHECK;
            if now < retry_at {
                self.effects.retain(|planned| planned.name() != action);
                self.requeue(retry_at);
            }
            self.is_in(Condition::PermissionDenied { action }, denial.message);
        }
        // What AWS was just busy with is left alone until the next pass.
        let is_busy = |action: &Action| {
            self.input
                .outcomes
                .iter()
                .any(|outcome| matches!(outcome.result, ActionResult::Busy(_)) && outcome.action == *action)
        };
        self.effects.retain(|action| !is_busy(action));
        // Without room a launch fails, and would count as an attempt.
        let makes_room = |action: &&Action| matches!(action, Action::SetMaximum { .. }) && action.is_disruptive();
        let missing: Vec<&GroupName> = before
            .iter()
            .filter(makes_room)
            .filter(|action| !self.effects.actions().contains(action))
            .filter_map(Action::group)
            .collect();
        self.effects.retain(|action| {
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
        let ended: Vec<String> = self.record.conditions.keys().filter(is_over).cloned().collect();
        for condition in ended {
            if let Some(ConditionSince { since, .. }) = self.record.conditions.remove(&condition) {
                self.history.condition(&condition, true, "");
                self.details.push(Details::Ended { condition, since });
            }
        }
        for (key, (condition, detail)) in std::mem::take(&mut self.conditions) {
            match self.record.conditions.get_mut(&key) {
                None => {
                    self.history.condition(&key, false, detail.clone());
                    self.record
                        .conditions
                        .insert(key, ConditionSince { since: now, announced_at: now, detail: detail.clone() });
                    self.details.push(Details::Entered { condition, detail });
                }
                Some(known) if now >= known.announced_at + REMIND_AFTER => {
                    known.announced_at = now;
                    known.detail.clone_from(&detail);
                    let since = known.since;
                    self.details.push(Details::Lasts { condition, detail, since });
                }
                Some(_) => {}
            }
        }
    }

    pub(crate) fn finish(mut self) -> Decision {
        self.announce();
        let changed =
            self.input.record != Some(&self.record) || !self.history.entries().is_empty() || !self.consumed.is_empty();
        if changed {
            self.record.version += 1;
        }
        let version = self.record.version;
        let groups: Vec<GroupName> = self.input.seen.groups.iter().map(|group| group.name.clone()).collect();
        let notifications = fold(self.details).into_iter().enumerate().map(|(index, details)| Notification {
            id: format!("{}-{version}-{index}", self.input.fleet),
            fleet: self.input.fleet.clone(),
            groups: groups.clone(),
            at: self.input.now,
            details,
        });
        Decision {
            notifications: notifications.collect(),
            next: self.record,
            changed,
            consumed: self.consumed,
            history: self.history.into_entries(),
            actions: self.effects.into_actions(),
            waiting: self.waiting,
            recheck: self.recheck,
            begins_to_drift: self.begins_to_drift,
            cutover_waits: self.cutover_waits,
        }
    }
}
