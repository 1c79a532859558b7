//! A decision in progress: the next record, and everything that is committed with it. The steps of a decision read it
//! freely and write it only through its methods.

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

/// How long Driftless waits before it repeats a call that IAM denied. A permission is not granted within seconds, and
/// each retry costs a call of the rate limit that a rollback may need.
const DENIED_RECHECK: SignedDuration = SignedDuration::from_mins(5);
/// How long Driftless waits when AWS is busy with a group: a scaling activity usually ends within seconds.
const BUSY_RECHECK: SignedDuration = SignedDuration::from_secs(10);

/// A decision in progress, which the steps of the decision read and extend.
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

    /// The input of the decision.
    pub(crate) const fn input(&self) -> Input<'a> {
        self.input
    }

    /// The next record, with the changes of the steps so far.
    pub(crate) const fn record(&self) -> &Record {
        &self.record
    }

    /// The freeze that is in force for this fleet now; of several, the one that ends last.
    pub(crate) fn freeze(&self) -> Option<&'a Freeze> {
        let freezes = self.input.freezes.iter().filter(|freeze| freeze.holds(self.input.now));
        freezes.max_by_key(|freeze| freeze.expires_at.unwrap_or(Timestamp::MAX))
    }

    /// When the oldest freeze that is in force began. None: the fleet is not frozen.
    pub(crate) fn frozen_since(&self) -> Option<Timestamp> {
        let freezes = self.input.freezes.iter().filter(|freeze| freeze.holds(self.input.now));
        freezes.map(|freeze| freeze.since).min()
    }

    /// Why work in progress is paused: a freeze is in force, or the fleet is in observe mode. Both take effect
    /// immediately. None: work is not paused.
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

    /// Requests a pass at this time at the latest.
    pub(crate) fn requeue(&mut self, at: Timestamp) {
        let at = at.max(self.input.now);
        self.recheck = Some(self.recheck.map_or(at, |earlier| earlier.min(at)));
    }

    // ---- what is said of the fleet ---------------------------------------------------------------------------------

    /// The history of this decision, for entries that are not about phases.
    pub(crate) const fn history(&mut self) -> &mut History {
        &mut self.history
    }

    /// Adds a notification to the decision.
    pub(crate) fn tell(&mut self, details: Details) {
        self.details.push(details);
    }

    /// Notes that the fleet is in a condition. On-call gets a message if the condition is new.
    pub(crate) fn is_in(&mut self, condition: Condition, detail: impl Into<UntrustedText>) {
        self.conditions.insert(condition.key(), (condition, detail.into()));
    }

    /// The number of conditions with this key prefix that this pass found and the record lacks.
    pub(crate) fn new_conditions(&self, prefix: &str) -> usize {
        let is_new = |key: &&String| key.starts_with(prefix) && !self.record.conditions.contains_key(*key);
        self.conditions.keys().filter(is_new).count()
    }

    /// The actions of the previous decision in the same run that were about one instance, with their results, the
    /// newest last.
    pub(crate) fn outcomes_for(&self, instance: &InstanceId) -> impl Iterator<Item = &'a Outcome> {
        self.input.outcomes.iter().filter(move |outcome| outcome.action.for_the_sake_of() == Some(instance))
    }

    /// Marks the fact with this key for deletion, because the record contains it or it is of no use.
    pub(crate) fn consume(&mut self, fact: String) {
        self.consumed.push(fact);
    }

    /// Sets the reason for which a drifted instance waits.
    pub(crate) fn waits(&mut self, instance: &InstanceId, waiting: Waiting) {
        self.waiting.insert(instance.clone(), waiting);
    }

    /// Sets the reason for which the cutover waits. None: the cutover does not wait.
    pub(crate) fn cutover_waits(&mut self, waiting: Option<Waiting>) {
        self.cutover_waits = waiting;
    }

    // ---- what is done ----------------------------------------------------------------------------------------------

    /// Adds an action after the earlier ones.
    pub(crate) fn act(&mut self, action: Action) {
        self.effects.push(action);
    }

    /// Adds a raise of a group's `MaxSize`: one action for all replacements of this decision that need room.
    pub(crate) fn raise_maximum(&mut self, group: &GroupName, expected: u32, maximum: u32) {
        self.effects.raise_maximum(group, expected, maximum);
    }

    /// Whether this decision already removes an instance from the group.
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

    /// Adds the replacement of a newly drifted instance to the record, and notes the Config rules that the instance
    /// began to break.
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

    /// Whether an instance began to break the rule in this pass.
    pub(crate) fn begins_to_break(&self, rule: &RuleName) -> bool {
        self.begins_to_drift.contains(rule)
    }

    /// Updates the drift reasons and the Config findings of an instance that the record knows as drifted.
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

    /// Moves a replacement to another phase.
    pub(crate) fn enter(&mut self, instance: &InstanceId, to: Phase, why: impl Into<UntrustedText>) {
        if let Some(replacement) = self.record.replacements.get_mut(instance) {
            replacement.enter(instance, to, why, &mut self.history);
        }
    }

    /// Updates the data of a replacement's phase without a transition.
    pub(crate) fn stay(&mut self, instance: &InstanceId, phase: Phase) {
        if let Some(replacement) = self.record.replacements.get_mut(instance) {
            replacement.stay(phase);
        }
    }

    /// Records a failed attempt to replace an instance.
    pub(crate) fn attempt_failed(&mut self, instance: &InstanceId, why: UntrustedText) {
        let failure = Failure { at: self.input.now, why };
        if let Some(replacement) = self.record.replacements.get_mut(instance) {
            replacement.failures.push(failure);
        }
    }

    /// Ends a replacement.
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

    /// Stores an operator's request to replace an instance.
    pub(crate) fn ask_to_replace(&mut self, instance: &InstanceId, actor: &UntrustedText) {
        self.record.asked_to_replace.insert(instance.clone(), actor.clone());
    }

    /// Clears the operator's request: the instance has been replaced.
    pub(crate) fn is_replaced_as_asked(&mut self, instance: &InstanceId) {
        self.record.asked_to_replace.remove(instance);
    }

    /// Records which instance a replacement instance replaced, with the drift reasons, to detect repeat drift.
    pub(crate) fn descends(&mut self, successor: &InstanceId, descent: Descent) {
        self.record.repeat_drift.insert(successor.clone(), descent);
    }

    /// Forgets stored data of instances that are no longer members, and the origin of replacement instances that
    /// `is_recent` rejects.
    pub(crate) fn forget_all_but(
        &mut self,
        is_member: impl Fn(&InstanceId) -> bool,
        is_recent: impl Fn(&Descent) -> bool,
    ) {
        self.record.shown.retain(|id, _| is_member(id));
        self.record.asked_to_replace.retain(|id, _| is_member(id));
        self.record.repeat_drift.retain(|id, descent| is_member(id) && is_recent(descent));
    }

    /// Records that AWS does not support `LaunchInstances`: for a while, replacements raise the desired capacity
    /// instead.
    pub(crate) const fn launches_by_desired(&mut self) {
        self.record.launches_by_desired_since = Some(self.input.now);
    }

    /// Records the fleet's back-off after a capacity shortage.
    pub(crate) fn no_room(&mut self, back_off: BackOff) {
        self.record.back_off = Some(back_off);
    }

    /// Ends the back-off after a capacity shortage: a launch succeeded, none is needed, or an operator retries.
    pub(crate) fn room_may_be_there(&mut self) {
        self.record.back_off = None;
    }

    // ---- the cutover -----------------------------------------------------------------------------------------------

    /// Begins a cutover, and clears the operator's request that it fulfils.
    pub(crate) fn begin_cutover(&mut self, begun: Begun, why: impl Into<UntrustedText>) {
        self.record.memory.requested = None;
        self.record.cutover = Some(Cutover::begin(begun, why, &mut self.history));
    }

    /// Moves the cutover to another phase, with its deadline.
    pub(crate) fn enter_cutover(&mut self, to: CutoverPhase, deadline: Timestamp, why: impl Into<UntrustedText>) {
        if let Some(cutover) = &mut self.record.cutover {
            cutover.enter(to, deadline, why, &mut self.history);
        }
    }

    /// Changes the candidate of a cutover that still waits for its slot.
    pub(crate) fn take_instead(&mut self, candidate: Candidate, why: impl Into<UntrustedText>) {
        if let Some(cutover) = &mut self.record.cutover {
            cutover.take_instead(candidate, why, &mut self.history);
        }
    }

    /// Changes the data of the cutover without a transition. Returns the changed cutover. None: no cutover is in
    /// progress.
    pub(crate) fn change_cutover(&mut self, change: impl FnOnce(&mut Cutover)) -> Option<&Cutover> {
        let cutover = self.record.cutover.as_mut()?;
        change(cutover);
        Some(cutover)
    }

    /// Ends the cutover and stores its result. Returns the result. None: no cutover is in progress.
    pub(crate) fn end_cutover(&mut self, outcome: CutoverOutcome, why: &str) -> Option<PastCutover> {
        let cutover = self.record.cutover.take()?;
        let past = cutover.end(outcome, why, &mut self.history);
        let known = &mut self.record.memory.past;
        known.push(past.clone());
        let extra = known.len().saturating_sub(PAST_MAX);
        known.drain(..extra);
        Some(past)
    }

    /// Stores an operator's request for a cutover to a release.
    pub(crate) fn ask_for(&mut self, release: CandidateReason) {
        self.record.memory.requested = Some(release);
    }

    /// Clears an operator's request for a cutover to a release that is no longer available.
    pub(crate) fn drop_request(&mut self) {
        self.record.memory.requested = None;
    }

    /// Defers a candidate, so that the fleet does not cut over to it by itself while the deferral lasts.
    pub(crate) fn defer(&mut self, candidate: String, deferred: Deferred) {
        self.record.memory.deferred.insert(candidate, deferred);
    }

    /// Defers a release until an operator ends the deferral: the fleet does not cut over to it again by itself.
    pub(crate) fn defer_release(&mut self, release: &Release, why: &str) {
        self.defer(release.image.to_string(), Deferred { why: why.into(), until: None, tries: 0 });
    }

    /// Ends the deferral of candidates, except those that the predicate keeps.
    pub(crate) fn try_again(&mut self, stays: impl Fn(&str) -> bool) {
        self.record.memory.deferred.retain(|candidate, _| stays(candidate));
    }

    // ---- what the fleet is -----------------------------------------------------------------------------------------

    /// Sets the live color that an operator chose.
    pub(crate) const fn live_is_said(&mut self, color: Color) {
        self.record.live = Some(color);
    }

    /// Sets the live color that the groups and their traffic show.
    pub(crate) const fn live_is_found(&mut self, color: Option<Color>) {
        self.record.live = color;
    }

    /// Sets the color that has all of the traffic after a cutover.
    pub(crate) const fn traffic_has_moved(&mut self, color: Option<Color>) {
        self.record.live = color;
    }

    /// Sets the color and the release that have all of the traffic again after a rollback.
    pub(crate) fn traffic_is_back(&mut self, color: Option<Color>, release: &Release) {
        self.record.live = color;
        self.record.release = Some(release.clone());
    }

    /// Sets the release that the live group runs.
    pub(crate) fn release_is_found(&mut self, release: Release) {
        self.record.release = Some(release);
    }

    /// Sets the release that a finished cutover verified with all of the traffic.
    pub(crate) fn release_is_proven(&mut self, release: Release) {
        self.record.release = Some(release);
    }

    // ---- what one step alone writes --------------------------------------------------------------------------------

    /// The commands that were executed, with their answers.
    pub(crate) const fn answered(&mut self) -> &mut Vec<Answered> {
        &mut self.record.answered
    }

    /// By instance: AWS Config findings under rules that the policy does not list. They are shown and never acted on.
    pub(crate) const fn shown(&mut self) -> &mut BTreeMap<InstanceId, BTreeMap<RuleName, Finding>> {
        &mut self.record.shown
    }

    /// Instances that already ran another launch template version when the current release was set.
    pub(crate) const fn backlog(&mut self) -> &mut BTreeSet<InstanceId> {
        &mut self.record.backlog
    }

    /// The open breakers of Config rules under which many fleets drifted at once.
    pub(crate) const fn rule_breakers(&mut self) -> &mut BTreeMap<RuleName, RuleBreaker> {
        &mut self.record.rule_breakers
    }

    /// The settings that Driftless has changed and must restore.
    pub(crate) const fn borrowed_settings(&mut self) -> &mut Vec<BorrowedSetting> {
        &mut self.record.borrowed_settings
    }

    /// Instances in quarantine.
    pub(crate) const fn quarantined(&mut self) -> &mut BTreeMap<InstanceId, Quarantined> {
        &mut self.record.quarantined
    }

    /// What Driftless would have done in observe mode since the last weekly digest.
    pub(crate) const fn observed(&mut self) -> &mut Option<Box<Observed>> {
        &mut self.record.observed
    }

    /// By group: the launch template version to which an operator asked to pin the group.
    pub(crate) const fn pins(&mut self) -> &mut BTreeMap<GroupName, TemplateVersion> {
        &mut self.record.pins
    }

    /// Releases that a cutover has verified, to which a rollback can return.
    pub(crate) const fn good(&mut self) -> &mut Vec<Release> {
        &mut self.record.memory.good
    }

    /// Images that must not take traffic.
    pub(crate) const fn vetoes(&mut self) -> &mut BTreeMap<ImageId, Veto> {
        &mut self.record.memory.vetoes
    }

    /// Images that a pipeline published for the fleet.
    pub(crate) const fn published(&mut self) -> &mut BTreeMap<ImageId, Published> {
        &mut self.record.memory.published
    }

    /// Why each newer image is not a candidate.
    pub(crate) const fn refused(&mut self) -> &mut BTreeMap<ImageId, UntrustedText> {
        &mut self.record.memory.refused
    }

    // ---- the end ---------------------------------------------------------------------------------------------------

    /// Handles the action results that need the same reaction for every action: waits if AWS is busy, and notifies
    /// on-call if IAM denied a call. Then removes the actions that would fail for these reasons.
    pub(crate) fn note_outcomes(&mut self) {
        let now = self.input.now;
        for outcome in self.input.outcomes {
            let name = outcome.action.name();
            match &outcome.result {
                ActionResult::Denied(message) => {
                    self.record.denied.insert(name.to_owned(), Denial { at: now, message: message.clone() });
                }
                ActionResult::Busy(_) => self.requeue(now + BUSY_RECHECK),
                // AWS made an attempt, so the call was allowed.
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

    /// Removes actions that IAM denies or for which AWS is busy, and the launches that would fail without them.
    fn leave_out(&mut self) {
        let now = self.input.now;
        let before = self.effects.actions().to_vec();
        // Without work in progress no call needs the permission any more.
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
        // A group that AWS was just busy with is left alone until the next pass.
        let is_busy = |action: &Action| {
            self.input
                .outcomes
                .iter()
                .any(|outcome| matches!(outcome.result, ActionResult::Busy(_)) && outcome.action == *action)
        };
        self.effects.retain(|action| !is_busy(action));
        // Without the raised maximum a launch would fail, and would count as a failed attempt.
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

    /// Adds the notifications about conditions that began, have lasted for [`REMIND_AFTER`] since the last message, or
    /// ended.
    fn announce(&mut self) {
        let now = self.input.now;
        // A read without any group does not prove that a condition ended.
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
