//! Fleets with two colors, and the steps of a cutover in a test.

use driftless_planner::alarm::{AlarmState, AlarmSubject};
use driftless_planner::fact::{Command, CommandFact, Fact};
use driftless_planner::fleet::Color;
use driftless_planner::notification::{Details, Notification};
use driftless_planner::observation::Group;
use driftless_planner::template::{TemplateReference, TemplateVersion};
use jiff::SignedDuration;

use crate::{Stage, fleet, group, image, secs, target_group, version};

/// A live blue group with `size` instances and an idle green group, each behind its own target group.
pub fn pair(size: u32) -> Vec<Group> {
    let colored = |color: &str, template: TemplateVersion, size: u32| {
        let mut group = group(size);
        group.name = format!("app-{color}").parse().unwrap();
        group.tags.insert("driftless:color".to_owned(), color.to_owned());
        group.target_groups = vec![target_group(color)];
        for member in &mut group.members {
            member.template = Some(template.clone());
        }
        group.template = TemplateReference::Numbered(template);
        group
    };
    let (blue, mut green) = (colored("blue", version(1), size), colored("green", green_version(), 0));
    green.max = 0;
    vec![blue, green]
}

/// The groups of [`pair`], but both colors share one target group, to which only blue is attached.
pub fn pair_that_shares(size: u32) -> Vec<Group> {
    let mut groups = pair(size);
    (groups[0].target_groups, groups[1].target_groups) = (vec![target_group("app")], Vec::new());
    groups
}

/// The groups of [`pair`] without a load balancer.
pub fn pair_without_balancer(size: u32) -> Vec<Group> {
    let mut groups = pair(size);
    for group in &mut groups {
        group.target_groups.clear();
    }
    groups
}

fn green_version() -> TemplateVersion {
    TemplateVersion { template: "lt-00000000000000002".parse().unwrap(), version: 1 }
}

impl Stage {
    /// A stage with these groups and one forward action, which gives these weights to these target groups.
    pub fn colored(groups: Vec<Group>, weights: &[(&str, u32)]) -> Self {
        let mut stage = Self::with(groups);
        stage.templates.insert(green_version(), stage.templates[&version(1)].clone());
        stage.weigh(weights);
        stage
    }

    /// Sets the target groups and the weights of the forward action.
    pub fn weigh(&mut self, weights: &[(&str, u32)]) {
        self.traffic = weights.iter().map(|(name, weight)| (target_group(name), vec![*weight])).collect();
    }

    /// Runs one reconcile pass. Then AWS proceeds, and the time `pause` passes.
    pub fn step(&mut self, pause: SignedDuration) {
        self.reconcile();
        self.pass(pause);
    }

    /// Runs `count` reconcile passes. After each of them AWS proceeds, and the time `pause` passes.
    pub fn steps(&mut self, count: u32, pause: SignedDuration) {
        for _ in 0..count {
            self.step(pause);
        }
    }

    /// AWS proceeds, and the time `pause` passes without a reconcile pass.
    pub fn pass(&mut self, pause: SignedDuration) {
        self.arrive();
        self.leave();
        self.wait(pause);
    }

    /// Repeats reconcile passes until the condition is true.
    pub fn until(&mut self, is_so: impl Fn(&Self) -> bool) {
        for _ in 0..2000 {
            if is_so(self) {
                return;
            }
            self.step(secs(15));
        }
        panic!("never: {:#?}\n{:#?}", self.record().cutover, self.history);
    }

    /// Repeats reconcile passes until the cutover is in this phase.
    pub fn until_phase(&mut self, phase: &str) {
        self.until(|stage| stage.cutover_phase() == Some(phase));
    }

    /// The phase of the cutover under way.
    pub fn cutover_phase(&self) -> Option<&'static str> {
        self.record().cutover.as_ref().map(|cutover| cutover.phase().name())
    }

    /// The weight of a target group in the first forward action.
    pub fn weight(&self, name: &str) -> u32 {
        self.traffic[&target_group(name)][0]
    }

    /// The pipeline publishes the image with this number.
    pub fn publish(&mut self, number: u32) {
        self.images.push(image(number));
    }

    /// Puts an alarm into ALARM for the target group of a color. None: the alarm names no resource.
    pub fn go_into_alarm(&mut self, name: &str, of: Option<Color>) {
        let now = self.now;
        let alarm = self.alarms.get_mut(&name.parse().unwrap()).unwrap();
        alarm.state = AlarmState::Alarm;
        alarm.since = now;
        alarm.reason = "12 of 100 requests failed".into();
        let dimension = |color: Color| target_group(&format!("{color:?}").to_lowercase()).dimension().to_owned();
        let target_groups = of.map(dimension).into_iter().collect();
        alarm.subject = AlarmSubject { target_groups, ..AlarmSubject::default() };
    }

    /// An operator gives a command.
    pub fn say(&mut self, command: Command) {
        self.say_of(None, command);
    }

    /// An operator gives a command that is meant for one cutover only.
    pub fn say_of(&mut self, cutover: Option<String>, command: Command) {
        let request = format!("r-{}", self.history.len() + self.facts.len());
        let (fleet, actor, at) = (fleet(), "ana".into(), self.now);
        self.facts.push(Fact::Command(CommandFact { request, fleet, actor, at, reason: None, cutover, command }));
    }

    /// The result of the last command that was answered: whether Driftless applied the command, and the message.
    pub fn answer(&self) -> (bool, String) {
        let answer = |told: &Notification| {
            let Details::CommandAnswered { is_done, answer, .. } = &told.details else { return None };
            Some((*is_done, answer.to_string()))
        };
        self.told.iter().rev().find_map(answer).expect("a command is answered")
    }
}
