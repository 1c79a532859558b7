//! Reads the event `Config Rules Compliance Change` of AWS Config.

use driftless_lambda::detector::Parsed;
use driftless_lambda::envelope::{Envelope, InvalidEvent, open};
use driftless_planner::fact::{ComplianceFact, ComplianceType, Fact};
use driftless_planner::ids::{AccountId, InstanceId, RuleName};
use driftless_planner::text::UntrustedText;
use jiff::Timestamp;
use serde::Deserialize;

const SOURCE: &str = "aws.config";
const DETAIL_TYPE: &str = "Config Rules Compliance Change";
/// The other detail types of AWS Config. They contain no compliance result and are ignored.
const SIBLINGS: [&str; 2] = ["Config Rules Re-evaluation Status", "Config Configuration Item Change"];
/// The only known message type of this detail type. The EventBridge rule in the template passes no other, so another
/// one is an error to investigate: a compliance result in a new form must not be lost silently.
const MESSAGE_TYPE: &str = "ComplianceChangeNotification";
/// The resource types that represent an instance: the instance itself, or what Systems Manager reports about it. The
/// EventBridge rule in the template names the same types.
const RESOURCE_TYPES: [&str; 4] = [
    "AWS::EC2::Instance",
    "AWS::SSM::ManagedInstanceInventory",
    "AWS::SSM::PatchCompliance",
    "AWS::SSM::AssociationCompliance",
];

/// The field that tells whether the rest of the detail has the known form.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kind {
    message_type: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Detail {
    aws_account_id: AccountId,
    config_rule_name: RuleName,
    resource_type: String,
    resource_id: String,
    notification_creation_time: Timestamp,
    /// The new result. It is null or absent if the rule or the resource was deleted. The old result in the event is not
    /// read, because it was reported before.
    new_evaluation_result: Option<EvaluationResult>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct EvaluationResult {
    compliance_type: ReportedCompliance,
    #[serde(rename = "evaluationResultIdentifier")]
    identifier: EvaluationResultIdentifier,
    annotation: Option<UntrustedText>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct EvaluationResultIdentifier {
    ordering_timestamp: Timestamp,
}

/// The compliance type as AWS Config writes it in the event.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum ReportedCompliance {
    Compliant,
    NonCompliant,
    NotApplicable,
    InsufficientData,
}

/// Reads the body of a message as a compliance event. `ours` is the id of our account.
pub(crate) fn parse(body: &str, ours: &AccountId) -> Result<Parsed, InvalidEvent> {
    let event = open(body, ours)?;
    match (event.header.source.as_str(), event.header.detail_type.as_str()) {
        (SOURCE, DETAIL_TYPE) => compliance(&event, ours),
        (SOURCE, sibling) if SIBLINGS.contains(&sibling) => Ok(Parsed::Ignored("not a verdict of Config")),
        _ => Err(event.unexpected(&[(SOURCE, DETAIL_TYPE)])),
    }
}

fn compliance(event: &Envelope, ours: &AccountId) -> Result<Parsed, InvalidEvent> {
    let kind: Kind = event.detail()?;
    if kind.message_type != MESSAGE_TYPE {
        let reason = format!("unexpected {:?}, expected {MESSAGE_TYPE}", kind.message_type);
        return Err(InvalidEvent::new("detail.messageType", reason));
    }
    let detail: Detail = event.detail()?;
    if detail.aws_account_id != *ours {
        return Err(InvalidEvent::foreign_account("detail.awsAccountId", &detail.aws_account_id, ours));
    }
    if !RESOURCE_TYPES.contains(&detail.resource_type.as_str()) {
        let reason = format!("unexpected {:?}, expected {}", detail.resource_type, RESOURCE_TYPES.join(" or "));
        return Err(InvalidEvent::new("detail.resourceType", reason));
    }
    let Some(instance) = instance(&detail.resource_id)? else {
        return Ok(Parsed::Ignored("a managed node outside EC2"));
    };
    let (verdict, observed_at, annotation) = match detail.new_evaluation_result {
        None => (ComplianceType::NotApplicable, detail.notification_creation_time, None),
        Some(result) => {
            let verdict = match result.compliance_type {
                ReportedCompliance::Compliant => ComplianceType::Compliant,
                ReportedCompliance::NonCompliant => ComplianceType::NonCompliant,
                ReportedCompliance::NotApplicable => ComplianceType::NotApplicable,
                // It must not clear a known drift.
                ReportedCompliance::InsufficientData => return Ok(Parsed::Ignored("Config could not tell")),
            };
            (verdict, result.identifier.ordering_timestamp, result.annotation)
        }
    };
    Ok(Parsed::Fact(Fact::Compliance(ComplianceFact {
        instance,
        rule: detail.config_rule_name,
        verdict,
        observed_at,
        annotation: annotation.filter(|text| !text.as_str().is_empty()),
    })))
}

/// The instance that a resource id names. The id of the instance stands alone, or after a type of Systems Manager and a
/// slash. None: the resource is a node that Systems Manager manages outside EC2.
fn instance(resource_id: &str) -> Result<Option<InstanceId>, InvalidEvent> {
    let id = resource_id.rsplit('/').next().unwrap_or(resource_id);
    if id.starts_with("mi-") {
        return Ok(None);
    }
    id.parse().map(Some).map_err(|error| InvalidEvent::bad_id("detail.resourceId", error))
}

#[cfg(test)]
mod tests;
