//! The reads of a reconcile pass: exactly what the planner's read plan contains.

use std::collections::{BTreeMap, BTreeSet};

use driftless_planner::action::Action;
use driftless_planner::alarm::Alarm;
use driftless_planner::alarm::{AlarmState, AlarmSubject};
use driftless_planner::balancer::{AttachmentApi, BalancerKind, Forward, ForwardPlace, TargetGroupSettings};
use driftless_planner::ids::{
    AlarmName, FleetName, GroupName, ImageId, InstanceId, ListenerArn, RuleName, TargetGroupArn, Zone,
};
use driftless_planner::image::{Image, ImageState};
use driftless_planner::observation::{
    Ec2Instance, Finding, Freeze, FreezeScope, Group, Lifecycle, Member, Observation, RuleReading, TargetHealth,
};
use driftless_planner::policy::{Defaults, Policy};
use driftless_planner::precondition::{Live, needs};
use driftless_planner::read_plan::{self, StoredState};
use driftless_planner::reading::{AlarmReading, Reading};
use driftless_planner::record::Record;
use driftless_planner::template::{TemplateContent, TemplateReference, TemplateVersion};
use jiff::{SignedDuration, Timestamp};

use crate::world::{Life, Pool, Server, TICK, World, instance_id, number};

/// The names of the resources of a model, and its policy.
#[derive(Debug)]
pub struct Names {
    pub fleet: FleetName,
    /// The names of the groups, in the order of `World::groups`.
    pub groups: Vec<GroupName>,
    target_groups: Vec<TargetGroupArn>,
    tags: Vec<BTreeMap<String, String>>,
    rule: RuleName,
    alarm: AlarmName,
    zone: Zone,
    listener: ListenerArn,
    templates: Vec<TemplateVersion>,
    defaults: Defaults,
    policy: Policy,
}

impl Names {
    /// The names of a model with this number of groups and this policy.
    ///
    /// # Errors
    /// A name or a value of the policy is invalid.
    pub fn new(groups: usize, policy: &[(&str, &str)]) -> Result<Self, String> {
        fn parsed<T: std::str::FromStr>(text: &str) -> Result<T, String>
        where
            T::Err: std::fmt::Display,
        {
            text.parse().map_err(|error: T::Err| format!("{text}: {error}"))
        }
        let colors = if groups == 1 { vec!["one"] } else { vec!["blue", "green"] };
        let mut names = Self {
            fleet: parsed("app")?,
            groups: Vec::new(),
            target_groups: Vec::new(),
            tags: Vec::new(),
            rule: parsed("sg-closed")?,
            alarm: parsed("web-5xx")?,
            zone: parsed("eu-central-1a")?,
            listener: parsed(
                "arn:aws:elasticloadbalancing:eu-central-1:123456789012:listener/app/web/50dc6c49/f2f7dc8e",
            )?,
            templates: Vec::new(),
            defaults: Defaults::default(),
            policy: Policy::from_tags(&tags(policy), &Defaults::default()).map_err(|error| error.to_string())?,
        };
        for (color, place) in colors.iter().zip(1..) {
            names.groups.push(parsed(color)?);
            let arn =
                format!("arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/{color}/73e2d6bc24d8");
            names.target_groups.push(parsed(&arn)?);
            names.templates.push(TemplateVersion { template: parsed(&format!("lt-0000000{place}"))?, version: 1 });
            let mut tags = tags(policy);
            tags.insert("driftless:fleet".to_owned(), "app".to_owned());
            if groups > 1 {
                tags.insert("driftless:color".to_owned(), (*color).to_owned());
            }
            names.tags.push(tags);
        }
        Ok(names)
    }

    /// The defaults for all policies. None of them is set.
    pub const fn defaults(&self) -> &Defaults {
        &self.defaults
    }

    /// The index of a group in `World::groups`.
    pub fn place(&self, group: &GroupName) -> Option<usize> {
        self.groups.iter().position(|known| known == group)
    }

    /// The freezes that are in force.
    pub fn freezes(world: &World) -> Vec<Freeze> {
        let freeze = |since| Freeze {
            reason: "incident".into(),
            owner: "ana".into(),
            since,
            expires_at: None,
            scope: FreezeScope::Account,
        };
        world.frozen_since.map(freeze).into_iter().collect()
    }

    fn group(&self, at: usize, pool: &Pool) -> Option<Group> {
        Some(Group {
            name: self.groups.get(at)?.clone(),
            tags: self.tags.get(at)?.clone(),
            min: pool.min,
            max: pool.max,
            desired: pool.desired,
            template: TemplateReference::Numbered(self.version(at, pool.version)?),
            members: pool.servers.iter().map(|server| self.member(at, server)).collect(),
            target_groups: vec![self.target_groups.get(at)?.clone()],
            attachment_api: AttachmentApi::TargetGroups,
            suspended: BTreeSet::new(),
            warm_up: TICK,
            protects_new_instances: false,
            unsupported: Vec::new(),
            deleting: false,
        })
    }

