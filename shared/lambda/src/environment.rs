//! The environment variables of a function, read and checked once at its start. An error names the variable that is
//! missing or invalid, and never shows a value that may be secret.

use std::error::Error;
use std::str::FromStr;

use driftless_aws::{Endpoints, Keys, Roots, Settings};
use driftless_planner::ids::AccountId;
use driftless_planner::notification::{NotAnAddress, Runbooks};
use driftless_planner::policy::Defaults;
use jiff::SignedDuration;

/// The endpoint variables, which the tools of AWS also read: one for all services, and one for each service that
/// Driftless calls.
const ENDPOINT_URLS: [&str; 10] = [
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_AUTO_SCALING",
    "AWS_ENDPOINT_URL_CLOUDWATCH",
    "AWS_ENDPOINT_URL_CONFIG_SERVICE",
    "AWS_ENDPOINT_URL_DYNAMODB",
    "AWS_ENDPOINT_URL_EC2",
    "AWS_ENDPOINT_URL_ELASTIC_LOAD_BALANCING_V2",
    "AWS_ENDPOINT_URL_EVENTBRIDGE",
    "AWS_ENDPOINT_URL_SNS",
    "AWS_ENDPOINT_URL_SQS",
];

/// The longest timeout that Lambda allows a function, in seconds. Every other time limit derives from the function's
/// timeout.
const FUNCTION_TIMEOUT_MAX_SECONDS: i64 = 900;

/// The expected format of a topic variable.
const TOPIC: &str = "the ARN of an SNS topic";

/// Reads a variable of the environment of this process.
pub fn process(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The variables that every function has.
#[derive(Debug, Clone)]
pub struct Environment {
    pub region: String,
    /// The credentials of the function's role.
    pub keys: Keys,
    /// The name of the function (`AWS_LAMBDA_FUNCTION_NAME`).
    pub function_name: String,
    /// The endpoints that replace those of AWS: of a local stack, or private ones. Empty in production.
    pub endpoints: Endpoints,
    /// The trusted root certificates (`DRIFTLESS_TRUST_STORE`).
    pub roots: Roots,
    /// The id of our AWS account (`ACCOUNT_ID`). Events of other accounts are refused.
    pub account: AccountId,
    /// The URL of the reconcile queue (`RECONCILE_QUEUE_URL`).
    pub reconcile_queue_url: String,
    /// The time after which Lambda ends the process (`FUNCTION_TIMEOUT_SECONDS`). The length of the lease and the
    /// timeouts of calls derive from it.
    pub function_timeout: SignedDuration,
}

/// The additional variables of the functions that read fleets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FleetEnvironment {
    pub table_name: String,
    /// The ARN of the alert topic (`ALERT_TOPIC_ARN`).
    pub alert_topic_arn: String,
    /// The ARN of the topic for chat (`CHAT_TOPIC_ARN`).
    pub chat_topic_arn: String,
    /// The name of the event bus (`EVENT_BUS_NAME`).
    pub event_bus: String,
    /// The location of the runbooks that messages link (`RUNBOOKS_URL`). Without this variable, messages name only the
    /// path of a runbook.
    pub runbooks: Runbooks,
    /// The default policy (`POLICY_DEFAULTS`). It applies where the tags of a fleet set nothing else.
    pub policy_defaults: Defaults,
}

/// A missing or invalid variable.
#[derive(Debug, thiserror::Error)]
pub enum EnvironmentError {
    /// The variable is absent or empty.
    #[error("environment variable {name} is not set")]
    Missing { name: &'static str },
    /// The value does not have the expected format.
    #[error("environment variable {name} must be {expected}")]
    Invalid {
        name: &'static str,
        expected: &'static str,
        /// The error of the parser, if there is one.
        #[source]
        source: Option<Box<dyn Error + Send + Sync>>,
    },
}

impl EnvironmentError {
    /// The name of the variable.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Missing { name } | Self::Invalid { name, .. } => name,
        }
    }
}

