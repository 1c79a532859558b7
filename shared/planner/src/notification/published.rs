//! The schema of the body for machines, made from the types that are sent, for `docs/schemas/message.v1.json`.
//!
//! What is stored in the record is sent as it is stored, and is published in a form of its own here, in words for whoever
//! reads messages. The compiler holds each form to the stored type, field by field: serde can write and read the one by the
//! other.

use std::borrow::Cow;

use jiff::Timestamp;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Serializer;

use super::News;
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
pub(crate) fn settings() -> SchemaSettings {
    SchemaSettings::draft2020_12().for_serialize().with_transform(RecursiveTransform(promised))
}

/// Leaves what every version of the body promises, in keywords that every validator knows.
fn promised(schema: &mut Schema) {
    // A field may be added within a version.
    schema.remove("additionalProperties");
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

/// The kinds that a message can have: many of one kind are of that kind.
pub(super) fn kinds(generator: &mut SchemaGenerator) -> Schema {
    let news = News::json_schema(generator);
    let variants = news.get("oneOf").and_then(|variants| variants.as_array()).into_iter().flatten();
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
        "description": "Words that came from outside: data, never markup. One line, without control characters.",
        "maxLength": LENGTH_MAX
    };
    GroupName, "group": {"description": "An Auto Scaling group, by its name."};
    ImageId, "image": {"description": "An AMI.", "pattern": "^ami-[0-9a-f]+$"};
    InstanceId, "instance": {"description": "An EC2 instance.", "pattern": "^i-[0-9a-f]+$"};
    RuleName, "rule": {"description": "A rule of AWS Config, by its name."};
    TemplateId, "launch-template": {"description": "A launch template, by its id."};
    Zone, "zone": {"description": "An availability zone."};
}

/// Stored types, each with the form in which it is published, and by which serde could write it.
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
    /// The number of its version.
    #[schemars(range(min = 1))]
    version: u64,
}

/// What a color runs.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Release")]
#[schemars(rename = "release")]
struct ReleaseForm {
    image: ImageId,
    template: TemplateVersion,
    since: Timestamp,
    /// Its build, where it has one.
    build: Option<UntrustedText>,
}

/// Why an instance counts as drifted.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(remote = "DriftReason", rename_all = "kebab-case")]
#[schemars(rename = "drift")]
enum DriftReasonForm {
    /// A Config rule says so.
    Rule(RuleName),
    /// It runs another template version.
    Template {
        /// The version that it runs.
        found: TemplateVersion,
    },
    /// It runs another image.
    Image {
        /// The image that it runs.
        found: ImageId,
    },
    /// It is older than the fleet allows.
    Age,
    /// An alarm that names it rings.
    Alarm(AlarmName),
    /// A person said so.
    Operator { actor: UntrustedText },
}

/// An attempt that failed.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Failure")]
#[schemars(rename = "failure")]
struct FailureForm {
    at: Timestamp,
    /// Why, in AWS's own words where it said something.
    why: UntrustedText,
}

/// Why a surge was given up.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(remote = "CancelReason", rename_all = "kebab-case")]
#[schemars(rename = "withdrawal")]
enum CancelReasonForm {
    /// The drift is over.
    Cleared,
    /// The drifted instance is gone without Driftless.
    DriftedGone,
    /// Too many drifted at once.
    BreakerOpen,
    /// Many fleets drifted at once under this rule.
    RuleBreakerOpen(RuleName),
    /// AWS has no room for the successor, in its own words.
    NoCapacity(UntrustedText),
    /// The successor drifted for the same reason.
    BornDrifted { successor: InstanceId },
    /// Somebody protects the drifted one.
    Protected {
        /// By what, in words.
        by: UntrustedText,
    },
    /// The window closed before the drifted one, which was to go first, was terminated.
    WindowClosed,
    /// Too few would serve without the drifted one, which was to go first.
    BelowFloor {
        /// How many would serve without the drifted instance.
        serving: u32,
        floor: u32,
    },
    /// The attempt failed.
    Failed(UntrustedText),
}

/// Why a replacement was given up for good.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(remote = "StopReason", rename_all = "kebab-case")]
#[schemars(rename = "stop")]
enum StopReasonForm {
    /// Its attempts failed.
    Failures,
    /// It is itself a successor, and fails what its ancestor was replaced for.
    Lineage {
        /// The instance that it replaced.
        ancestor: InstanceId,
        /// The image that both run. Null: the release does not tell.
        image: Option<ImageId>,
    },
    /// Its successor failed the same on trial.
    Recurrence {
        /// The successor, which is gone again.
        successor: InstanceId,
        /// The image of the release. Null: the release does not tell.
        image: Option<ImageId>,
    },
    /// It went first, and no successor proved itself in its place in time.
    NotRefilled,
}

/// What may take the traffic.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Candidate")]
#[schemars(rename = "candidate")]
struct CandidateForm {
    image: ImageId,
    /// The version whose content it gets, apart from the image.
    base: TemplateVersion,
    /// Its build, where it has one.
    build: Option<UntrustedText>,
    /// What makes it a candidate.
    why: CandidateReason,
}

/// What makes a candidate.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(remote = "CandidateReason", rename_all = "kebab-case")]
#[schemars(inline)]
enum CandidateReasonForm {
    /// A newer image of the fleet.
    Image,
    /// Somebody wrote a newer template version.
    Template {
        /// The settings that differ.
        differs_in: Vec<String>,
    },
    /// A person wants the release on fresh instances.
    Redeploy { actor: UntrustedText },
    /// A person wants an earlier release back.
    Rollback { actor: UntrustedText },
}

/// How a cutover ended.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(remote = "CutoverOutcome", rename_all = "kebab-case")]
#[schemars(inline)]
enum CutoverOutcomeForm {
    /// The new release has the traffic, and the old color is gone.
    Done,
    /// Undone before it had traffic.
    Aborted,
    /// Undone before it had traffic, because something newer came.
    Superseded,
    /// The old release has its traffic again.
    RolledBack,
}

/// What observe mode has held back.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Observed")]
#[schemars(rename = "observed")]
struct ObservedForm {
    since: Timestamp,
    /// How often an instance would have been replaced.
    replacements: u32,
    /// How often for which reason.
    reasons: Vec<Tally>,
    /// How often a guard would have said no at first, by its name.
    would_wait: Vec<Tally>,
    /// How often the fleet would have been cut over.
    cutovers: u32,
    /// To which images, the last five.
    images: Vec<WouldCutOver>,
}

/// How often something was so.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Tally")]
#[schemars(rename = "tally")]
struct TallyForm {
    what: UntrustedText,
    #[schemars(range(min = 1))]
    count: u32,
}

/// A cutover that was held back.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(remote = "WouldCutOver")]
#[schemars(inline)]
struct WouldCutOverForm {
    image: ImageId,
    /// What makes it a candidate.
    why: UntrustedText,
    /// What it would have waited for at first. Null: nothing that shows before its preflight.
    waits: Option<UntrustedText>,
}
