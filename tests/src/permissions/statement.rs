//! Statements of IAM policies, and what they allow.
//!
//! Conditions are not evaluated: an Allow with a condition counts, a Deny with one does not. That every condition is
//! there, and right, is the business of the template's own tests.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::pattern::{matches, matches_any_case};

/// A statement of a policy. Those with `NotAction`, `NotResource` or `Principal` are refused when they are read.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Statement {
    /// Its name.
    #[serde(default)]
    pub sid: Option<String>,
    /// Allow or Deny.
    pub effect: Effect,
    /// Patterns of actions.
    #[serde(deserialize_with = "one_or_many")]
    pub action: Vec<String>,
    /// Patterns of resources.
    #[serde(deserialize_with = "one_or_many")]
    pub resource: Vec<String>,
    /// Its condition, as it stands.
    #[serde(default)]
    pub condition: Option<Value>,
}

/// What a statement does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Effect {
    /// It allows.
    Allow,
    /// It denies, whatever else allows.
    Deny,
}

/// Why something is not allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// No statement allows the action on any resource.
    ActionNotAllowed,
    /// The action is allowed, but not on this resource.
    ResourceNotAllowed,
    /// A statement denies it.
    Denied {
        /// The statement.
        sid: String,
    },
}

/// Whether a policy allows an action on a resource.
pub fn check(policy: &[Statement], action: &str, resource: &str) -> Result<(), Refusal> {
    let about = |statement: &&Statement| statement.is_about(action);
    let denies = |statement: &&Statement| statement.denies() && statement.covers(resource);
    if let Some(statement) = policy.iter().filter(about).find(denies) {
        return Err(Refusal::Denied { sid: statement.sid.clone().unwrap_or_default() });
    }
    let mut allowing = policy.iter().filter(about).filter(|statement| statement.effect == Effect::Allow).peekable();
    if allowing.peek().is_none() {
        return Err(Refusal::ActionNotAllowed);
    }
    if allowing.any(|statement| statement.covers(resource)) { Ok(()) } else { Err(Refusal::ResourceNotAllowed) }
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

    fn denies(&self) -> bool {
        self.effect == Effect::Deny && self.condition.is_none()
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ActionNotAllowed => formatter.write_str("no statement allows the action"),
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
        assert_eq!(check(&policy, "sqs:SendMessage", "arn:aws:sqs:us-east-1:1:wake"), Ok(()));
        assert_eq!(check(&policy, "sqs:DeleteMessage", "arn:aws:sqs:us-east-1:1:wake"), Err(Refusal::ActionNotAllowed));
        assert_eq!(
            check(&policy, "sqs:SendMessage", "arn:aws:sqs:us-east-1:1:other"),
            Err(Refusal::ResourceNotAllowed)
        );
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
        assert_eq!(check(&policy, "ec2:TerminateInstances", "*"), denied);
        assert_eq!(check_somewhere(&policy, "ec2:TerminateInstances"), denied);
        assert_eq!(check(&policy, "ec2:RunInstances", "*"), Ok(()));
    }

    #[test]
    fn a_statement_that_is_not_understood_is_refused() {
        let unknown = serde_json::json!([{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}]);
        assert!(serde_json::from_value::<Vec<Statement>>(unknown).is_err());
    }
}
