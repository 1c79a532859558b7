//! The schema of the body for machines, made from the types that are sent, for `docs/schemas/message.v1.json`.
//!
//! Driftless sends stored data in the form in which the record stores it. Each stored type has a form of its own here,
//! whose doc comments are the descriptions of the schema. The compiler checks each form against its stored type, field
//! by field: serde writes and reads the one by the other.

use std::borrow::Cow;

use jiff::Timestamp;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Serializer;

use super::Details;
use super::message::MachineBody;
use crate::ids::{AlarmName, FleetName, GroupName, ImageId, InstanceId, RuleName, TemplateId, Zone};
use crate::record::{
    CancelReason, Candidate, CandidateReason, CutoverOutcome, DriftReason, Failure, Observed, Release, StopReason,
    Tally, WouldCutOver,
};
use crate::template::TemplateVersion;
use crate::text::{LENGTH_MAX, UntrustedText};

/// The schema of the body for machines.
pub fn schema() -> Schema {
    settings().into_generator().into_root_schema_for::<MachineBody<'_>>()
}

/// How schemas of what is sent are made.
pub fn settings() -> SchemaSettings {
    SchemaSettings::draft2020_12().for_serialize().with_transform(RecursiveTransform(published_form))
}

/// Closes every object, and leaves only keywords that every validator knows.
fn published_form(schema: &mut Schema) {
    if schema.get("properties").is_some() {
        schema.insert("additionalProperties".to_owned(), false.into());
    }
    let text = |schema: &Schema, keyword| schema.get(keyword).and_then(|value| value.as_str().map(str::to_owned));
    if let Some(description) = text(schema, "description") {
        schema.insert("description".to_owned(), description.replace('\n', " ").into());
    }
    let Some(format) = text(schema, "format") else { return };
    if format == "duration" {
        // That format knows no fractions of a second.
        schema.remove("format");
        schema.insert("pattern".to_owned(), "^P".into());
        schema.insert("examples".to_owned(), vec!["PT1H30M"].into());
    } else if format.starts_with("uint") {
        schema.remove("format");
    }
}

/// The kinds that a message can have. A message about many of one kind has that kind.
pub(super) fn kinds(generator: &mut SchemaGenerator) -> Schema {
    let details = Details::json_schema(generator);
    let variants = details.get("oneOf").and_then(|variants| variants.as_array()).into_iter().flatten();
    let kinds = variants.filter_map(|variant| variant.pointer("/properties/kind/const")?.as_str());
    json_schema!({"type": "string", "enum": kinds.filter(|kind| *kind != "many").collect::<Vec<_>>()})
}

/// Names and identifiers, which are texts.
macro_rules! texts {
    ($($type:ty, $name:literal: {$($keyword:literal: $value:expr),*};)*) => { $(
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({"type": "string" $(, $keyword: $value)*})
            }
        }
    )* };
}

texts! {
    AlarmName, "alarm": {"description": "A CloudWatch alarm, by its name."};
    FleetName, "fleet": {"description": "A fleet, by its name.", "pattern": "^[a-z0-9-]{1,40}$"};
    UntrustedText, "foreign": {
        "description": "Untrusted text, such as an annotation or an error message: data, never markup. One line, without control characters.",
        "maxLength": LENGTH_MAX
    };
    GroupName, "group": {"description": "An Auto Scaling group, by its name."};
    ImageId, "image": {"description": "An AMI.", "pattern": "^ami-[0-9a-f]+$"};
    InstanceId, "instance": {"description": "An EC2 instance.", "pattern": "^i-[0-9a-f]+$"};
    RuleName, "rule": {"description": "An AWS Config rule, by its name."};
    TemplateId, "launch-template": {"description": "A launch template, by its id."};
    Zone, "zone": {"description": "An Availability Zone."};
}

