//! Builders for each resource of a fleet.

use std::collections::{BTreeMap, BTreeSet};

use driftless_planner::alarm::Alarm;
use driftless_planner::alarm::{AlarmState, AlarmSubject};
use driftless_planner::balancer::{AttachmentApi, BalancerKind, Forward, ForwardPlace};
use driftless_planner::fact::{ComplianceFact, ComplianceType, Fact};
use driftless_planner::ids::{FleetName, ImageId, InstanceId, RuleName, TargetGroupArn};
use driftless_planner::image::{Image, ImageState};
use driftless_planner::observation::{Finding, Freeze, FreezeScope, Group, Lifecycle, Member};
use driftless_planner::refresh::{Refresh, RefreshStatus};
use driftless_planner::template::{TemplateContent, TemplateReference, TemplateVersion};
use jiff::{SignedDuration, Timestamp};

/// The Config rule in the policy of the test fleet.
pub const RULE: &str = "sg-closed";
/// A second Config rule, for policies with two rules.
pub const OTHER_RULE: &str = "imds-v2";
/// The name of the group, if the fleet has a single group.
pub const GROUP: &str = "app-asg";

/// The start time of every test.
pub fn t0() -> Timestamp {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

pub fn secs(seconds: i64) -> SignedDuration {
    SignedDuration::from_secs(seconds)
}

pub fn mins(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

/// Three durations around a boundary: one second below it, equal to it, and one second above it.
pub fn around(boundary: SignedDuration) -> [SignedDuration; 3] {
    [boundary - secs(1), boundary, boundary + secs(1)]
}

pub fn fleet() -> FleetName {
    "app".parse().unwrap()
}

/// The id of the instance with this number. The lowest numbers are the initial instances.
pub fn id(number: u32) -> InstanceId {
    format!("i-{number:017x}").parse().unwrap()
}

pub fn rule(name: &str) -> RuleName {
    name.parse().unwrap()
}

pub fn version(number: u64) -> TemplateVersion {
    TemplateVersion { template: "lt-00000000000000001".parse().unwrap(), version: number }
}

pub fn target_group(name: &str) -> TargetGroupArn {
    format!("arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/{name}/73e2d6bc24d8a067")
        .parse()
        .unwrap()
}

/// An instance in service, as a member of a group. Its number determines its zone: a, b or c.
pub fn member(number: u32) -> Member {
    let zone = ["eu-central-1a", "eu-central-1b", "eu-central-1c"][(number as usize + 2) % 3];
    Member {
        id: id(number),
        zone: zone.parse().unwrap(),
        lifecycle: Lifecycle::InService,
        healthy: true,
        template: Some(version(1)),
        image_override: None,
        protected: false,
    }
}

/// A group of `size` instances in service behind a load balancer, in act mode.
pub fn group(size: u32) -> Group {
    let tags = [
        ("driftless:fleet", "app"),
        ("driftless:mode", "act"),
        ("driftless:rules", RULE),
        ("driftless:alarms", "web-5xx"),
    ];
    Group {
        name: GROUP.parse().unwrap(),
        tags: tags.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
        min: size.min(1),
        max: size + 5,
        desired: size,
        template: TemplateReference::Numbered(version(1)),
        members: (1..=size).map(member).collect(),
        target_groups: vec![target_group("app")],
        attachment_api: AttachmentApi::TargetGroups,
        suspended: BTreeSet::new(),
        warm_up: mins(1),
        protects_new_instances: false,
        unsupported: Vec::new(),
        deleting: false,
    }
}

/// The content of a launch template version that names this image.
pub const fn content(image: Option<ImageId>) -> TemplateContent {
    TemplateContent { image, written_for: None, settings: BTreeMap::new() }
}

/// The image with this number, tagged for the fleet. A higher number is a newer image.
pub fn image(number: u32) -> Image {
    Image {
        id: image_id(number),
        state: ImageState::Available,
        is_own: true,
        image_for: Some("app".into()),
        build: Some(format!("{number}").as_str().into()),
        commit: None,
        created_at: t0() - SignedDuration::from_hours(100) + SignedDuration::from_hours(i64::from(number)),
        architecture: "x86_64".into(),
        source_instance: None,
        is_backup: false,
        image_builder_arn: None,
    }
}

pub fn image_id(number: u32) -> ImageId {
    format!("ami-{number:017x}").parse().unwrap()
}

/// An alarm in OK that names no resource, as a composite alarm does.
pub fn quiet_alarm() -> Alarm {
    Alarm {
        state: AlarmState::Ok,
        since: t0() - SignedDuration::from_hours(1),
        reason: "threshold not crossed".into(),
        subject: AlarmSubject::default(),
        window: None,
    }
}

/// The forward action of the listener with this number.
pub fn forward(number: usize, weights: BTreeMap<TargetGroupArn, u32>) -> Forward {
    let listener = format!(
        "arn:aws:elasticloadbalancing:eu-central-1:123456789012:listener/app/web/50dc6c495c0c9188/f2f7dc8efc52{number:04x}"
    );
    Forward {
        place: ForwardPlace::Listener(listener.parse().unwrap()),
        weights,
        stickiness: None,
        balancer: BalancerKind::Application,
    }
}

/// An instance refresh with this status, which has just begun.
pub fn refresh(status: RefreshStatus) -> Refresh {
    Refresh {
        id: "08b91cf7-8fa6-48af-b6a6-d227f40f1b9b".parse().unwrap(),
        status,
        template: None,
        percentage: 0,
        started_at: t0(),
        reason: None,
    }
}

/// A finding that Config recorded a minute before the start of the test.
pub fn finding() -> Finding {
    Finding { recorded_at: t0() - mins(1), annotation: Some("port 22 is open".into()) }
}

/// The fact that Config reports this compliance of the instance with this number.
pub fn report(number: u32, name: &str, verdict: ComplianceType, observed_at: Timestamp) -> Fact {
    Fact::Compliance(ComplianceFact {
        instance: id(number),
        rule: rule(name),
        verdict,
        observed_at,
        annotation: Some("port 22 is open".into()),
    })
}

/// A freeze of the fleet.
pub fn freeze(since: Timestamp, expires_at: Option<Timestamp>) -> Freeze {
    Freeze { reason: "incident".into(), owner: "ana".into(), since, expires_at, scope: FreezeScope::Fleet(fleet()) }
}

/// The non-compliant instances of each rule.
pub type Compliance = BTreeMap<RuleName, BTreeMap<InstanceId, Finding>>;