impl Environment {
    /// Reads and checks the variables that every function has.
    pub fn read(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, EnvironmentError> {
        let variables = Variables(lookup);
        Ok(Self {
            region: variables.checked("AWS_REGION", "a region: a-z, 0-9 and -", is_region)?,
            keys: Keys {
                access_key_id: variables.required("AWS_ACCESS_KEY_ID")?,
                secret_access_key: variables.required("AWS_SECRET_ACCESS_KEY")?,
                // Lambda always sets it; a local stack may not.
                session_token: variables.optional("AWS_SESSION_TOKEN"),
            },
            function_name: variables.required("AWS_LAMBDA_FUNCTION_NAME")?,
            endpoints: variables.endpoints()?,
            roots: variables.roots()?,
            account: variables.parsed("ACCOUNT_ID", "an account id of 12 digits")?,
            reconcile_queue_url: variables.checked("RECONCILE_QUEUE_URL", "an http or https URL", is_url)?,
            function_timeout: variables.function_timeout()?,
        })
    }

    /// The settings of the AWS clients. The caller sets the timeouts of a call and of one attempt, because it knows how
    /// many calls must fit into the function's time.
    pub fn settings(&self, operation_timeout: SignedDuration, attempt_timeout: SignedDuration) -> Settings {
        Settings {
            region: self.region.clone(),
            keys: self.keys.clone(),
            endpoints: self.endpoints.clone(),
            app_name: self.function_name.clone(),
            attempt_timeout,
            operation_timeout,
            roots: self.roots,
        }
    }
}

impl FleetEnvironment {
    /// Reads and checks the additional variables of the functions that read fleets.
    pub fn read(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, EnvironmentError> {
        let variables = Variables(lookup);
        Ok(Self {
            table_name: variables.required("TABLE_NAME")?,
            alert_topic_arn: variables.checked("ALERT_TOPIC_ARN", TOPIC, is_topic)?,
            chat_topic_arn: variables.checked("CHAT_TOPIC_ARN", TOPIC, is_topic)?,
            event_bus: variables.required("EVENT_BUS_NAME")?,
            runbooks: variables.runbooks()?,
            policy_defaults: variables.parsed("POLICY_DEFAULTS", "a valid policy, in lines of key=value")?,
        })
    }
}

/// The ARN of the function that the buttons of the widget call (`OPERATOR_FUNCTION_ARN`). Only the function `status`
/// has this variable.
pub fn operator_arn(lookup: impl Fn(&str) -> Option<String>) -> Result<String, EnvironmentError> {
    let is_function = |text: &str| text.starts_with("arn:") && text.contains(":lambda:");
    Variables(lookup).checked("OPERATOR_FUNCTION_ARN", "the ARN of a Lambda function", is_function)
}

/// The environment variables, read through a lookup function.
struct Variables<L>(L);

impl<L: Fn(&str) -> Option<String>> Variables<L> {
    /// The value of a variable. An empty value counts as absent, as in the tools of AWS.
    fn optional(&self, name: &'static str) -> Option<String> {
        (self.0)(name).filter(|value| !value.is_empty())
    }

    fn required(&self, name: &'static str) -> Result<String, EnvironmentError> {
        self.optional(name).ok_or(EnvironmentError::Missing { name })
    }

    fn checked(
        &self,
        name: &'static str,
        expected: &'static str,
        is_valid: fn(&str) -> bool,
    ) -> Result<String, EnvironmentError> {
        let value = self.required(name)?;
        if is_valid(&value) { Ok(value) } else { Err(EnvironmentError::Invalid { name, expected, source: None }) }
    }

    fn parsed<T>(&self, name: &'static str, expected: &'static str) -> Result<T, EnvironmentError>
    where
        T: FromStr<Err: Error + Send + Sync + 'static>,
    {
        self.required(name)?.parse().map_err(|source: T::Err| EnvironmentError::Invalid {
            name,
            expected,
            source: Some(source.into()),
        })
    }

    fn runbooks(&self) -> Result<Runbooks, EnvironmentError> {
        const NAME: &str = "RUNBOOKS_URL";
        let address = self.optional(NAME).unwrap_or_default();
        address.parse().map_err(|source: NotAnAddress| EnvironmentError::Invalid {
            name: NAME,
            expected: "an https address, or empty",
            source: Some(source.into()),
        })
    }