    fn member(&self, at: usize, server: &Server) -> Member {
        Member {
            id: instance_id(server.id),
            zone: self.zone.clone(),
            lifecycle: match server.life {
                Life::Pending => Lifecycle::Pending,
                Life::InService => Lifecycle::InService,
                Life::Terminating => Lifecycle::Terminating,
            },
            healthy: true,
            template: self.version(at, server.version),
            image_override: None,
            protected: server.is_protected,
        }
    }

    /// Reads what the planner's read plan contains, in the same rounds as the production loop.
    pub fn observe(&self, world: &World, record: Option<&Record>) -> Observation {
        let groups: Vec<Group> =
            world.groups.iter().enumerate().filter_map(|(at, pool)| self.group(at, pool)).collect();
        let newest = world.colors.as_ref().map_or(1, |colors| colors.newest_image);
        let tagged: Vec<Image> = (1..=newest).filter_map(image).collect();
        let known = StoredState { record, has_news: !world.facts.is_empty() };
        let first = read_plan::first(&self.fleet, &groups, &tagged, known, Some(&self.policy));
        let mut seen = Observation { groups, ..Observation::default() };
        let targets = self.targets(world, &first.targets).collect();
        seen.targets = Reading::of(first.targets.clone(), targets);
        seen.forwards = self.forward(world).into_iter().collect();
        let settings = TargetGroupSettings {
            stickiness: None,
            deregistration_delay: SignedDuration::ZERO,
            slow_start: SignedDuration::ZERO,
        };
        let asked = first.target_group_settings.iter();
        seen.target_group_settings = asked.map(|arn| (arn.clone(), Some(settings))).collect();
        if first.rules.contains(&self.rule) {
            let findings = world.drifted.iter().map(|(id, at)| (instance_id(*id), finding(*at)));
            seen.compliance.insert(self.rule.clone(), RuleReading::NonCompliant(findings.collect()));
        }
        let contents: BTreeMap<TemplateVersion, TemplateContent> = self.contents(world).into_iter().collect();
        let content = |version: &TemplateVersion| (version.clone(), contents.get(version).cloned());
        seen.templates = first.templates.iter().map(content).collect();
        let newest =
            self.templates.iter().enumerate().map(|(at, own)| (own.template.clone(), newest_version(world, at)));
        let newest = newest.filter(|(template, _)| first.newest_templates.contains(template));
        seen.newest_templates = Reading::of(first.newest_templates.clone(), newest.collect());
        let images = tagged.into_iter().map(|image| (image.id.clone(), image)).collect();
        seen.images = Reading::of(first.images.clone(), images);
        let is_asked = first.alarms.iter().any(|pattern| pattern.matches(&self.alarm));
        let alarm = is_asked.then(|| (self.alarm.clone(), self.alarm(world)));
        seen.alarms = AlarmReading::of(first.alarms, alarm.into_iter().collect());
        if world.colors.as_ref().is_some_and(|colors| colors.has_slot) {
            seen.account.slots.insert(self.fleet.clone(), Timestamp::UNIX_EPOCH);
        }
        let second = read_plan::second(&self.fleet, &seen, record, Some(&self.policy));
        let targets = self.targets(world, &second.targets).collect();
        seen.targets.extend(Reading::of(second.targets.clone(), targets));
        let machine = |id: &InstanceId| (id.clone(), number(id).and_then(|number| self.machine(world, number)));
        seen.machines = second.machines.iter().map(machine).collect();
        let hooks = second.hook_timeouts.iter();
        seen.hook_timeouts = hooks.map(|group| (group.clone(), Some(SignedDuration::ZERO))).collect();
        seen.templates.extend(second.templates.iter().map(content));
        // No group of a model has an instance refresh or a failed launch.
        seen.refreshes = second.refreshes.into_iter().map(|group| (group, None)).collect();
        seen.launch_failures = second.launch_failures.into_iter().map(|group| (group, None)).collect();
        seen
    }

    /// What the production loop reads right before a write, as the input of the precondition.
    pub fn live(&self, world: &World, action: &Action) -> Live {
        let needs = needs(action);
        let at = action.group().and_then(|group| self.place(group));
        let is_asked = |forward: &Forward| needs.forwards.iter().any(|arn| forward.weights.contains_key(arn));
        Live {
            is_frozen: world.frozen_since.is_some(),
            group: at.and_then(|at| self.group(at, world.groups.get(at)?)),
            forwards: self.forward(world).filter(is_asked).into_iter().collect(),
            targets: self.targets(world, &needs.targets).collect(),
            refresh: None,
        }
    }