/// Stored types, each with the form in which it is published.
macro_rules! published {
    ($($stored:ty: $form:ty),* $(,)?) => { $(
        const _: fn(&$stored, &'static mut Serializer<Vec<u8>>) -> Result<(), serde_json::Error> = <$form>::serialize;

        impl JsonSchema for $stored {
            fn schema_name() -> Cow<'static, str> {
                <$form>::schema_name()
            }

            fn inline_schema() -> bool {
                <$form>::inline_schema()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                <$form>::json_schema(generator)
            }
        }
    )* };
}

published! {
    Candidate: CandidateForm,
    CandidateReason: CandidateReasonForm,
    CutoverOutcome: CutoverOutcomeForm,
    DriftReason: DriftReasonForm,
    Failure: FailureForm,
    Observed: ObservedForm,
    Release: ReleaseForm,
    StopReason: StopReasonForm,
    Tally: TallyForm,
    TemplateVersion: TemplateVersionForm,
    CancelReason: CancelReasonForm,
    WouldCutOver: WouldCutOverForm,
}

/// A launch template version.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(remote = "TemplateVersion")]
#[schemars(rename = "template")]
struct TemplateVersionForm {
    /// The launch template's id.
    template: TemplateId,
    /// The number of the version.
    #[schemars(range(min = 1))]
    version: u64,
}

/// The release of a color.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Release")]
#[schemars(rename = "release")]
struct ReleaseForm {
    /// The image.
    image: ImageId,
    /// The launch template version.
    template: TemplateVersion,
    /// Since when it is the release.
    since: Timestamp,
    /// The build of the image. Null: the image has no build.
    build: Option<UntrustedText>,
}

/// Why an instance counts as drifted.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(remote = "DriftReason", rename_all = "kebab-case")]
#[schemars(rename = "drift")]
enum DriftReasonForm {
    /// An AWS Config rule reports the instance as non-compliant.
    Rule(RuleName),
    /// The instance runs another launch template version than the release.
    Template {
        /// The version that the instance runs.
        found: TemplateVersion,
    },
    /// The instance runs another image than the release.
    Image {
        /// The image that the instance runs.
        found: ImageId,
    },
    /// The instance is older than `driftless:max-age`.
    Age,
    /// An alarm that names the instance is in ALARM.
    Alarm(AlarmName),
    /// An operator requested the replacement.
    Operator {
        /// Who requested it.
        actor: UntrustedText,
    },
}

/// An attempt that failed.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Failure")]
#[schemars(rename = "failure")]
struct FailureForm {
    /// When the attempt failed.
    at: Timestamp,
    /// Why the attempt failed, with the message of AWS if there is one.
    why: UntrustedText,
}

/// Why a replacement was cancelled.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(remote = "CancelReason", rename_all = "kebab-case")]
#[schemars(rename = "cancellation")]
enum CancelReasonForm {
    /// The drift is over.
    Cleared,
    /// The drifted instance was terminated outside Driftless.
    #[serde(rename = "terminated-outside")]
    DriftedGone,
    /// Too many instances of the fleet drifted at once.
    BreakerOpen,
    /// Many fleets drifted at once under this rule.
    RuleBreakerOpen(RuleName),
    /// AWS has no capacity for the replacement instance, with its message.
    NoCapacity(UntrustedText),
    /// The replacement instance drifted for the same reason.
    #[serde(rename = "repeat-drift")]
    DriftedFromTheStart {
        /// The replacement instance.
        #[serde(rename = "replacement_instance")]
        successor: InstanceId,
    },
    /// The drifted instance is protected.
    Protected {
        /// The protection, as a clause.
        by: UntrustedText,
    },
    /// With terminate-first: the window closed before the drifted instance was terminated.
    WindowClosed,
    /// With terminate-first: too few instances would stay healthy without the drifted instance.
    #[serde(rename = "below-minimum")]
    BelowMinimum {
        /// How many instances would stay healthy without the drifted instance.
        #[serde(rename = "healthy")]
        serving: u32,
        /// How many must stay healthy.
        #[serde(rename = "min_healthy")]
        minimum_healthy: u32,
    },
    /// A call or a check of the attempt failed, as the text says.
    Failed(UntrustedText),
}

