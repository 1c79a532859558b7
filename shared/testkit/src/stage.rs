//! A fleet in a test: its AWS resources, the state that Driftless stores, and the time. Every pass is checked.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;

use driftless_planner::action::{Action, ActionResult, Outcome};
use driftless_planner::alarm::Alarm;
use driftless_planner::alarm::{AlarmState, AlarmSubject};
use driftless_planner::answer::{Answer, CheckResult};
use driftless_planner::balancer::{Forward, TargetGroupSettings};
use driftless_planner::check;
use driftless_planner::decide;
use driftless_planner::decision::Decision;
use driftless_planner::event::EventBatch;
use driftless_planner::explain::{self, Explanation};
use driftless_planner::fact::Fact;
use driftless_planner::history::HistoryEntry;
use driftless_planner::ids::{AlarmName, GroupName, ImageId, InstanceId, RuleName, TargetGroupArn, TemplateId};
use driftless_planner::image::Image;
use driftless_planner::input::Input;
use driftless_planner::notification::{Details, Notification};
use driftless_planner::observation::{
    Account, Ec2Instance, Freeze, Group, LaunchFailure, Lifecycle, Member, Observation, RuleReading, TargetHealth,
};
use driftless_planner::policy::Defaults;
use driftless_planner::read_plan::{self, StoredState};
use driftless_planner::reading::{AlarmReading, Reading};
use driftless_planner::record::{CutoverPhase, Phase, Record, Replacement};
use driftless_planner::refresh::Refresh;
use driftless_planner::template::{TemplateContent, TemplateVersion};
use driftless_planner::waiting::{GuardId, Waiting};
use jiff::{SignedDuration, Timestamp};

use crate::{
    Compliance, OTHER_RULE, RULE, content, finding, fleet, forward, group, id, quiet_alarm, rule, secs, t0,
    target_group, version,
};

/// The state of one test: a fleet, what Driftless stores for it, and what happened so far.
#[derive(Debug, Clone, Default)]
pub struct Stage {
    pub now: Timestamp,
    pub groups: Vec<Group>,
    /// The weights of each target group, one for each forward action.
    pub traffic: BTreeMap<TargetGroupArn, Vec<u32>>,
    pub compliance: Compliance,
    /// Config rules that the reconcile pass does not read.
    pub unread: BTreeSet<RuleName>,
    pub machines: BTreeMap<InstanceId, Ec2Instance>,
    pub templates: BTreeMap<TemplateVersion, TemplateContent>,
    pub refreshes: BTreeMap<GroupName, Refresh>,
    pub hook_timeout: SignedDuration,
    pub account: Account,
    pub alarms: BTreeMap<AlarmName, Alarm>,
    /// Images that EC2 knows.
    pub images: Vec<Image>,
    /// The stickiness of every forward action.
    pub stickiness: Option<SignedDuration>,
    pub launch_failures: BTreeMap<GroupName, LaunchFailure>,
    pub freezes: Vec<Freeze>,
    pub facts: Vec<Fact>,
    pub defaults: Defaults,
    pub record: Option<Record>,
    pub outcomes: Vec<Outcome>,
    /// Instances that fail the health checks of their target groups.
    pub sick: BTreeSet<InstanceId>,
    /// Instances whose health the load balancer has not determined.
    pub unreported: BTreeSet<InstanceId>,
    /// Images whose instances fail the health checks of their target groups.
    pub broken: BTreeSet<ImageId>,
    /// Instances that stay pending when the others come into service.
    pub deferred: BTreeSet<InstanceId>,
    /// The scripted results, by the name of the action. An action with a scripted result has no effect.
    pub scripted: BTreeMap<&'static str, ActionResult>,
    /// Whether Auto Scaling launches missing instances.
    pub launches: bool,
    pub launched: BTreeMap<String, InstanceId>,
    pub last_id: u32,
    pub acted: Vec<Outcome>,
    pub history: Vec<HistoryEntry>,
    pub events: Vec<EventBatch>,
    pub told: Vec<Notification>,
}

/// A committed decision. The caller may ignore it, because it is stored already.
#[derive(Debug)]
pub struct Reconciled(Decision);

impl Deref for Reconciled {
    type Target = Decision;

    fn deref(&self) -> &Decision {
        &self.0
    }
}

impl Stage {
    /// A single group of `size` instances in act mode, with no drift and before the first pass.
    pub fn new(size: u32) -> Self {
        Self::with(vec![group(size)])
    }

