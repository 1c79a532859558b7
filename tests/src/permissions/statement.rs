//! Statements of IAM policies, and their evaluation.
//!
//! Only the condition on the fleet tag is evaluated. With another condition an Allow counts and a Deny does not. The
//! tests of the template check those conditions.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::pattern::{matches, matches_any_case};

/// The condition that is false for a resource with the fleet tag.
const HAS_NO_TAG: &str = "/Null/aws:ResourceTag~1driftless:fleet";

/// A statement of a policy. Those with `NotAction`, `NotResource` or `Principal` are refused when they are read.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Statement {
    #[serde(default)]
    pub sid: Option<String>,
    pub effect: Effect,
    #[serde(deserialize_with = "one_or_many")]
    pub action: Vec<String>,
    #[serde(deserialize_with = "one_or_many")]
    pub resource: Vec<String>,
    #[serde(default)]
    pub condition: Option<Value>,
}

/// The effect of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Effect {
    Allow,
    /// Denies, even if another statement allows.
    Deny,
}

/// Why an action is not allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// No statement allows the action on any resource.
    ActionNotAllowed,
    /// The action is allowed, but not on this resource.
    ResourceNotAllowed,
    /// The action is allowed on this resource only with the fleet tag.
    NotTagged,
    /// A statement denies it.
    Denied { sid: String },
}

/// Whether a policy allows an action on a resource with or without the fleet tag.
pub fn check(policy: &[Statement], action: &str, resource: &str, is_tagged: bool) -> Result<(), Refusal> {
    let about = |statement: &&Statement| statement.is_about(action);
    let denies = |statement: &&Statement| statement.denies() && statement.covers(resource);
    if let Some(statement) = policy.iter().filter(about).find(denies) {
        return Err(Refusal::Denied { sid: statement.sid.clone().unwrap_or_default() });
    }
    let mut allowing = policy.iter().filter(about).filter(|statement| statement.effect == Effect::Allow).peekable();
    if allowing.peek().is_none() {
        return Err(Refusal::ActionNotAllowed);
    }
    let covering: Vec<&Statement> = allowing.filter(|statement| statement.covers(resource)).collect();
    match covering.as_slice() {
        [] => Err(Refusal::ResourceNotAllowed),
        some if is_tagged || some.iter().any(|statement| !statement.wants_tag()) => Ok(()),
        _ => Err(Refusal::NotTagged),
    }
}

/// Whether a policy allows an action on any resource at all.
pub fn check_somewhere(policy: &[Statement], action: &str) -> Result<(), Refusal> {
    let denies_everywhere = |statement: &&Statement| {
        statement.is_about(action) && statement.denies() && statement.resource.iter().any(|pattern| pattern == "*")
    };
    if let Some(statement) = policy.iter().find(denies_everywhere) {
        return Err(Refusal::Denied { sid: statement.sid.clone().unwrap_or_default() });
    }
    let allows = |statement: &Statement| statement.effect == Effect::Allow && statement.is_about(action);
    if policy.iter().any(allows) { Ok(()) } else { Err(Refusal::ActionNotAllowed) }
}

impl Statement {
    fn is_about(&self, action: &str) -> bool {
        self.action.iter().any(|pattern| matches_any_case(pattern, action))
    }

    fn covers(&self, resource: &str) -> bool {
        self.resource.iter().any(|pattern| matches(pattern, resource))
    }

    fn wants_tag(&self) -> bool {
        let condition = self.condition.as_ref().and_then(|condition| condition.pointer(HAS_NO_TAG));
        condition.and_then(Value::as_str) == Some("false")
    }

    fn denies(&self) -> bool {
        self.effect == Effect::Deny && self.condition.is_none()
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ActionNotAllowed => formatter.write_str("no statement allows the action"),
            Self::NotTagged => formatter.write_str("the action is allowed on resources with the tag of a fleet only"),
            Self::ResourceNotAllowed => formatter.write_str("the action is allowed on other resources only"),
            Self::Denied { sid } => write!(formatter, "statement {sid:?} denies it"),
        }
    }
}

fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let texts = if value.is_array() { value } else { Value::Array(vec![value]) };
    serde_json::from_value(texts).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(json: Value) -> Vec<Statement> {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn what_no_statement_allows_is_refused() {
        let policy = policy(serde_json::json!([
            {"Effect": "Allow", "Action": "sqs:Send*", "Resource": "arn:aws:sqs:us-east-1:1:wake"},
        ]));
        let (request, other) = ("arn:aws:sqs:us-east-1:1:wake", "arn:aws:sqs:us-east-1:1:other");
        assert_eq!(check(&policy, "sqs:SendMessage", request, false), Ok(()));
        assert_eq!(check(&policy, "sqs:DeleteMessage", request, false), Err(Refusal::ActionNotAllowed));
        assert_eq!(check(&policy, "sqs:SendMessage", other, false), Err(Refusal::ResourceNotAllowed));
        assert_eq!(check_somewhere(&policy, "sqs:SendMessage"), Ok(()));
        assert_eq!(check_somewhere(&policy, "kms:Decrypt"), Err(Refusal::ActionNotAllowed));
    }

    #[test]
    fn a_deny_wins_unless_it_has_a_condition() {
        let policy = policy(serde_json::json!([
            {"Effect": "Allow", "Action": ["ec2:*"], "Resource": ["*"], "Condition": {"Null": {"a": "false"}}},
            {"Sid": "Never", "Effect": "Deny", "Action": "ec2:TerminateInstances", "Resource": "*"},
            {"Sid": "Tls", "Effect": "Deny", "Action": "ec2:Run*", "Resource": "*", "Condition": {"Bool": {"b": "c"}}},
        ]));
        let denied = Err(Refusal::Denied { sid: "Never".to_owned() });
        assert_eq!(check(&policy, "ec2:TerminateInstances", "*", false), denied);
        assert_eq!(check_somewhere(&policy, "ec2:TerminateInstances"), denied);
        assert_eq!(check(&policy, "ec2:RunInstances", "*", false), Ok(()));
    }

    #[test]
    fn what_is_allowed_by_tag_is_refused_without_it() {
        let condition = serde_json::json!({"Null": {"aws:ResourceTag/driftless:fleet": "false"}});
        let policy = policy(serde_json::json!([
            {"Effect": "Allow", "Action": "autoscaling:*", "Resource": "arn:*", "Condition": condition},
            {"Effect": "Allow", "Action": "autoscaling:SetDesiredCapacity", "Resource": "arn:2"},
        ]));
        assert_eq!(check(&policy, "autoscaling:EnterStandby", "arn:1", true), Ok(()));
        assert_eq!(check(&policy, "autoscaling:EnterStandby", "arn:1", false), Err(Refusal::NotTagged));
        assert_eq!(check(&policy, "autoscaling:SetDesiredCapacity", "arn:2", false), Ok(()));
    }

    #[test]
    fn a_statement_that_is_not_understood_is_refused() {
        let unknown = serde_json::json!([{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}]);
        assert!(serde_json::from_value::<Vec<Statement>>(unknown).is_err());
    }
}