    fn function_timeout(&self) -> Result<SignedDuration, EnvironmentError> {
        const NAME: &str = "FUNCTION_TIMEOUT_SECONDS";
        const EXPECTED: &str = "a number of seconds from 1 to 900";
        let seconds: i64 = self.parsed(NAME, EXPECTED)?;
        if (1..=FUNCTION_TIMEOUT_MAX_SECONDS).contains(&seconds) {
            Ok(SignedDuration::from_secs(seconds))
        } else {
            Err(EnvironmentError::Invalid { name: NAME, expected: EXPECTED, source: None })
        }
    }

    fn roots(&self) -> Result<Roots, EnvironmentError> {
        const NAME: &str = "DRIFTLESS_TRUST_STORE";
        match self.optional(NAME).as_deref() {
            None | Some("amazon") => Ok(Roots::Amazon),
            Some("system") => Ok(Roots::System),
            Some(_) => Err(EnvironmentError::Invalid { name: NAME, expected: "`amazon` or `system`", source: None }),
        }
    }

    fn endpoints(&self) -> Result<Endpoints, EnvironmentError> {
        const IGNORE: &str = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS";
        let mut variables = Vec::new();
        for name in ENDPOINT_URLS {
            if let Some(url) = self.optional(name) {
                if !is_url(&url) {
                    return Err(EnvironmentError::Invalid { name, expected: "an http or https URL", source: None });
                }
                variables.push((name.to_owned(), url));
            }
        }
        if let Some(ignore) = self.optional(IGNORE) {
            // A typo here could send production's calls to the endpoints that the other variables name.
            if !["true", "false"].contains(&ignore.to_ascii_lowercase().as_str()) {
                return Err(EnvironmentError::Invalid { name: IGNORE, expected: "`true` or `false`", source: None });
            }
            variables.push((IGNORE.to_owned(), ignore));
        }
        Ok(Endpoints::from_variables(variables))
    }
}

fn is_topic(text: &str) -> bool {
    text.starts_with("arn:") && text.contains(":sns:")
}

fn is_url(text: &str) -> bool {
    text.strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"))
        .is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/') && !rest.contains(char::is_whitespace))
}

fn is_region(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A complete environment in which some variables are replaced. An empty value removes a variable.
    fn with<'a>(changes: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        move |name| {
            let set = [
                ("AWS_REGION", "eu-central-1"),
                ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
                ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI"),
                ("AWS_SESSION_TOKEN", "session-token"),
                ("AWS_LAMBDA_FUNCTION_NAME", "driftless-config-compliance"),
                ("ACCOUNT_ID", "123456789012"),
                ("RECONCILE_QUEUE_URL", "https://sqs.eu-central-1.amazonaws.com/123456789012/driftless-reconcile"),
                ("FUNCTION_TIMEOUT_SECONDS", "30"),
                ("TABLE_NAME", "driftless"),
                ("ALERT_TOPIC_ARN", "arn:aws:sns:eu-central-1:123456789012:driftless-alerts"),
                ("CHAT_TOPIC_ARN", "arn:aws:sns:eu-central-1:123456789012:driftless-chat"),
                ("RUNBOOKS_URL", "https://git.example/driftless"),
                ("EVENT_BUS_NAME", "default"),
                ("POLICY_DEFAULTS", "mode=observe\nbudget=1\n"),
                ("OPERATOR_FUNCTION_ARN", "arn:aws:lambda:eu-central-1:123456789012:function:driftless-operator"),
            ];
            let find = |table: &[(&str, &str)]| {
                table.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
            };
            find(changes).or_else(|| find(&set))
        }
    }

