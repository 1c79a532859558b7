//! Checks the recorded calls of each function against its deployed policy, in both directions: no call lacks a
//! permission, and no permission is unused. Unused ones are found after all scenes ([`Evidence`]).
//!
//! The emulators check no permissions. This module knows actions, resources, wildcards, explicit denies and the fleet
//! tag; it evaluates no other condition (see [`statement`]).

mod evidence;
mod needs;
pub mod statement;
mod tagged;
mod usage;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, bail};

pub use evidence::Evidence;
pub use statement::{Effect, Refusal, Statement};
pub use usage::{Unneeded, Usage};

use crate::patience::lines;
use crate::proxy::Call;
use crate::stack::LocalStack;
use needs::{implied, needs};
use statement::{check, check_somewhere};

/// The permissions of the functions.
#[derive(Debug, Clone)]
pub struct Permissions {
    policies: BTreeMap<String, Vec<Statement>>,
    /// Further actions that AWS checks for an action, on resources that the call does not name.
    dependents: BTreeMap<String, Vec<String>>,
}

/// Attributes of the called resources that a policy needs and a call does not contain.
#[derive(Debug, Clone, Default)]
pub struct Resources {
    /// The group of each instance, for calls that name only the instance.
    pub groups: BTreeMap<String, String>,
    /// Resources with the fleet tag, by the ARNs that policies use.
    pub tagged: BTreeSet<String>,
}

/// A call without a permission.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    pub function: String,
    /// The missing permission, and the call.
    pub need: String,
    /// Why the policy does not allow it.
    pub why: String,
}

impl LocalStack {
    /// Checks every recorded call against the deployed policies. The error lists what is not allowed.
    pub async fn check_permissions(&self) -> anyhow::Result<()> {
        let permissions = Permissions::new(self.deployment().policies.clone())?;
        let calls = self.recording().all();
        let resources =
            Resources { groups: self.groups_of_instances().await?, tagged: self.tagged_resources(&calls).await? };
        let violations = permissions.violations(&calls, &resources);
        if violations.is_empty() {
            return Ok(());
        }
        bail!("functions do what their policies do not allow:{}", lines(&violations))
    }
}

impl Permissions {
    /// The policies of functions, by name.
    pub fn new(policies: BTreeMap<String, Vec<Statement>>) -> anyhow::Result<Self> {
        let dependents = include_str!("../template/dependent_actions.json");
        let dependents = serde_json::from_str(dependents).context("dependent_actions.json")?;
        Ok(Self { policies, dependents })
    }

    /// The permissions that the calls need and the policies do not give, each once.
    pub fn violations(&self, calls: &[Call], resources: &Resources) -> BTreeSet<Violation> {
        let functions: BTreeSet<&str> = calls.iter().filter_map(|call| call.function.as_deref()).collect();
        let of_lambda = functions.into_iter().flat_map(|function| self.violations_of_lambda(function));
        calls.iter().flat_map(|call| self.violations_of_call(call, resources)).chain(of_lambda).collect()
    }

    fn violations_of_call(&self, call: &Call, resources: &Resources) -> Vec<Violation> {
        let function = call.function.clone().unwrap_or_else(|| "unknown function".to_owned());
        let violation = |need: String, why: String| Violation { function: function.clone(), need, why };
        let Some(policy) = self.policies.get(&function) else {
            return vec![violation(call.name(), "no policy of this function was deployed".to_owned())];
        };
        let needs = match needs(call, &resources.groups) {
            Ok(needs) => needs,
            Err(why) => return vec![violation(call.name(), why)],
        };
        let mut violations = Vec::new();
        for (action, resource) in needs {
            if let Err(refusal) = check(policy, &action, &resource, resources.tagged.contains(&resource)) {
                violations.push(violation(format!("{action} on {resource}"), refusal.to_string()));
            }
            for dependent in self.dependents.get(&action).into_iter().flatten() {
                // `kms:GenerateDataKey*` is a pattern itself; the plain action stands for it.
                if let Err(refusal) = check_somewhere(policy, dependent.trim_end_matches('*')) {
                    violations
                        .push(violation(format!("{dependent}, which AWS checks for {action}"), refusal.to_string()));
                }
            }
        }
        violations
    }

    fn violations_of_lambda(&self, function: &str) -> Vec<Violation> {
        // A function without a policy is reported with its calls.
        let policy = self.policies.get(function).map(Vec::as_slice).unwrap_or_default();
        let refused = implied(function).into_iter().filter_map(|(action, resource)| {
            let refusal = check(policy, &action, &resource, false).err()?;
            let need = format!("{action} on {resource}, which Lambda does in its name");
            Some(Violation { function: function.to_owned(), need, why: refusal.to_string() })
        });
        refused.collect()
    }
}

