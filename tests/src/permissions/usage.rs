//! Which permissions of the policies are used. An unused permission must be removed or explained.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Permissions;
use super::needs::{implied, needs};
use super::statement::{Effect, Statement};
use crate::pattern::{matches, matches_any_case};
use crate::proxy::Call;

/// A used action and its resource. None: AWS checks it on resources that the call does not name.
type Needed = (String, Option<String>);

/// The statements by function and name, with their actions and resources, and whether each was used. Resources are
/// identified by position, since their names differ between stacks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage(Vec<StatementUsage>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct StatementUsage {
    function: String,
    statement: String,
    actions: Vec<Part>,
    resources: Vec<Part>,
}

/// An action or a resource of a statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Part {
    text: String,
    is_needed: bool,
}

/// An unused permission.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unneeded {
    pub function: String,
    pub statement: String,
    /// The action, or the resource.
    pub what: String,
}

impl Permissions {
    /// The permissions that these calls used.
    pub fn usage(&self, calls: &[Call], groups: &BTreeMap<String, String>) -> Usage {
        let of_policy = |(function, policy): (&String, &Vec<Statement>)| {
            let needed = self.needed(function, calls, groups);
            let allows = policy.iter().filter(|statement| statement.effect == Effect::Allow);
            allows.map(|statement| used(function, statement, &needed)).collect::<Vec<_>>()
        };
        Usage(self.policies.iter().flat_map(of_policy).collect())
    }

    fn needed(&self, function: &str, calls: &[Call], groups: &BTreeMap<String, String>) -> BTreeSet<Needed> {
        let own: Vec<&Call> = calls.iter().filter(|call| call.function.as_deref() == Some(function)).collect();
        let lambda = if own.is_empty() { BTreeSet::new() } else { implied(function) };
        // An unknown call is reported as a violation.
        let called = own.iter().filter_map(|call| needs(call, groups).ok()).flatten();
        let named: BTreeSet<Needed> = called.chain(lambda).map(|(action, resource)| (action, Some(resource))).collect();
        let dependents = named.iter().filter_map(|(action, _)| self.dependents.get(action)).flatten();
        let dependents: Vec<Needed> =
            dependents.map(|action| (action.trim_end_matches('*').to_owned(), None)).collect();
        named.into_iter().chain(dependents).collect()
    }
}

fn used(function: &str, statement: &Statement, needed: &BTreeSet<Needed>) -> StatementUsage {
    let does = |pattern: &str, action: &str| matches_any_case(pattern, action);
    let is_on =
        |pattern: &str, resource: &Option<String>| resource.as_ref().is_none_or(|known| matches(pattern, known));
    let by_action = |pattern: &String| {
        let on_any = |resource: &Option<String>| statement.resource.iter().any(|known| is_on(known, resource));
        needed.iter().any(|(action, resource)| does(pattern, action) && on_any(resource))
    };
    let by_resource = |pattern: &String| {
        let by_any = |action: &str| statement.action.iter().any(|known| does(known, action));
        needed.iter().any(|(action, resource)| by_any(action) && is_on(pattern, resource))
    };
    let part = |text: &String, is_needed: bool| Part { text: text.clone(), is_needed };
    StatementUsage {
        function: function.to_owned(),
        statement: statement.sid.clone().unwrap_or_default(),
        actions: statement.action.iter().map(|text| part(text, by_action(text))).collect(),
        resources: statement.resource.iter().map(|text| part(text, by_resource(text))).collect(),
    }
}

impl Usage {
    /// Merges two usages: a permission is used if one of them used it. Statements of only one of them are kept.
    #[must_use]
    pub fn with(mut self, other: Self) -> Self {
        for theirs in other.0 {
            let is_same =
                |ours: &&mut StatementUsage| (&ours.function, &ours.statement) == (&theirs.function, &theirs.statement);
            match self.0.iter_mut().find(is_same) {
                Some(ours) => {
                    add(&mut ours.actions, theirs.actions);
                    add(&mut ours.resources, theirs.resources);
                }
                None => self.0.push(theirs),
            }
        }
        self
    }