    #[test]
    fn a_complete_environment_is_read() {
        let environment = Environment::read(with(&[])).unwrap();
        assert_eq!(environment.region, "eu-central-1");
        assert_eq!(environment.account.as_str(), "123456789012");
        assert_eq!(environment.function_name, "driftless-config-compliance");
        assert_eq!(environment.function_timeout, SignedDuration::from_secs(30));
        assert_eq!(environment.roots, Roots::Amazon);
        assert_eq!(environment.endpoints, Endpoints::default());
        assert_eq!(environment.keys.secret_access_key, "wJalrXUtnFEMI");
        assert_eq!(environment.keys.session_token.as_deref(), Some("session-token"));

        let fleet = FleetEnvironment::read(with(&[])).unwrap();
        assert_eq!(fleet.table_name, "driftless");
        assert_eq!(fleet.alert_topic_arn, "arn:aws:sns:eu-central-1:123456789012:driftless-alerts");
        assert_eq!(fleet.chat_topic_arn, "arn:aws:sns:eu-central-1:123456789012:driftless-chat");
        assert_eq!(fleet.event_bus, "default");
        assert_eq!(fleet.runbooks, "https://git.example/driftless".parse().unwrap());
        assert_eq!(fleet.policy_defaults, "mode=observe\nbudget=1".parse().unwrap());
    }

    #[test]
    fn a_missing_variable_is_named() {
        for name in [
            "AWS_REGION",
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_LAMBDA_FUNCTION_NAME",
            "ACCOUNT_ID",
            "RECONCILE_QUEUE_URL",
            "FUNCTION_TIMEOUT_SECONDS",
        ] {
            let error = Environment::read(with(&[(name, "")])).unwrap_err();
            assert_eq!(error.to_string(), format!("environment variable {name} is not set"));
        }
        for name in ["TABLE_NAME", "ALERT_TOPIC_ARN", "CHAT_TOPIC_ARN", "EVENT_BUS_NAME", "POLICY_DEFAULTS"] {
            let error = FleetEnvironment::read(with(&[(name, "")])).unwrap_err();
            assert_eq!(error.to_string(), format!("environment variable {name} is not set"));
        }
    }