impl std::fmt::Display for Violation {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} needs {}: {}", self.function, self.need, self.why)
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::{Value, json};

    use super::*;
    use crate::proxy::Outcome;

    pub(super) const FUNCTION: &str = "driftless-reconcile";

    pub(super) fn call(service: &str, action: &str, request: Value) -> Call {
        Call {
            at: Timestamp::UNIX_EPOCH,
            took: None,
            function: Some(FUNCTION.to_owned()),
            service: service.to_owned(),
            action: action.to_owned(),
            request,
            outcome: Outcome::Answered(200),
            fault: None,
        }
    }

    /// The violations of calls under a policy that also has all permissions that Lambda needs.
    fn violations(policy: Value, calls: &[Call]) -> Vec<String> {
        let mut policy: Vec<Statement> = serde_json::from_value(policy).unwrap();
        let lambda = json!({"Effect": "Allow", "Action": ["sqs:*", "logs:*"], "Resource": "*"});
        policy.push(serde_json::from_value(lambda).unwrap());
        let permissions = Permissions::new(BTreeMap::from([(FUNCTION.to_owned(), policy)])).unwrap();
        let groups = BTreeMap::from([("i-1".to_owned(), "app-blue".to_owned())]);
        let resources = Resources { groups, ..Resources::default() };
        permissions.violations(calls, &resources).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_transaction_needs_the_permissions_of_its_parts() {
        let transaction = call(
            "dynamodb",
            "TransactWriteItems",
            json!({"TransactItems": [{"Put": {"TableName": "t"}}, {"ConditionCheck": {"TableName": "t"}}]}),
        );
        let table = "arn:aws:dynamodb:us-east-1:123456789012:table/t";
        let policy = json!([{"Effect": "Allow", "Action": "dynamodb:PutItem", "Resource": table}]);
        assert_eq!(
            violations(policy, &[transaction]),
            [format!(
                "driftless-reconcile needs dynamodb:ConditionCheckItem on {table}: no statement allows the action"
            )]
        );
    }

    #[test]
    fn an_index_is_a_resource_of_its_own() {
        let query = call("dynamodb", "Query", json!({"TableName": "t", "IndexName": "open-work"}));
        let table = "arn:aws:dynamodb:us-east-1:123456789012:table/t";
        let policy = json!([{"Effect": "Allow", "Action": "dynamodb:Query", "Resource": table}]);
        let found = violations(policy, &[query]);
        assert!(found[0].contains("/index/open-work: the action is allowed on other resources only"), "{found:?}");
    }

    #[test]
    fn a_call_by_instance_is_checked_on_its_group() {
        let terminate =
            |id: &str| call("autoscaling", "TerminateInstanceInAutoScalingGroup", json!({"InstanceId": id}));
        let resource = "arn:aws:autoscaling:us-east-1:123456789012:autoScalingGroup:*:autoScalingGroupName/app-*";
        let policy = json!([{"Effect": "Allow", "Action": "autoscaling:Terminate*", "Resource": resource}]);
        assert_eq!(violations(policy.clone(), &[terminate("i-1")]), Vec::<String>::new());
        assert!(violations(policy, &[terminate("i-2")])[0].contains("no instance of a known one"));
    }

    #[test]
    fn what_aws_checks_besides_must_be_allowed_somewhere() {
        let publish = call("sns", "Publish", json!({"TopicArn": "arn:aws:sns:us-east-1:123456789012:alerts"}));
        let policy = json!([
            {"Effect": "Allow", "Action": "sns:Publish", "Resource": "*"},
            {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "arn:aws:kms:::key/1"},
        ]);
        assert_eq!(
            violations(policy, &[publish]),
            [
                "driftless-reconcile needs kms:GenerateDataKey*, which AWS checks for sns:Publish: no statement allows the action"
            ]
        );
    }

    #[test]
    fn an_explicit_deny_wins() {
        let delete = call("autoscaling", "DeleteTags", json!({"AutoScalingGroupName": "app-blue"}));
        let policy = json!([
            {"Effect": "Allow", "Action": "autoscaling:*", "Resource": "*"},
            {"Sid": "DenyAlways", "Effect": "Deny", "Action": "autoscaling:DeleteTags", "Resource": "*"},
        ]);
        assert!(violations(policy, &[delete])[0].ends_with(r#"statement "DenyAlways" denies it"#));
    }

    #[test]
    fn what_lambda_does_in_the_name_of_a_function_is_checked_too() {
        let permissions = Permissions::new(BTreeMap::from([(FUNCTION.to_owned(), Vec::new())])).unwrap();
        let read = call("ec2", "DescribeInstances", Value::Null);
        let found = permissions.violations(&[read], &Resources::default());
        let needs: Vec<&str> = found.iter().map(|violation| violation.need.split(' ').next().unwrap()).collect();
        assert_eq!(
            needs,
            [
                "ec2:DescribeInstances",
                "logs:CreateLogStream",
                "logs:PutLogEvents",
                "sqs:DeleteMessage",
                "sqs:GetQueueAttributes",
                "sqs:ReceiveMessage"
            ]
        );
    }

    #[test]
    fn a_call_that_is_not_known_here_is_reported() {
        let unknown = call("ec2", "TerminateInstances", Value::Null);
        assert!(violations(json!([]), &[unknown])[0].contains("teach tests/src/permissions/needs.rs"));
    }
}
