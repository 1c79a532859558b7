//! CloudWatch alarms, as CloudWatch reports them now, and the entries of `driftless:alarms` that select them.

use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::ids::{AlarmName, GroupName, IdError, InstanceId};
use crate::text::UntrustedText;

/// A CloudWatch alarm, as read in this pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    pub state: AlarmState,
    /// When the alarm entered this state.
    pub since: Timestamp,
    pub reason: UntrustedText,
    /// The resources that the dimensions of the alarm's metrics name, such as the instance or the group that the alarm
    /// watches.
    pub subject: AlarmSubject,
    /// How long the alarm takes to go into ALARM: its period times its evaluation periods. None: a composite alarm,
    /// which has no period of its own.
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
    /// Whether this entry selects the alarm with this name.
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
    /// CloudWatch has too little data to evaluate the alarm.
    InsufficientData,
}

/// The resources that the dimensions of an alarm's metrics name. All lists are empty for a composite alarm, which has
/// no dimensions.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlarmSubject {
    /// Instances that the metrics name: dimension `InstanceId` in the namespace `AWS/EC2`.
    pub instances: Vec<InstanceId>,
    /// Auto Scaling groups that the metrics name: dimension `AutoScalingGroupName` in the namespace `AWS/EC2` or
    /// `AWS/AutoScaling`.
    pub groups: Vec<GroupName>,
    /// Target groups that the metrics name in the namespace `AWS/ApplicationELB`, in the form of the dimension:
    /// `targetgroup/<name>/<id>`.
    pub target_groups: Vec<String>,
}
