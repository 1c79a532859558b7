//! CloudWatch alarms, as CloudWatch reports them now.

use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::ids::{AlarmName, GroupName, IdError, InstanceId};
use crate::text::UntrustedText;

/// An alarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    pub state: AlarmState,
    /// When the alarm entered this state.
    pub since: Timestamp,
    pub reason: UntrustedText,
    /// The resources that its dimensions name: they tell which instance or group the alarm watches.
    pub subject: AlarmSubject,
    /// Period × evaluation periods: how long the alarm takes to go into ALARM. None: a composite alarm, which has no
    /// period of its own.
    pub window: Option<SignedDuration>,
}

/// An entry of `driftless:alarms`: the name of an alarm, or a name prefix that ends in `*`, for alarms that are created
/// with each instance.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum AlarmPattern {
    Name(AlarmName),
    /// Every alarm whose name begins with this text.
    Prefix(String),
}

impl AlarmPattern {
    /// Whether this entry matches the alarm.
    pub fn matches(&self, name: &AlarmName) -> bool {
        match self {
            Self::Name(own) => own == name,
            Self::Prefix(prefix) => name.as_str().starts_with(prefix.as_str()),
        }
    }
}

impl FromStr for AlarmPattern {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        match text.strip_suffix('*') {
            // A bare `*` would let every alarm of the account stop a cutover, or mark an instance as drifted.
            Some("") => Err(IdError {
                what: "an alarm",
                rule: "a name, or at least one character before *",
                value: text.to_owned(),
            }),
            Some(prefix) => prefix.parse::<AlarmName>().map(|prefix| Self::Prefix(prefix.into())),
            None => text.parse().map(Self::Name),
        }
    }
}

impl TryFrom<String> for AlarmPattern {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<AlarmPattern> for String {
    fn from(pattern: AlarmPattern) -> Self {
        pattern.to_string()
    }
}

impl fmt::Display for AlarmPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(formatter, "{name}"),
            Self::Prefix(prefix) => write!(formatter, "{prefix}*"),
        }
    }
}

/// The state of a CloudWatch alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AlarmState {
    Ok,
    Alarm,
    /// Not enough data to tell.
    InsufficientData,
}

/// The resources that the dimensions of an alarm's metrics name. All empty for a composite alarm, which only its name
/// identifies.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlarmSubject {
    /// Instances (`AWS/EC2`, dimension `InstanceId`).
    pub instances: Vec<InstanceId>,
    /// Groups (`AWS/EC2` or `AWS/AutoScaling`, dimension `AutoScalingGroupName`).
    pub groups: Vec<GroupName>,
    /// Target groups (`AWS/ApplicationELB`), as the dimension writes them: `targetgroup/<name>/<id>`.
    pub target_groups: Vec<String>,
}
