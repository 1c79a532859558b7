//! The simulated AWS of one account and region: EC2, launch templates, Auto Scaling, load balancers, Config, alarms and
//! images. Every method is synchronous: the caller decides when a call takes effect, and advances time between calls.
//!
//! A number in brackets, such as (3.1), is the section of our notes on AWS that describes the behavior.

mod agenda;
mod alarms;
mod attribution;
mod balance;
mod balancers;
mod calls;
mod instances;
mod people;
mod prefilled;
mod refreshes;
mod rules;
mod state;
mod templates;
mod traffic;
mod watched;

use std::collections::{BTreeMap, BTreeSet};

use driftless_planner::balancer::ForwardPlace;
use driftless_planner::ids::{AlarmName, GroupName, ImageId, InstanceId, RuleName, TargetGroupArn, Zone};
use driftless_planner::image::Image;
use driftless_planner::template::{TemplateContent, TemplateVersion};
use jiff::Timestamp;

use crate::rng::Rng;
use agenda::{Agenda, Due};

pub use attribution::Attribution;
pub use state::{
    Actor, AlarmState, Build, CloudEvent, Ending, ForwardState, GroupState, Instance, Life, RefreshState, RuleState,
    Target, TargetGroupState,
};
use traffic::Served;
use watched::Watched;

pub use traffic::{FailureCause, Traffic};

/// The simulated AWS of one account and region.
#[derive(Debug, Clone)]
pub struct Cloud {
    now: Timestamp,
    rng: Rng,
    agenda: Agenda,
    /// The age of the state that describe calls of groups return. Zero: they return the current state. Such reads are
    /// eventually consistent (4.2).
    pub lag: jiff::SignedDuration,
    groups: BTreeMap<GroupName, GroupState>,
    instances: Watched<BTreeMap<InstanceId, Instance>>,
    /// The instances that each group has ever launched, in the order of their launch.
    of_group: BTreeMap<GroupName, Vec<InstanceId>>,
    templates: BTreeMap<TemplateVersion, TemplateContent>,
    images: BTreeMap<ImageId, Image>,
    builds: BTreeMap<ImageId, Build>,
    target_groups: Watched<BTreeMap<TargetGroupArn, TargetGroupState>>,
    forwards: Watched<BTreeMap<ForwardPlace, ForwardState>>,
    rules: BTreeMap<RuleName, RuleState>,
    alarms: BTreeMap<AlarmName, AlarmState>,
    /// Zones in which AWS has no capacity for launches.
    short: BTreeSet<Zone>,
    /// Groups whose launches EC2 refuses, each with the error message of AWS.
    refused: BTreeMap<GroupName, String>,
    /// Groups in AZ rebalancing, each with the time until which one instance above desired capacity stays.
    evening_out: BTreeMap<GroupName, Timestamp>,
    /// Whether describe calls of groups return an empty list.
    pub is_blind: bool,
    launch_tokens: BTreeMap<String, InstanceId>,
    endings: Vec<Ending>,
    events: Vec<CloudEvent>,
    traffic: Traffic,
    /// The rates of requests and of failures at each forward action, until targets or weights change.
    served: BTreeMap<ForwardPlace, Served>,
    silence: attribution::Silence,
    launched: u64,
}

impl Cloud {
    /// An empty account.
    pub fn new(rng: Rng, start: Timestamp) -> Self {
        Self {
            now: start,
            rng,
            agenda: Agenda::default(),
            lag: jiff::SignedDuration::ZERO,
            groups: BTreeMap::new(),
            instances: Watched::default(),
            of_group: BTreeMap::new(),
            templates: BTreeMap::new(),
            images: BTreeMap::new(),
            builds: BTreeMap::new(),
            target_groups: Watched::default(),
            forwards: Watched::default(),
            rules: BTreeMap::new(),
            alarms: BTreeMap::new(),
            short: BTreeSet::new(),
            refused: BTreeMap::new(),
            evening_out: BTreeMap::new(),
            is_blind: false,
            launch_tokens: BTreeMap::new(),
            endings: Vec::new(),
            events: Vec::new(),
            traffic: Traffic::default(),
            served: BTreeMap::new(),
            silence: attribution::Silence::default(),
            launched: 0,
        }
    }

    /// The current time.
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// The time at which the next scheduled change is due.
    pub fn next_at(&self) -> Option<Timestamp> {
        self.agenda.next()
    }

    /// Advances time to `at` and applies the scheduled changes that are due by then, in order.
    pub fn advance(&mut self, at: Timestamp) {
        while let Some((due_at, due)) = self.agenda.take(at) {
            self.pass(due_at);
            self.happens(due);
        }
        self.pass(at);
    }

    /// Advances time to `at`, without a change in between, and counts the requests of that period.
    fn pass(&mut self, at: Timestamp) {
        if at > self.now {
            self.serve_until(at);
            self.now = at;
        }
    }

    fn happens(&mut self, due: Due) {
        match due {
            Due::Boots(id) => self.boots(&id),
            Due::HookEnds(id) => self.hook_ends(&id),
            Due::HookAbandons(id) => self.hook_abandons(&id),
            Due::Drained(id) => self.drained(&id),
            Due::Leaves(id) => self.leaves(&id),
            Due::TargetHealthReported(arn, id) => self.report_target_health(&arn, &id),
            Due::TurnsBad(id) => self.turns_bad(&id),
            Due::Balances(group) => self.balance(&group),
            Due::Evaluates(rule, id) => self.evaluate(&rule, &id),
            Due::AlarmChecks(alarm) => self.check_alarm(&alarm),
            Due::RefreshSteps(group) => self.step_refresh(&group),
        }
    }

    /// Takes the events of Config, CloudWatch and EC2 since the last call, in order.
    pub fn drain_events(&mut self) -> Vec<CloudEvent> {
        std::mem::take(&mut self.events)
    }

    // ---- what invariant checkers may know -----------------------------------------------------------------------------------------

    /// The groups in their current state, without the lag of describe calls.
    pub const fn groups(&self) -> &BTreeMap<GroupName, GroupState> {
        &self.groups
    }

    /// All instances, terminated ones included.
    pub fn instances(&self) -> &BTreeMap<InstanceId, Instance> {
        &self.instances
    }

    /// The forward actions in their current state, without the lag of describe calls.
    pub fn forwards_now(&self) -> &BTreeMap<ForwardPlace, ForwardState> {
        &self.forwards
    }

    /// The target groups in their current state, without the lag of describe calls.
    pub fn target_groups(&self) -> &BTreeMap<TargetGroupArn, TargetGroupState> {
        &self.target_groups
    }

    /// Every terminated instance in order, with the actor that terminated it.
    pub fn endings(&self) -> &[Ending] {
        &self.endings
    }

    /// The requests so far, and those that failed.
    pub const fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// The alarms in their current state, without the lag of describe calls.
    pub const fn alarms_now(&self) -> &BTreeMap<AlarmName, AlarmState> {
        &self.alarms
    }

    /// The registered images.
    pub fn image_ids(&self) -> impl Iterator<Item = &ImageId> {
        self.images.keys()
    }

    /// The launch template versions.
    pub const fn templates(&self) -> &BTreeMap<TemplateVersion, TemplateContent> {
        &self.templates
    }
}