    /// A stage with these groups, before the first pass.
    pub fn with(groups: Vec<Group>) -> Self {
        let machine = Ec2Instance {
            image: "ami-00000000000000001".parse().unwrap(),
            template: Some(version(1)),
            launched_at: t0() - SignedDuration::from_hours(48),
            protect: None,
        };
        let members = groups.iter().flat_map(|group| &group.members);
        let image = Some("ami-00000000000000001".parse().unwrap());
        Self {
            now: t0(),
            traffic: BTreeMap::from([(target_group("app"), vec![100])]),
            compliance: [RULE, OTHER_RULE].map(|name| (rule(name), BTreeMap::new())).into(),
            machines: members.map(|member| (member.id.clone(), machine.clone())).collect(),
            templates: BTreeMap::from([(version(1), content(image))]),
            alarms: BTreeMap::from(["web-5xx", "api-5xx"].map(|name| (name.parse().unwrap(), quiet_alarm()))),
            images: vec![crate::image(1)],
            launches: true,
            last_id: 100,
            groups,
            ..Self::default()
        }
    }

    /// A managed group of `size` instances, in which instances with these numbers have been drifted for longer than the
    /// debounce. The next pass admits the replacements that the guards allow.
    pub fn drifted(size: u32, drifted: &[u32]) -> Self {
        let mut stage = Self::new(size);
        for number in drifted {
            stage.drift(*number);
        }
        stage.reconcile();
        stage.wait(crate::mins(5));
        stage.told.clear();
        stage.history.clear();
        stage
    }

    /// A stage as from [`Self::drifted`], in which the replacement of instance 1 is under way and its replacement
    /// instance is pending. Returns the stage and the replacement instance.
    pub fn verifying(size: u32) -> (Self, InstanceId) {
        let mut stage = Self::drifted(size, &[1]);
        stage.reconcile();
        stage.reconcile();
        let successor = stage.successor(1);
        (stage, successor)
    }

    /// A stage as from [`Self::verifying`], in which the replacement instance is healthy.
    pub fn serving(size: u32) -> (Self, InstanceId) {
        let (mut stage, successor) = Self::verifying(size);
        stage.arrive();
        stage.reconcile();
        (stage, successor)
    }

    /// A stage as from [`Self::verifying`], in which drifted instance 1 is about to be terminated: the decision is
    /// committed, and AWS refuses the call as busy.
    pub fn retiring(size: u32) -> (Self, InstanceId) {
        let (mut stage, successor) = Self::serving(size);
        stage.wait(crate::mins(1));
        stage.scripted.insert("terminate", ActionResult::Busy("an activity is in progress".into()));
        stage.reconcile();
        stage.scripted.clear();
        stage.outcomes.clear();
        assert_eq!(stage.phase(1), "retiring");
        (stage, successor)
    }

    // ---- the world ---------------------------------------------------------------------------------------------------

    pub fn tag(&mut self, key: &str, value: &str) {
        for group in &mut self.groups {
            group.tags.insert(format!("driftless:{key}"), value.to_owned());
        }
    }

    pub fn drift(&mut self, number: u32) {
        self.drift_under(id(number), RULE);
    }

    pub fn drift_under(&mut self, instance: InstanceId, name: &str) {
        self.compliance.entry(rule(name)).or_default().insert(instance, finding());
    }

    pub fn comply(&mut self, number: u32) {
        for instances in self.compliance.values_mut() {
            instances.remove(&id(number));
        }
    }

    pub fn wait(&mut self, duration: SignedDuration) {
        self.now += duration;
    }

    /// An operator suspends a process of the first group.
    pub fn suspend(&mut self, process: &str) {
        self.group().suspended.insert(process.to_owned());
    }

    pub fn group(&mut self) -> &mut Group {
        &mut self.groups[0]
    }

    /// The instance with this number, which is a member of the first group: the only group or the live one.
    pub fn member_mut(&mut self, number: u32) -> &mut Member {
        self.groups[0].members.iter_mut().find(|member| member.id == id(number)).unwrap()
    }

    pub fn desired(&self) -> u32 {
        self.groups[0].desired
    }

    pub fn has(&self, instance: &InstanceId) -> bool {
        let member = self.groups.iter().find_map(|group| group.member(instance));
        member.is_some_and(|member| member.lifecycle != Lifecycle::Terminating)
    }

