//! The fleet that the tests look at: one group of four behind one target group, full to its maximum, in act mode, with
//! one rule on its list.

use std::collections::{BTreeMap, BTreeSet};

use driftless_planner::balancer::{AttachmentApi, BalancerKind, Forward, ForwardPlace};
use driftless_planner::fact::{Command, CommandFact, ComplianceFact, Fact, Verdict};
use driftless_planner::ids::{FleetName, GroupName, InstanceId, RuleName, TargetGroupArn};
use driftless_planner::image::{Image, ImageState};
use driftless_planner::observation::{
    Finding, Group, Lifecycle, RuleReading, TemplateContent, TemplateReference, TemplateVersion,
};
use jiff::{SignedDuration, Timestamp};

use super::world::{State, World};

/// A quarter past the second: the clock is never so kind as to show whole ones.
pub(crate) fn start() -> Timestamp {
    "2026-11-20T12:00:00.25Z".parse().unwrap()
}

pub(crate) fn fleet_name() -> FleetName {
    "app".parse().unwrap()
}

pub(crate) fn group_name() -> GroupName {
    "app-asg".parse().unwrap()
}

pub(crate) fn rule() -> RuleName {
    "no-public-ip".parse().unwrap()
}

/// The members that the group starts with.
pub(crate) fn instance(number: usize) -> InstanceId {
    format!("i-{:017x}", 0xf00 + number).parse().unwrap()
}

fn target_group() -> TargetGroupArn {
    "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/app/73e2d6bc24d8a067".parse().unwrap()
}

/// A listener that sends everything to the target group.
fn forward() -> Forward {
    let listener =
        "arn:aws:elasticloadbalancing:eu-central-1:123456789012:listener/app/web/50dc6c495c0c9188/f2f7dc8efc522ab2";
    Forward {
        place: ForwardPlace::Listener(listener.parse().unwrap()),
        weights: BTreeMap::from([(target_group(), 1)]),
        stickiness: None,
        balancer: BalancerKind::Application,
    }
}

/// The world with the fleet in it, looked at once: adopted, and settled.
pub(crate) fn app() -> World {
    let world = fresh(&[]);
    let mut state = world.lock();
    state.log.clear();
    state.counts.clear();
    drop(state);
    world
}

/// The same, with other policy tags.
pub(crate) fn fresh(tags: &[(&str, &str)]) -> World {
    let world = unseen(tags);
    super::block_on(world.look(&fleet_name(), None)).unwrap();
    assert_eq!(world.deliver_all(), 0);
    world
}

/// The same, never looked at.
pub(crate) fn unseen(tags: &[(&str, &str)]) -> World {
    let mut state = State {
        now: start(),
        latency: SignedDuration::from_millis(7),
        boot: SignedDuration::from_secs(45),
        drain: SignedDuration::from_secs(30),
        ..State::default()
    };
    let template = TemplateVersion { template: "lt-0123456789".parse().unwrap(), version: 7 };
    let image = Some("ami-0123456789".parse().unwrap());
    state.templates.insert(template.clone(), TemplateContent { image, written_for: None, settings: BTreeMap::new() });
    state.forwards.push(forward());
    state.compliance.insert(rule(), RuleReading::NonCompliant(BTreeMap::new()));
    let mut all = BTreeMap::from(
        [("fleet", "app"), ("mode", "act"), ("rules", "no-public-ip"), ("alarms", "web-5xx")]
            .map(|(key, value)| (format!("driftless:{key}"), value.to_owned())),
    );
    all.extend(tags.iter().map(|(key, value)| (format!("driftless:{key}"), (*value).to_owned())));
    state.groups.insert(
        group_name(),
        Group {
            name: group_name(),
            tags: all,
            min: 2,
            max: 4,
            desired: 4,
            template: TemplateReference::Numbered(template),
            members: Vec::new(),
            target_groups: vec![target_group()],
            attachment_api: AttachmentApi::TargetGroups,
            suspended: BTreeSet::new(),
            warm_up: SignedDuration::from_secs(30),
            protects_new_instances: false,
            unsupported: Vec::new(),
            deleting: false,
        },
    );
    for number in 0..4 {
        let zone = format!("eu-central-1{}", ["a", "b"][number % 2]).parse().unwrap();
        state.spawn(&group_name(), &zone);
    }
    let world = World::new(state);
    world.advance(SignedDuration::from_hours(1));
    let members = world.lock().groups[&group_name()].members.clone();
    assert!(members.iter().all(|member| member.lifecycle == Lifecycle::InService));
    world
}

