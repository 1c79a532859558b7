//! One call of a function, as it went over the wire.

use std::collections::BTreeMap;

use hyper::body::Bytes;
use hyper::http::request::Parts;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::Value;

use super::fault::Strike;

/// The services that moto plays; ministack plays the others.
pub(crate) const FLEET_SERVICES: [&str; 4] = ["ec2", "autoscaling", "elasticloadbalancing", "config"];

/// One call of a function.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    pub at: Timestamp,
    /// The duration of the call, with the delay of a fault. None: the call is pending.
    pub took: Option<SignedDuration>,
    /// The function that made it, by the name that it put into its User-Agent.
    pub function: Option<String>,
    /// The service that it was signed for, which is also the prefix of its actions in IAM: `autoscaling`.
    pub service: String,
    /// `TerminateInstanceInAutoScalingGroup`, or method and path where the protocol names no action.
    pub action: String,
    /// The request: its JSON, or its form as an object of texts.
    pub request: Value,
    /// The response of the emulator.
    pub outcome: Outcome,
    /// The fault that the call met.
    pub fault: Option<&'static str>,
}

/// The response of the emulator. With a fault, the function did not see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Pending,
    /// Success, or an HTTP status without an error code.
    Answered(u16),
    /// An error of AWS.
    Refused {
        status: u16,
        code: String,
    },
    /// The call did not reach the emulator.
    NotForwarded,
}

impl Call {
    pub(crate) fn read(head: &Parts, body: &Bytes) -> Self {
        let request = read_body(head, body);
        let (service, action) = (service_of(head), action_of(head, &request));
        Self {
            at: Timestamp::now(),
            took: None,
            function: app_of(head),
            service,
            action,
            request,
            outcome: Outcome::Pending,
            fault: None,
        }
    }

    /// Service and action, as IAM names them.
    pub fn name(&self) -> String {
        format!("{}:{}", self.service, self.action)
    }

    /// Whether it is a call of this function. The name may be given without the stack's: `reconcile`.
    pub fn is_by(&self, function: &str) -> bool {
        let without_stack = |name: &str| name.strip_suffix(function).is_some_and(|stack| stack.ends_with('-'));
        self.function.as_deref().is_some_and(|name| name == function || without_stack(name))
    }

    /// Whether the call changes a fleet: any call but a read, to a service with resources of fleets.
    pub fn changes_fleets(&self) -> bool {
        let is_read = ["Describe", "Get", "List"].iter().any(|verb| self.action.starts_with(verb));
        FLEET_SERVICES.contains(&self.service.as_str()) && !is_read
    }

    /// Whether the call took effect, judging by the response of the emulator.
    pub fn succeeded(&self) -> bool {
        matches!(self.outcome, Outcome::Answered(200..=299))
    }

    /// Whether a fault of the call killed the function.
    pub fn ended_its_caller(&self) -> bool {
        let killed = [Strike::Kill.word(), Strike::KillAfterwards.word()];
        self.took.is_some() && self.fault.is_some_and(|fault| killed.contains(&fault))
    }

    /// Whether the request, as it is recorded, contains a text.
    pub fn contains(&self, text: &str) -> bool {
        self.request.to_string().contains(text)
    }

    /// A text of the request, by its top-level name.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.request.get(name)?.as_str()
    }
}

impl std::fmt::Display for Call {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let function = self.function.as_deref().unwrap_or("someone");
        write!(formatter, "{:.3} {function} {} ", self.at, self.name())?;
        match &self.outcome {
            Outcome::Pending => formatter.write_str("under way")?,
            Outcome::Answered(status) => write!(formatter, "{status}")?,
            Outcome::Refused { status, code } => write!(formatter, "{status} {code}")?,
            Outcome::NotForwarded => formatter.write_str("never arrived")?,
        }
        self.fault.map_or(Ok(()), |fault| write!(formatter, " ({fault})"))
    }
}

/// Calls as lines, for the message of a failed wait.
pub fn listed(calls: &[Call]) -> String {
    crate::patience::lines(calls)
}

fn header<'a>(head: &'a Parts, name: &str) -> &'a str {
    head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// The service of the credential's scope: `Credential=<key>/<day>/<region>/<service>/aws4_request`.
fn service_of(head: &Parts) -> String {
    let scope = header(head, "authorization").split_once("Credential=").map_or("", |(_, scope)| scope);
    match scope.split('/').nth(3).unwrap_or("unknown") {
        // CloudWatch signs as `monitoring`, the name of its endpoint.
        "monitoring" => "cloudwatch".to_owned(),
        service => service.to_owned(),
    }
}

fn action_of(head: &Parts, request: &Value) -> String {
    if let Some((_, action)) = header(head, "x-amz-target").rsplit_once('.') {
        return action.to_owned();
    }
    match request.get("Action").and_then(Value::as_str) {
        Some(action) => action.to_owned(),
        // Where the body is no text, the path names the operation: `/service/<service>/operation/<operation>`.
        None => match head.uri.path().rsplit_once("/operation/") {
            Some((_, operation)) => operation.to_owned(),
            None => format!("{} {}", head.method, head.uri.path()),
        },
    }
}

fn app_of(head: &Parts) -> Option<String> {
    ["user-agent", "x-amz-user-agent"]
        .iter()
        .flat_map(|name| header(head, name).split(' '))
        .find_map(|part| part.strip_prefix("app/"))
        .map(str::to_owned)
}

fn read_body(head: &Parts, body: &Bytes) -> Value {
    if header(head, "content-type").starts_with("application/x-www-form-urlencoded") {
        return form(&String::from_utf8_lossy(body));
    }
    // A body that is not JSON is recorded as text.
    serde_json::from_slice(body).unwrap_or_else(|_| String::from_utf8_lossy(body).into_owned().into())
}

fn form(text: &str) -> Value {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    let fields: BTreeMap<String, String> = pairs.map(|(name, value)| (decoded(name), decoded(value))).collect();
    fields.into_iter().map(|(name, value)| (name, Value::from(value))).collect()
}

/// Undoes the percent encoding of a form. A broken escape stays as it is.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = match (first, tail) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)),
            _ => None,
        };
        if let (Some((high, low)), [_, _, after @ ..]) = (escaped, tail) {
            bytes.push(high * 16 + low);
            rest = after;
        } else {
            bytes.push(if *first == b'+' { b' ' } else { *first });
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_decoded() {
        let request = form("Action=Publish&Message=50%25+done%2C+caf%C3%A9&Empty=&Broken=%4");
        assert_eq!(
            request,
            serde_json::json!({"Action": "Publish", "Message": "50% done, café", "Empty": "", "Broken": "%4"})
        );
    }
}