    fn targets<'t>(
        &'t self,
        world: &'t World,
        asked: &'t BTreeSet<TargetGroupArn>,
    ) -> impl Iterator<Item = (TargetGroupArn, BTreeMap<InstanceId, TargetHealth>)> + 't {
        let known = self.target_groups.iter().zip(&world.groups).filter(|(arn, _)| asked.contains(*arn));
        let targets =
            |pool: &Pool| pool.servers.iter().map(|server| (instance_id(server.id), health(server))).collect();
        known.map(move |(arn, pool)| (arn.clone(), targets(pool)))
    }

    /// A version of a color's launch template.
    pub fn version(&self, at: usize, version: u64) -> Option<TemplateVersion> {
        Some(TemplateVersion { template: self.templates.get(at)?.template.clone(), version })
    }

    /// The content of each launch template version that exists.
    fn contents(&self, world: &World) -> Vec<(TemplateVersion, TemplateContent)> {
        let content = |image: u32, token: Option<String>| TemplateContent {
            image: image_id(image),
            written_for: token,
            settings: BTreeMap::new(),
        };
        let Some(colors) = &world.colors else {
            return self.version(0, 1).map(|version| (version, content(1, None))).into_iter().collect();
        };
        let of_color = |(at, versions): (usize, &Vec<(u32, Option<String>)>)| {
            let known = versions.iter().zip(1..);
            let known = known.filter_map(|((image, token), version)| {
                Some((self.version(at, version)?, content(*image, token.clone())))
            });
            known.collect::<Vec<_>>()
        };
        colors.templates.iter().enumerate().flat_map(of_color).collect()
    }

    /// The forward action of a pair of colors. None: the model has a single group.
    pub fn forward(&self, world: &World) -> Option<Forward> {
        let colors = world.colors.as_ref()?;
        let weights = self.target_groups.iter().cloned().zip(colors.weights).collect();
        Some(Forward {
            place: ForwardPlace::Listener(self.listener.clone()),
            weights,
            stickiness: None,
            balancer: BalancerKind::Application,
        })
    }

    /// The index of the group to which a target group belongs.
    pub fn place_of(&self, target_group: &TargetGroupArn) -> Option<usize> {
        self.target_groups.iter().position(|known| known == target_group)
    }

    fn alarm(&self, world: &World) -> Alarm {
        let in_alarm = world.colors.as_ref().and_then(|colors| colors.in_alarm);
        let dimension = |at: usize| self.target_groups.get(at).map(|arn| arn.dimension().to_owned());
        let subject = AlarmSubject {
            target_groups: in_alarm.and_then(dimension).into_iter().collect(),
            ..AlarmSubject::default()
        };
        let state = if in_alarm.is_some() { AlarmState::Alarm } else { AlarmState::Ok };
        Alarm { state, since: Timestamp::UNIX_EPOCH, reason: "requests failed".into(), subject, window: None }
    }

    fn machine(&self, world: &World, id: u32) -> Option<Ec2Instance> {
        let at = world.groups.iter().position(|pool| pool.servers.iter().any(|server| server.id == id))?;
        let (_, server) = world.server(id)?;
        let template = self.version(at, server.version)?;
        let known = self.contents(world).into_iter().find(|(version, _)| *version == template);
        let image = known.and_then(|(_, content)| content.image)?;
        Some(Ec2Instance { image, template: Some(template), launched_at: server.launched_at, protect: None })
    }
}

/// The number of the newest version of a color's launch template.
fn newest_version(world: &World, at: usize) -> u64 {
    let versions = world.colors.as_ref().and_then(|colors| colors.templates.get(at));
    versions.map_or(1, |versions| versions.len() as u64)
}

/// The image with this number. A higher number is a newer image.
fn image(number: u32) -> Option<Image> {
    Some(Image {
        id: image_id(number)?,
        state: ImageState::Available,
        is_own: true,
        image_for: Some("app".into()),
        build: Some(format!("{number}").as_str().into()),
        commit: None,
        created_at: Timestamp::UNIX_EPOCH,
        architecture: "x86_64".into(),
        source_instance: None,
        is_backup: false,
        image_builder_arn: None,
    })
}

/// The id of the image with this number.
pub fn image_id(number: u32) -> Option<ImageId> {
    format!("ami-{number:08x}").parse().ok()
}

fn tags(policy: &[(&str, &str)]) -> BTreeMap<String, String> {
    policy.iter().map(|(key, value)| (format!("driftless:{key}"), (*value).to_owned())).collect()
}

fn health(server: &Server) -> TargetHealth {
    match server.life {
        Life::InService if server.is_sick => TargetHealth::Unhealthy("timeout".into()),
        Life::InService => TargetHealth::Healthy,
        Life::Pending => TargetHealth::Initial,
        Life::Terminating => TargetHealth::Draining,
    }
}

const fn finding(recorded_at: Timestamp) -> Finding {
    Finding { recorded_at, annotation: None }
}