    /// Adds an alarm in this state, whose dimensions name these instances.
    pub fn alarm(&mut self, name: &str, state: AlarmState, instances: &[u32]) {
        let instances = instances.iter().map(|number| id(*number)).collect();
        let subject = AlarmSubject { instances, ..AlarmSubject::default() };
        self.alarms.insert(name.parse().unwrap(), Alarm { state, since: self.now, subject, ..quiet_alarm() });
    }

    // ---- what is remembered ------------------------------------------------------------------------------------------

    pub fn record(&self) -> &Record {
        self.record.as_ref().expect("looked at")
    }

    pub fn replacement(&self, number: u32) -> Option<&Replacement> {
        self.record().replacements.get(&id(number))
    }

    /// The phase of the replacement of an instance, or `-` if the record has no such replacement.
    pub fn phase(&self, number: u32) -> &'static str {
        self.replacement(number).map_or("-", |replacement| replacement.phase().name())
    }

    pub fn waits_for(&self, number: u32) -> Option<&Waiting> {
        if let Phase::Blocked(waiting) = &self.replacement(number)?.phase() { Some(waiting) } else { None }
    }

    pub fn successor(&self, number: u32) -> InstanceId {
        self.replacement(number)
            .and_then(|replacement| replacement.phase().successor())
            .expect("has a successor")
            .clone()
    }

    /// Number of replacements under way.
    pub fn surges(&self) -> usize {
        self.record().replacements.values().filter(|replacement| replacement.phase().surge().is_some()).count()
    }

    /// The kinds of the notifications so far, in order. The kind of a condition is followed by the key of the
    /// condition.
    pub fn kinds(&self) -> Vec<String> {
        let kind = |told: &Notification| {
            if let Details::Entered { condition, .. } | Details::Lasts { condition, .. } = &told.details {
                format!("{} {}", told.kind(), condition.key())
            } else if let Details::Ended { condition, .. } = &told.details {
                format!("ended {condition}")
            } else if let Details::Many { count, .. } = &told.details {
                format!("{count} {}", told.kind())
            } else {
                told.kind().to_owned()
            }
        };
        self.told.iter().map(kind).collect()
    }

    /// The names of the actions that were executed so far, in order.
    pub fn done(&self) -> Vec<&'static str> {
        self.acted.iter().map(|outcome| outcome.action.name()).collect()
    }

    pub fn terminated(&self) -> Vec<InstanceId> {
        let done = self.acted.iter().filter(|outcome| outcome.result == ActionResult::Done);
        let terminated = |action: &Action| {
            if let Action::Terminate { instance, .. } = action { Some(instance.clone()) } else { None }
        };
        done.filter_map(|outcome| terminated(&outcome.action)).collect()
    }

    // ---- looking -----------------------------------------------------------------------------------------------------

    /// The images that are tagged for the fleet. Every pass reads them.
    fn tagged(&self) -> Vec<Image> {
        let is_tagged =
            |image: &&Image| image.is_own && image.image_for.as_ref().is_some_and(|fleet| fleet.as_str() == "app");
        self.images.iter().filter(is_tagged).cloned().collect()
    }

    /// The targets of these target groups, each with its health.
    pub fn targets(
        &self,
        asked: &BTreeSet<TargetGroupArn>,
    ) -> BTreeMap<TargetGroupArn, BTreeMap<InstanceId, TargetHealth>> {
        let members = |arn: &TargetGroupArn| {
            let attached = self.groups.iter().filter(|group| group.target_groups.contains(arn));
            let members = attached.flat_map(|group| &group.members);
            members.map(|member| (member.id.clone(), self.health(member))).collect()
        };
        asked.iter().map(|arn| (arn.clone(), members(arn))).collect()
    }

    /// What a reconcile pass observes: only what the planner's read plan contains.
    pub fn observation(&self) -> Observation {
        let policy = read_plan::policy(&fleet(), &self.groups, &self.defaults);
        let policy = policy.as_ref();
        let known = StoredState { record: self.record.as_ref(), has_news: !self.facts.is_empty() };
        let first = read_plan::first(&fleet(), &self.groups, &self.tagged(), known, policy);
        let mut seen = Observation { groups: self.groups.clone(), ..Observation::default() };
        seen.targets = Reading::of(first.targets.clone(), self.targets(&first.targets));
        seen.forwards = self.forwards();
        for rule in first.rules.iter().filter(|rule| !self.unread.contains(rule)) {
            let reading = self.compliance.get(rule).cloned().map_or(RuleReading::NoSuchRule, RuleReading::NonCompliant);
            seen.compliance.insert(rule.clone(), reading);
        }
        let content = |version: &TemplateVersion| (version.clone(), self.templates.get(version).cloned());
        seen.templates = first.templates.iter().map(content).collect();
        let is_asked = |image: &&Image| first.images.contains(&image.id);
        let images = self.tagged().into_iter().chain(self.images.iter().filter(is_asked).cloned());
        let images = images.map(|image| (image.id.clone(), image)).collect();
        seen.images = Reading::of(first.images.clone(), images);
        let newest = |template: &TemplateId| {
            let versions = self.templates.keys().filter(|version| version.template == *template);
            versions.map(|version| version.version).max()
        };
        let newest = first.newest_templates.iter().map(|template| (template.clone(), newest(template)));
        seen.newest_templates = newest.collect();
        let settings = TargetGroupSettings {
            stickiness: self.stickiness,
            deregistration_delay: crate::mins(5),
            slow_start: SignedDuration::ZERO,
        };
        let asked = first.target_group_settings.iter();
        seen.target_group_settings = asked.map(|arn| (arn.clone(), Some(settings))).collect();
        let second = read_plan::second(&fleet(), &seen, self.record.as_ref(), policy);
        seen.targets.extend(Reading::of(second.targets.clone(), self.targets(&second.targets)));
        seen.templates.extend(second.templates.iter().map(content));
        let machine = |id: &InstanceId| (id.clone(), self.machines.get(id).cloned());
        seen.machines = second.machines.iter().map(machine).collect();
        let refresh = |group: &GroupName| (group.clone(), self.refreshes.get(group).cloned());
        seen.refreshes = second.refreshes.iter().map(refresh).collect();
        let hooks = second.hook_timeouts.iter();
        seen.hook_timeouts = hooks.map(|group| (group.clone(), Some(self.hook_timeout))).collect();
        seen.account = self.account.clone();
        let is_asked = |name: &AlarmName| first.alarms.iter().any(|pattern| pattern.matches(name));
        let alarms = self.alarms.iter().filter(|(name, _)| is_asked(name));
        let alarms = alarms.map(|(name, alarm)| (name.clone(), alarm.clone())).collect();
        seen.alarms = AlarmReading::of(first.alarms.clone(), alarms);
        let failure = |group: &GroupName| (group.clone(), self.launch_failures.get(group).cloned());
        seen.launch_failures = second.launch_failures.iter().map(failure).collect();
        seen
    }

    /// The forward actions, one for each column of weights in `traffic`.
    pub(crate) fn forwards(&self) -> Vec<Forward> {
        let columns = self.traffic.values().map(Vec::len).max().unwrap_or_default();
        let weights = |column: usize| {
            let of_column = |(arn, weights): (&TargetGroupArn, &Vec<u32>)| Some((arn.clone(), *weights.get(column)?));
            self.traffic.iter().filter_map(of_column).collect()
        };
        let forwards = (0..columns).map(|column| forward(column, weights(column)));
        forwards.map(|forward| Forward { stickiness: self.stickiness, ..forward }).collect()
    }

    /// Makes a decision and checks it, without a commit.
    pub fn decide(&self) -> Decision {
        self.with_input(|input| {
            let decision = decide(input);
            let wrong = check::decision(self.record.as_ref(), &decision);
            assert!(wrong.is_empty(), "{wrong:?}\n{decision:#?}");
            is_explained(input, &decision);
            decision
        })
    }

    /// Explains what Driftless would decide now, with the results of all guards.
    pub fn explain(&self) -> Explanation {
        self.with_input(explain::explain)
    }

    fn with_input<T>(&self, ask: impl FnOnce(Input<'_>) -> T) -> T {
        let fleet = fleet();
        ask(Input {
            fleet: &fleet,
            record: self.record.as_ref(),
            facts: &self.facts,
            outcomes: &self.outcomes,
            freezes: &self.freezes,
            seen: &self.observation(),
            defaults: &self.defaults,
            now: self.now,
        })
    }

    /// Commits a decision without executing its actions, like a crash right after the commit.
    pub fn commit(&mut self, decision: &Decision) {
        self.record = Some(decision.next.clone());
        self.facts.retain(|fact| !decision.consumed.contains(&fact.key()));
        self.history.extend(decision.history.clone());
        self.events.extend(decision.events());
        self.told.extend(decision.notifications.clone());
        self.outcomes.clear();
    }

    /// Runs one pass: decides, commits and executes the actions. The next pass gets their outcomes.
    pub fn reconcile(&mut self) -> Reconciled {
        let decision = self.reconcile_and_crash();
        self.outcomes = self.act(&decision.actions);
        decision
    }

    /// Runs a pass whose function dies right after the commit: no action is executed.
    pub fn reconcile_and_crash(&mut self) -> Reconciled {
        let decision = self.decide();
        self.commit(&decision);
        Reconciled(decision)
    }

    /// Runs one pass, and another pass after the debounce.
    pub fn debounce(&mut self) {
        self.reconcile();
        self.wait(crate::mins(5));
        self.reconcile();
    }

    /// Repeats passes, while AWS proceeds and time passes, until the fleet is idle. Then asserts [`Self::assert_idle`].
    pub fn settle(&mut self) {
        for _ in 0..500 {
            let decision = self.reconcile();
            let moves = |member: &Member| matches!(member.lifecycle, Lifecycle::Pending | Lifecycle::Terminating);
            let is_moving = self.groups.iter().flat_map(|group| &group.members).any(moves);
            if decision.actions.is_empty() && !decision.changed && self.surges() == 0 && !is_moving {
                self.assert_idle();
                return;
            }
            self.pass(secs(15));
        }
        panic!("it does not settle: {:#?}\n{:#?}", self.record().replacements, self.groups);
    }

    /// Repeats passes as [`Self::settle`] does. Then asserts that nothing is left: see [`Self::assert_clean`].
    pub fn settle_clean(&mut self, size: u32) {
        self.settle();
        self.assert_clean(size);
    }

    /// Asserts that the fleet is idle: another decision on the unchanged world changes nothing.
    pub fn assert_idle(&self) {
        let again = self.decide();
        assert!(again.actions.is_empty(), "{:?}", again.actions);
        assert!(!again.changed, "{:#?}\n{:#?}", again.history, again.next);
        assert!(again.notifications.is_empty());
        assert_eq!(Some(&again.next), self.record.as_ref());
    }

    /// Asserts that no replacement and no borrowed setting is left, and that the group has this desired capacity and as
    /// many active instances.
    pub fn assert_clean(&self, size: u32) {
        assert!(self.record().replacements.is_empty(), "{:#?}", self.record().replacements);
        assert!(self.record().borrowed_settings.is_empty(), "{:#?}", self.record().borrowed_settings);
        assert_eq!(self.record().open_since(), None);
        assert_eq!(self.desired(), size, "desired");
        assert_eq!(self.groups[0].active().count(), size as usize, "active");
        assert!(self.groups[0].members.iter().all(|member| !member.protected));
    }
}