/// What Config reports of an instance now.
pub(crate) fn fact(world: &World, number: usize, verdict: Verdict) -> Fact {
    Fact::Compliance(ComplianceFact {
        instance: instance(number),
        rule: rule(),
        verdict,
        observed_at: world.lock().now,
        annotation: Some("has a public address".into()),
    })
}

/// A person's word, which cannot wait.
pub(crate) fn word(world: &World, request: &str) -> Fact {
    Fact::Command(CommandFact {
        request: request.to_owned(),
        fleet: fleet_name(),
        actor: "ana".into(),
        at: world.lock().now,
        reason: None,
        cutover: None,
        command: Command::Retry,
    })
}

/// Config finds an instance non-compliant, and its event is on the wake queue.
pub(crate) fn drifted(world: &World, number: usize) {
    judge(world, number, Verdict::NonCompliant);
    world.report(&fact(world, number, Verdict::NonCompliant));
}

/// What Config answers from now on.
pub(crate) fn judge(world: &World, number: usize, verdict: Verdict) {
    let mut state = world.lock();
    let recorded_at = state.now;
    let Some(RuleReading::NonCompliant(found)) = state.compliance.get_mut(&rule()) else { panic!("no such rule") };
    if verdict == Verdict::NonCompliant {
        found.insert(instance(number), Finding { recorded_at, annotation: Some("has a public address".into()) });
    } else {
        found.remove(&instance(number));
    }
}

impl World {
    /// The world is as after exactly one replacement of one of the first members, and nothing is left over.
    pub(crate) fn assert_replaced_once(&self, number: usize, told: &str) {
        self.row(&fleet_name(), |row| {
            let record = row.record.as_ref().unwrap();
            assert!(record.replacements.is_empty(), "{told}: {:?}", record.replacements);
            assert!(record.ledger.is_empty(), "{told}: {:?}", record.ledger);
            assert!(row.outbox.is_empty(), "{told}: unsent {:?}", row.outbox);
            assert!(row.facts.is_empty(), "{told}: unused {:?}", row.facts);
            assert!(row.lock.holder.is_none(), "{told}: {:?}", row.lock);
        });
        let announced = self.row(&fleet_name(), |row| row.announced.clone());
        let journaled = self.row(&fleet_name(), |row| row.journal.len());
        self.row(&fleet_name(), |row| assert!(row.events.is_empty(), "{told}: not put {:?}", row.events));
        let state = self.lock();
        assert_eq!(state.tokens.len(), 1, "{told}: launched {:?}", state.tokens);
        assert_eq!(state.terminated, [instance(number)], "{told}");
        assert!(state.by_itself.is_empty(), "{told}: {:?}", state.by_itself);
        let group = &state.groups[&group_name()];
        assert_eq!((group.min, group.max, group.desired), (2, 4, 4), "{told}");
        assert_eq!(group.active().count(), 4, "{told}");
        assert!(group.members.iter().all(|member| !member.protected), "{told}");
        let sent: BTreeSet<String> = state.alerts.iter().map(|notification| notification.id.clone()).collect();
        let put: BTreeSet<&str> = state.bus.iter().map(|event| event.id.as_str()).collect();
        assert_eq!(put.len(), journaled, "{told}: an event for each line of the journal");
        let chatted: BTreeSet<String> = state.chat.iter().cloned().collect();
        assert_eq!(announced.difference(&chatted).collect::<Vec<_>>(), Vec::<&String>::new(), "{told}: never in chat");
        assert_eq!(announced.difference(&sent).collect::<Vec<_>>(), Vec::<&String>::new(), "{told}: never sent");
    }
}

/// An image that is tagged for the fleet.
pub(crate) fn image(id: &str) -> Image {
    Image {
        id: id.parse().unwrap(),
        state: ImageState::Available,
        is_own: true,
        image_for: Some("app".into()),
        build: None,
        commit: None,
        created_at: start(),
        architecture: "x86_64".into(),
        source_instance: None,
        is_backup: false,
        image_builder_arn: None,
    }
}

/// A report of Config about an instance, as of the start.
pub(crate) fn fact_of(number: usize) -> Fact {
    Fact::Compliance(ComplianceFact {
        instance: instance(number),
        rule: rule(),
        verdict: Verdict::NonCompliant,
        observed_at: start(),
        annotation: None,
    })
}
