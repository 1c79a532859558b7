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

/// The AWS resources around a fleet.
#[derive(Debug, Clone)]
pub struct Cloud {
    now: Timestamp,
    rng: Rng,
    agenda: Agenda,
    /// The lag of describe calls: zero, or the delay of an eventually consistent read (4.2).
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
    short: BTreeSet<Zone>,
    /// Groups whose launches fail, with the error message of AWS.
    refused: BTreeMap<GroupName, String>,
    /// Groups that AZ rebalancing holds one above desired capacity until the new instance is healthy.
    evening_out: BTreeMap<GroupName, Timestamp>,
    /// Whether describe calls for groups return an empty list.
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

    /// When the next scheduled change is due.
    pub fn next_at(&self) -> Option<Timestamp> {
        self.agenda.next()
    }

    /// Advances time and applies the scheduled changes that fall due, in order.
    pub fn advance(&mut self, at: Timestamp) {
        while let Some((due_at, due)) = self.agenda.take(at) {
            self.pass(due_at);
            self.happens(due);
        }
        self.pass(at);
    }

    /// Advances time between two changes and counts the requests of that period.
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
            Due::TargetJudged(arn, id) => self.judge_target(&arn, &id),
            Due::TurnsBad(id) => self.turns_bad(&id),
            Due::Balances(group) => self.balance(&group),
            Due::Evaluates(rule, id) => self.evaluate(&rule, &id),
            Due::AlarmChecks(alarm) => self.check_alarm(&alarm),
            Due::RefreshSteps(group) => self.step_refresh(&group),
        }
    }

    /// Takes the events of Auto Scaling, Config, EC2 and CloudWatch since the last call, in order.
    pub fn drain_events(&mut self) -> Vec<CloudEvent> {
        std::mem::take(&mut self.events)
    }

    // ---- what invariant checkers may know -----------------------------------------------------------------------------------------

    /// The groups, without the lag of describe calls.
    pub const fn groups(&self) -> &BTreeMap<GroupName, GroupState> {
        &self.groups
    }

    /// All instances, terminated ones included.
    pub fn instances(&self) -> &BTreeMap<InstanceId, Instance> {
        &self.instances
    }

    /// The forward actions, without lag.
    pub fn forwards_now(&self) -> &BTreeMap<ForwardPlace, ForwardState> {
        &self.forwards
    }

    /// The target groups, without lag.
    pub fn target_groups(&self) -> &BTreeMap<TargetGroupArn, TargetGroupState> {
        &self.target_groups
    }

    /// Every terminated instance in order, with the actor that terminated it.
    pub fn endings(&self) -> &[Ending] {
        &self.endings
    }

    /// The number of requests, and of those that failed.
    pub const fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// The alarms, without lag.
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