    /// The unused permissions.
    pub fn unneeded(&self) -> BTreeSet<Unneeded> {
        let of_statement = |usage: &StatementUsage| {
            let parts = usage.actions.iter().chain(&usage.resources).filter(|part| !part.is_needed);
            let unneeded = |part: &Part| Unneeded {
                function: usage.function.clone(),
                statement: usage.statement.clone(),
                what: part.text.clone(),
            };
            parts.map(unneeded).collect::<Vec<_>>()
        };
        self.0.iter().flat_map(of_statement).collect()
    }
}

fn add(ours: &mut Vec<Part>, theirs: Vec<Part>) {
    for (position, part) in theirs.into_iter().enumerate() {
        match ours.get_mut(position) {
            Some(known) => known.is_needed |= part.is_needed,
            None => ours.push(part),
        }
    }
}

impl std::fmt::Display for Unneeded {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}, {}: {}", self.function, self.statement, self.what)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::permissions::tests::{FUNCTION, call};

    fn usage(policy: Value, calls: &[Call]) -> Usage {
        let policy: Vec<Statement> = serde_json::from_value(policy).unwrap();
        let permissions = Permissions::new(BTreeMap::from([(FUNCTION.to_owned(), policy)])).unwrap();
        permissions.usage(calls, &BTreeMap::new())
    }

    fn unneeded(usage: &Usage) -> Vec<String> {
        usage.unneeded().into_iter().map(|unneeded| unneeded.what).collect()
    }

    fn topic(name: &str) -> String {
        format!("arn:aws:sns:us-east-1:123456789012:{name}")
    }

    fn publish(name: &str) -> Call {
        call("sns", "Publish", json!({"TopicArn": topic(name)}))
    }

    #[test]
    fn an_action_or_a_resource_that_no_call_needs_is_found() {
        let policy = json!([{
            "Sid": "PublishAlerts", "Effect": "Allow", "Action": ["sns:Publish", "sns:Subscribe"],
            "Resource": [topic("alerts"), topic("other")],
        }]);
        assert_eq!(unneeded(&usage(policy.clone(), &[publish("alerts")])), [topic("other").as_str(), "sns:Subscribe"]);
        assert_eq!(unneeded(&usage(policy, &[])).len(), 4);
    }

    #[test]
    fn what_aws_checks_besides_a_call_is_needed_with_it() {
        let policy = json!([
            {"Sid": "Key", "Effect": "Allow", "Action": ["kms:GenerateDataKey*", "kms:Decrypt"], "Resource": "arn:key"},
        ]);
        assert_eq!(unneeded(&usage(policy.clone(), &[publish("alerts")])), Vec::<String>::new());
        assert_eq!(unneeded(&usage(policy, &[])).len(), 3);
    }

    #[test]
    fn a_call_on_another_resource_needs_nothing_of_a_statement() {
        let policy =
            json!([{"Sid": "PublishAlerts", "Effect": "Allow", "Action": "sns:Publish", "Resource": topic("alerts")}]);
        assert_eq!(unneeded(&usage(policy, &[publish("other")])).len(), 2);
    }

    #[test]
    fn what_one_scene_needs_is_needed() {
        let policy = |resource: String| json!([{"Sid": "PublishAlerts", "Effect": "Allow", "Action": ["sns:Publish", "sns:Subscribe"], "Resource": resource}]);
        // The same template as two stacks, whose topics have other names.
        let (one, other) = (policy(topic("one")), policy(topic("other")));
        let both = usage(one, &[]).with(usage(other, &[publish("other")]));
        assert_eq!(unneeded(&both), ["sns:Subscribe"]);
    }

    #[test]
    fn a_deny_is_no_permission() {
        let policy = json!([{"Sid": "Never", "Effect": "Deny", "Action": "sns:Subscribe", "Resource": "*"}]);
        assert_eq!(unneeded(&usage(policy, &[])), Vec::<String>::new());
    }
}
