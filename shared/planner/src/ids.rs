//! Names and identifiers. Each is validated once, at the boundary, and has its own type from there on.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A text that violates the format of its type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is not {what}: {rule}")]
pub struct IdError {
    /// The kind of text that was expected, with its article: "an instance id".
    pub what: &'static str,
    /// The violated format, in words.
    pub rule: &'static str,
    /// The invalid text, shortened to 80 characters.
    pub value: String,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:literal, $is_valid:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The text, as AWS writes it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(value: String) -> Result<Self, IdError> {
                let is_valid: fn(&str) -> bool = $is_valid;
                if is_valid(&value) {
                    Ok(Self(value))
                } else {
                    Err(IdError { what: $what, rule: $rule, value: value.chars().take(80).collect() })
                }
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(value: &str) -> Result<Self, IdError> {
                Self::try_from(value.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    };
}

id!(
    /// The name of a fleet: the value of the tag `driftless:fleet` on its groups.
    FleetName, "a fleet name", "1 to 40 of a-z, 0-9 and -, with no - at either end",
    |text| (1..=40).contains(&text.len())
        // A leading `-` would make the name an option in a command that a message suggests.
        && !text.starts_with('-') && !text.ends_with('-')
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
);
id!(
    /// The id of an EC2 instance. Managed nodes outside EC2 (`mi-…`) are not instances.
    InstanceId, "an instance id", "i- and 8 to 17 hexadecimal digits",
    |text| is_hex_id(text, "i-")
);
id!(
    /// The id of a machine image (AMI).
    ImageId, "an image id", "ami- and 8 to 17 hexadecimal digits",
    |text| is_hex_id(text, "ami-")
);
id!(
    /// The id of a launch template.
    TemplateId, "a launch template id", "lt- and 8 to 17 hexadecimal digits",
    |text| is_hex_id(text, "lt-")
);
id!(
    /// The name of an Auto Scaling group, which is unique in an account and region.
    GroupName, "an Auto Scaling group name", "1 to 255 printable characters",
    |text| is_printable(text, 255)
);
id!(
    /// The name of an AWS Config rule, which is unique in an account and region.
    RuleName, "a Config rule name", "1 to 128 printable characters",
    |text| is_printable(text, 128)
);
id!(
    /// The name of a CloudWatch metric alarm or composite alarm.
    AlarmName, "an alarm name", "1 to 255 printable characters",
    |text| is_printable(text, 255)
);
id!(
    /// The ARN of a target group.
    TargetGroupArn, "a target group ARN", "arn:…:targetgroup/<name>/<id>",
    |text| text.starts_with("arn:") && text.contains(":targetgroup/") && is_printable(text, 512)
);
id!(
    /// The ARN of a load balancer's listener.
    ListenerArn, "a listener ARN", "arn:…:listener/…",
    |text| text.starts_with("arn:") && text.contains(":listener/") && is_printable(text, 512)
);
id!(
    /// The ARN of a listener rule.
    RuleArn, "a listener rule ARN", "arn:…:listener-rule/…",
    |text| text.starts_with("arn:") && text.contains(":listener-rule/") && is_printable(text, 512)
);
id!(
    /// The id of an instance refresh.
    RefreshId, "an instance refresh id", "1 to 64 printable characters",
    |text| is_printable(text, 64)
);
id!(
    /// The id of an AWS account.
    AccountId, "an account id", "12 digits",
    |text| text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
);
id!(
    /// The name of an availability zone, such as `eu-central-1a`.
    Zone, "an availability zone", "1 to 64 printable characters",
    |text| is_printable(text, 64)
);

impl TargetGroupArn {
    /// The part that CloudWatch uses as the dimension `TargetGroup`: `targetgroup/<name>/<id>`.
    pub fn dimension(&self) -> &str {
        self.0.rfind(":targetgroup/").map_or("", |at| self.0.get(at + 1..).unwrap_or_default())
    }
}

fn is_hex_id(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|digits| {
        (8..=17).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    })
}

fn is_printable(text: &str, length_max: usize) -> bool {
    !text.is_empty() && text.chars().count() <= length_max && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_id_has_8_to_17_hexadecimal_digits() {
        for (text, is_valid) in [
            ("i-1234567", false),
            ("i-12345678", true),
            ("i-0aa11bb22cc33dd44", true),
            ("i-0aa11bb22cc33dd445", false),
            ("mi-0aa11bb22cc33dd44", false),
            ("i-0AA11BB22CC33DD44", false),
            ("", false),
        ] {
            assert_eq!(InstanceId::from_str(text).is_ok(), is_valid, "{text}");
        }
    }

    #[test]
    fn a_fleet_name_has_1_to_40_characters() {
        for (length, is_valid) in [(0, false), (1, true), (39, true), (40, true), (41, false)] {
            assert_eq!(FleetName::try_from("a".repeat(length)).is_ok(), is_valid, "{length}");
        }
        for name in ["-web", "web-", "--everything", "-"] {
            assert!(FleetName::from_str(name).is_err(), "{name}");
        }
        assert!(FleetName::from_str("a-b").is_ok());
        assert!(FleetName::from_str("Web").is_err());
        assert!(FleetName::from_str("web_1").is_err());
    }

    #[test]
    fn an_error_names_what_was_expected_and_what_came() {
        let error = InstanceId::from_str("mi-1").unwrap_err();
        assert_eq!(error.to_string(), r#""mi-1" is not an instance id: i- and 8 to 17 hexadecimal digits"#);
    }

    #[test]
    fn the_dimension_of_a_target_group_is_the_suffix_of_its_arn() {
        let arn: TargetGroupArn =
            "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/green/73e2d6bc24d8a067".parse().unwrap();
        assert_eq!(arn.dimension(), "targetgroup/green/73e2d6bc24d8a067");
    }
}