/// Why Driftless stopped trying to replace an instance.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(remote = "StopReason", rename_all = "kebab-case")]
#[schemars(rename = "stop")]
enum StopReasonForm {
    /// The attempts failed.
    Failures,
    /// The instance is itself a replacement instance and drifted for the reason for which the instance before it was
    /// replaced.
    #[serde(rename = "repeat-drift")]
    RepeatDrift {
        /// The instance that was replaced before.
        #[serde(rename = "replaced_instance")]
        ancestor: InstanceId,
        /// The image that both run. Null: unknown.
        image: Option<ImageId>,
    },
    /// The replacement instance drifted for the same reason before it was verified.
    #[serde(rename = "repeat-drift-of-replacement")]
    Recurrence {
        /// The replacement instance, which is terminated.
        #[serde(rename = "replacement_instance")]
        successor: InstanceId,
        /// The image of the release. Null: unknown.
        image: Option<ImageId>,
    },
    /// With terminate-first: the instance was terminated, and no replacement instance passed health checks in time.
    #[serde(rename = "not-relaunched")]
    NotLaunchedAfter,
}

/// A release that may take the traffic.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Candidate")]
#[schemars(rename = "candidate")]
struct CandidateForm {
    /// The image.
    image: ImageId,
    /// The launch template version from which all settings but the image are copied.
    base: TemplateVersion,
    /// The build of the image. Null: the image has no build.
    build: Option<UntrustedText>,
    /// Why it is a candidate.
    why: CandidateReason,
}

/// Why a release is a candidate.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(remote = "CandidateReason", rename_all = "kebab-case")]
#[schemars(inline)]
enum CandidateReasonForm {
    /// There is a newer image for the fleet.
    Image,
    /// There is a newer launch template version.
    Template {
        /// The settings that differ.
        differs_in: Vec<String>,
    },
    /// An operator requested new instances of the release.
    Redeploy {
        /// Who requested them.
        actor: UntrustedText,
    },
    /// An operator requested a rollback to an earlier release.
    Rollback {
        /// Who requested it.
        actor: UntrustedText,
    },
}

/// How a cutover ended.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(remote = "CutoverOutcome", rename_all = "kebab-case")]
#[schemars(inline)]
enum CutoverOutcomeForm {
    /// The new release has all traffic, and the old color is scaled to zero.
    Done,
    /// The cutover was undone before the new color had traffic.
    Aborted,
    /// The cutover was undone before the new color had traffic, because a newer image came.
    Superseded,
    /// The old release has all traffic again.
    RolledBack,
}

/// What Driftless would have done in act mode.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Observed")]
#[schemars(rename = "observed")]
struct ObservedForm {
    /// Since when it is counted.
    since: Timestamp,
    /// How often an instance would have been replaced.
    replacements: u32,
    /// The reasons, each with its count.
    reasons: Vec<Tally>,
    /// The first guard that would have blocked, with its count.
    would_wait: Vec<Tally>,
    /// How often a cutover would have started.
    cutovers: u32,
    /// The last five images that would have taken the traffic.
    images: Vec<WouldCutOver>,
}

/// How often something would have happened.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Tally")]
#[schemars(rename = "tally")]
struct TallyForm {
    /// The reason, or the name of the guard.
    what: UntrustedText,
    /// How often.
    #[schemars(range(min = 1))]
    count: u32,
}

/// A cutover that would have started.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(remote = "WouldCutOver")]
#[schemars(inline)]
struct WouldCutOverForm {
    /// The image that would have taken the traffic.
    image: ImageId,
    /// Why it was a candidate.
    why: UntrustedText,
    /// What would have blocked the cutover first. Null: no guard before the preflight checks.
    waits: Option<UntrustedText>,
}
