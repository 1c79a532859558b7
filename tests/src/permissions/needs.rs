//! The permissions that a call needs: IAM actions and resources.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::proxy::Call;
use crate::stack::{ACCOUNT, REGION};

/// An action and its resource.
pub(crate) type Need = (String, String);

/// The permissions that a call needs. Err: this module does not know the call yet.
pub(crate) fn needs(call: &Call, groups: &BTreeMap<String, String>) -> Result<BTreeSet<Need>, String> {
    match call.service.as_str() {
        "dynamodb" => dynamodb(call),
        "sqs" => {
            let action = call.action.strip_suffix("Batch").unwrap_or(&call.action);
            let queue = named(call, "QueueUrl")?.rsplit('/').next().unwrap_or_default();
            Ok(one(format!("sqs:{action}"), arn("sqs", queue)))
        }
        "sns" => {
            let action = call.action.strip_suffix("Batch").unwrap_or(&call.action);
            Ok(one(format!("sns:{action}"), named(call, "TopicArn")?.to_owned()))
        }
        "events" => events(call),
        // The API names a rule, IAM its ARN, in which AWS has put an id.
        "config" => Ok(one(call.name(), arn("config", "config-rule/config-rule-000000"))),
        // Reads of these have no resource level.
        "ec2" | "autoscaling" | "elasticloadbalancing" if call.action.starts_with("Describe") => {
            Ok(one(call.name(), "*".to_owned()))
        }
        "cloudwatch" => Ok(one(call.name(), arn("cloudwatch", "alarm:any"))),
        "autoscaling" => Ok(one(call.name(), group_arn(call, groups)?)),
        "elasticloadbalancing" => {
            let names = ["RuleArn", "ListenerArn", "TargetGroupArn", "LoadBalancerArn"];
            let resource = names.iter().find_map(|name| call.text(name)).ok_or("it names no resource")?;
            Ok(one(call.name(), resource.to_owned()))
        }
        "ec2" if call.action.contains("LaunchTemplate") => {
            Ok(one(call.name(), arn_of_template(named(call, "LaunchTemplateId")?)))
        }
        _ => Err("which resource it needs is not known: teach tests/src/permissions/needs.rs".to_owned()),
    }
}

/// Functions that are called by URL. All others read from a queue.
const CALLED: [&str; 2] = ["-status", "-operator"];

/// The calls of Lambda itself with a function's permissions: it reads the function's queue, if there is one, and writes
/// its log.
pub(crate) fn implied(function: &str) -> BTreeSet<Need> {
    // A function's source is the queue of its own name.
    let queue = arn("sqs", function);
    let log = arn("logs", &format!("log-group:/aws/lambda/{function}:log-stream:any"));
    let is_called = CALLED.iter().any(|name| function.ends_with(name));
    let of_queue: &[&str] = if is_called { &[] } else { &["ReceiveMessage", "DeleteMessage", "GetQueueAttributes"] };
    let of_queue = of_queue.iter().map(|name| (format!("sqs:{name}"), queue.clone()));
    let of_log = ["CreateLogStream", "PutLogEvents"].map(|name| (format!("logs:{name}"), log.clone()));
    of_queue.chain(of_log).collect()
}

/// EventBridge checks each entry, by its bus.
fn events(call: &Call) -> Result<BTreeSet<Need>, String> {
    let entries = call.request.get("Entries").and_then(Value::as_array).ok_or("it has no Entries")?;
    let buses = entries.iter().map(|entry| -> Result<Need, String> {
        let bus = entry.get("EventBusName").and_then(Value::as_str).ok_or("an entry names no bus")?;
        Ok((call.name(), arn("events", &format!("event-bus/{bus}"))))
    });
    buses.collect()
}

/// DynamoDB checks a transaction by its parts, and an index by itself.
fn dynamodb(call: &Call) -> Result<BTreeSet<Need>, String> {
    match call.action.as_str() {
        "TransactWriteItems" | "TransactGetItems" => {
            let parts = call.request.get("TransactItems").and_then(Value::as_array).ok_or("it has no TransactItems")?;
            parts.iter().map(part_of_transaction).collect()
        }
        "BatchGetItem" | "BatchWriteItem" => {
            let tables = call.request.get("RequestItems").and_then(Value::as_object).ok_or("it has no RequestItems")?;
            Ok(tables.keys().map(|table| (call.name(), table_arn(table))).collect())
        }
        _ => {
            let table = table_arn(named(call, "TableName")?);
            let resource = call.text("IndexName").map_or(table.clone(), |index| format!("{table}/index/{index}"));
            Ok(one(call.name(), resource))
        }
    }
}

fn part_of_transaction(part: &Value) -> Result<Need, String> {
    let actions = [
        ("Put", "PutItem"),
        ("Update", "UpdateItem"),
        ("Delete", "DeleteItem"),
        ("ConditionCheck", "ConditionCheckItem"),
        ("Get", "GetItem"),
    ];
    let known = actions.iter().find_map(|(key, action)| Some((part.get(key)?, action)));
    let (request, action) = known.ok_or_else(|| format!("an unknown part of a transaction: {part}"))?;
    let table = request.get("TableName").and_then(Value::as_str).ok_or("a part of the transaction names no table")?;
    Ok((format!("dynamodb:{action}"), table_arn(table)))
}

fn group_arn(call: &Call, groups: &BTreeMap<String, String>) -> Result<String, String> {
    let by_instance = || groups.get(call.text("InstanceId")?).map(String::as_str);
    let group = call
        .text("AutoScalingGroupName")
        .or_else(by_instance)
        .ok_or("it names no group, and no instance of a known one")?;
    Ok(arn_of_group(group))
}

/// The ARN of a group, without the id that AWS puts into it, since no policy names one.
pub(crate) fn arn_of_group(name: &str) -> String {
    arn("autoscaling", &format!("autoScalingGroup:00000000-0000-0000-0000-000000000000:autoScalingGroupName/{name}"))
}

/// The ARN of a launch template.
pub(crate) fn arn_of_template(id: &str) -> String {
    arn("ec2", &format!("launch-template/{id}"))
}

fn table_arn(name_or_arn: &str) -> String {
    if name_or_arn.starts_with("arn:") {
        name_or_arn.to_owned()
    } else {
        arn("dynamodb", &format!("table/{name_or_arn}"))
    }
}

fn arn(service: &str, resource: &str) -> String {
    format!("arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}")
}

fn named<'a>(call: &'a Call, field: &str) -> Result<&'a str, String> {
    call.text(field).ok_or_else(|| format!("it has no {field}"))
}

fn one(action: String, resource: String) -> BTreeSet<Need> {
    BTreeSet::from([(action, resource)])
}