    #[test]
    fn a_wrong_variable_is_named_and_its_value_is_not_shown() {
        for (name, value) in [
            ("AWS_REGION", "eu central 1"),
            ("ACCOUNT_ID", "12345678901"),
            ("RECONCILE_QUEUE_URL", "driftless-reconcile"),
            ("RECONCILE_QUEUE_URL", "https://"),
            ("FUNCTION_TIMEOUT_SECONDS", "0"),
            ("FUNCTION_TIMEOUT_SECONDS", "901"),
            ("FUNCTION_TIMEOUT_SECONDS", "30s"),
            ("DRIFTLESS_TRUST_STORE", "mozilla"),
            ("AWS_ENDPOINT_URL", "localhost:4566"),
            ("AWS_ENDPOINT_URL_SQS", "ftp://localhost"),
            ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "maybe"),
        ] {
            let error = Environment::read(with(&[(name, value)])).unwrap_err();
            assert_eq!(error.name(), name);
            assert!(error.to_string().starts_with(&format!("environment variable {name} must be ")), "{error}");
            assert!(value.parse::<i64>().is_ok() || !error.to_string().contains(value), "{error}");
        }
        for (name, value) in [
            ("ALERT_TOPIC_ARN", "driftless-alerts"),
            ("CHAT_TOPIC_ARN", "driftless-chat"),
            ("RUNBOOKS_URL", "http://git.example"),
            ("POLICY_DEFAULTS", "bugdet=1"),
        ] {
            assert_eq!(FleetEnvironment::read(with(&[(name, value)])).unwrap_err().name(), name);
        }
    }

    #[test]
    fn the_function_that_buttons_call_is_named_by_its_arn() {
        assert!(operator_arn(with(&[])).unwrap().ends_with(":function:driftless-operator"));
        for value in ["", "driftless-operator", "arn:aws:sns:eu-central-1:123456789012:driftless-operator"] {
            let error = operator_arn(with(&[("OPERATOR_FUNCTION_ARN", value)])).unwrap_err();
            assert_eq!(error.name(), "OPERATOR_FUNCTION_ARN", "{value}");
        }
    }

    #[test]
    fn the_function_timeout_ends_at_the_limits_of_lambda() {
        for seconds in ["1", "900"] {
            assert!(Environment::read(with(&[("FUNCTION_TIMEOUT_SECONDS", seconds)])).is_ok(), "{seconds}");
        }
    }

    #[test]
    fn the_reason_for_invalid_policy_defaults_is_kept() {
        let error = FleetEnvironment::read(with(&[("POLICY_DEFAULTS", "bugdet=1")])).unwrap_err();
        assert_eq!(error.source().unwrap().to_string(), "driftless:bugdet is not a policy key");
    }

    #[test]
    fn without_an_address_runbooks_are_named_by_their_path() {
        let fleet = FleetEnvironment::read(with(&[("RUNBOOKS_URL", "")])).unwrap();
        assert_eq!(fleet.runbooks, Runbooks::default());
    }

    #[test]
    fn a_secret_is_never_shown() {
        let shown = format!("{:?}", Environment::read(with(&[])).unwrap());
        assert!(!shown.contains("wJalrXUtnFEMI") && !shown.contains("session-token"), "{shown}");
    }

    #[test]
    fn a_session_token_may_be_absent() {
        let environment = Environment::read(with(&[("AWS_SESSION_TOKEN", "")])).unwrap();
        assert_eq!(environment.keys.session_token, None);
    }

    #[test]
    fn the_endpoint_of_a_service_goes_before_the_endpoint_of_all_and_both_can_be_ignored() {
        for (ignored, of_sqs, of_others) in
            [("", Some("http://localhost:9324"), Some("http://localhost:4566")), ("True", None, None)]
        {
            let environment = Environment::read(with(&[
                ("AWS_ENDPOINT_URL", "http://localhost:4566"),
                ("AWS_ENDPOINT_URL_SQS", "http://localhost:9324"),
                ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", ignored),
            ]))
            .unwrap();
            let urls = (environment.endpoints.url("SQS"), environment.endpoints.url("Auto Scaling"));
            assert_eq!(urls, (of_sqs, of_others), "ignored: {ignored}");
        }
    }

    #[test]
    fn every_service_that_we_call_can_have_an_endpoint_of_its_own() {
        for (service, name) in [
            ("Auto Scaling", "AWS_ENDPOINT_URL_AUTO_SCALING"),
            ("CloudWatch", "AWS_ENDPOINT_URL_CLOUDWATCH"),
            ("Config Service", "AWS_ENDPOINT_URL_CONFIG_SERVICE"),
            ("DynamoDB", "AWS_ENDPOINT_URL_DYNAMODB"),
            ("EC2", "AWS_ENDPOINT_URL_EC2"),
            ("Elastic Load Balancing v2", "AWS_ENDPOINT_URL_ELASTIC_LOAD_BALANCING_V2"),
            ("EventBridge", "AWS_ENDPOINT_URL_EVENTBRIDGE"),
            ("SNS", "AWS_ENDPOINT_URL_SNS"),
            ("SQS", "AWS_ENDPOINT_URL_SQS"),
        ] {
            let environment = Environment::read(with(&[(name, "http://localhost:1")])).unwrap();
            assert_eq!(environment.endpoints.url(service), Some("http://localhost:1"), "{name}");
        }
    }

    #[test]
    fn clients_are_built_with_what_was_read_and_the_given_times() {
        let environment = Environment::read(with(&[])).unwrap();
        let settings = environment.settings(SignedDuration::from_secs(15), SignedDuration::from_secs(5));
        assert_eq!(settings.app_name, "driftless-config-compliance");
        assert_eq!(settings.operation_timeout, SignedDuration::from_secs(15));
        assert_eq!(settings.attempt_timeout, SignedDuration::from_secs(5));
        assert_eq!(settings.keys.access_key_id, "AKIDEXAMPLE");
    }

    #[test]
    fn the_trust_store_can_be_the_systems() {
        let environment = Environment::read(with(&[("DRIFTLESS_TRUST_STORE", "system")])).unwrap();
        assert_eq!(environment.roots, Roots::System);
    }
}