/// Asserts that the explanation has the same decision, and the guard results on which the decision is based.
fn is_explained(input: Input<'_>, decision: &Decision) {
    let explained = explain::explain(input);
    assert_eq!(explained.decision, *decision);
    for (id, verdicts) in &explained.verdicts {
        let blocking = blocking(verdicts);
        assert_eq!(blocking.first().copied(), decision.waiting.get(id), "{id}: {verdicts:#?}");
        // A guard that was not evaluated must never admit an instance.
        let all_were_asked = verdicts.iter().all(|verdict| verdict.answer != Answer::NotAsked);
        assert!(all_were_asked || !blocking.is_empty(), "{id}: {verdicts:#?}");
    }
    let blocking = blocking(&explained.cutover_verdicts);
    let is_queued = decision.next.cutover.as_ref().is_some_and(|cutover| *cutover.phase() == CutoverPhase::Queued);
    // Replacements proceed after the guards of the cutover were evaluated.
    let moves = |waiting: &Waiting| matches!(waiting, Waiting::ReplacementsUnderWay { .. });
    if let Some(waits) = decision.cutover_waits.as_ref().filter(|waits| is_queued && !moves(waits)) {
        assert_eq!(blocking.first().copied(), Some(waits), "{:#?}", explained.cutover_verdicts);
    }
}

/// The reasons of the guards that block, in order. Asserts that each reason belongs to its guard.
fn blocking(verdicts: &[CheckResult<GuardId, Waiting>]) -> Vec<&Waiting> {
    let mut blocking = Vec::new();
    for CheckResult { id, answer, .. } in verdicts {
        if let Answer::Blocks(waiting) = answer {
            assert_eq!(*id, waiting.guard());
            blocking.push(waiting);
        }
    }
    blocking
}
