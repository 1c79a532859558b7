//! The configuration that all AWS clients share. It replaces the crate `aws-config`: it adds no start-up time and reads
//! nothing that the caller did not pass in.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_async::time::SystemTimeSource;
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::http::{
    HttpConnectorSettings, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::app_name::AppName;
use aws_types::region::Region;
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};
use jiff::SignedDuration;

/// The trusted root certificates: Amazon Root CA 1 to 4 and Starfield Services Root CA G2. Every AWS endpoint has a
/// certificate from one of them. Parsing five roots takes a tenth of the time of parsing the system's trust store.
const AMAZON_ROOTS_PEM: &[u8] = include_bytes!("../roots/amazon-roots.pem");

/// The most attempts of one call. Three attempts are enough when one packet is lost and one server fails. When a
/// service fails three times in a row, the queue or the resync retries later, after new reads.
const ATTEMPTS_MAX: u32 = 3;

/// The upper bound of the first wait after a throttled attempt. Each wait is random between zero and its bound, and the
/// bound doubles from wait to wait. The SDK's default of 1 s would use up the time of a run; a much shorter wait would
/// meet the same rate limit again.
const BACKOFF_INITIAL: Duration = Duration::from_millis(200);

/// The upper bound of every wait. Three attempts never reach it; it limits the waits if [`ATTEMPTS_MAX`] rises.
const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// The settings of the AWS clients. The caller reads them from the environment.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The region, such as `eu-central-1`.
    pub region: String,
    /// The credentials that sign requests.
    pub keys: Keys,
    /// Endpoints that replace the endpoints of AWS.
    pub endpoints: Endpoints,
    /// The name of the caller in the User-Agent: the name of the Lambda function. Characters that a User-Agent must not
    /// contain become `-`.
    pub app_name: String,
    /// The time limit of one attempt, from the connection to the last byte of the response.
    pub attempt_timeout: SignedDuration,
    /// The time limit of a call with all its attempts and waits. It must be shorter than the time that the caller
    /// reserves before its own deadline.
    pub operation_timeout: SignedDuration,
    /// The trusted root certificates.
    pub roots: Roots,
}

/// Credentials as Lambda passes them to a function.
#[derive(Clone)]
pub struct Keys {
    pub access_key_id: String,
    pub secret_access_key: String,
    /// The value of `AWS_SESSION_TOKEN`. The credentials of a role always have one; those of the local stack have none.
    pub session_token: Option<String>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Settings are logged, so secrets must not appear here.
        formatter.debug_struct("Keys").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

/// The trusted root certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Roots {
    /// Amazon's five root certificates: fast to parse, and enough for AWS.
    #[default]
    Amazon,
    /// The system's trust store, for private endpoints and proxies with other certificates.
    System,
}

/// Endpoint overrides, from the environment variables that every AWS SDK reads: `AWS_ENDPOINT_URL` for all services,
/// `AWS_ENDPOINT_URL_<SERVICE ID>` for one (the id in capitals, with underscores for blanks, as in
/// `AWS_ENDPOINT_URL_AUTO_SCALING`), and `AWS_IGNORE_CONFIGURED_ENDPOINT_URLS`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Endpoints(BTreeMap<String, String>);

impl Endpoints {
    /// Picks the endpoint overrides from environment variables. An empty URL counts as not set.
    pub fn from_variables(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let is_ours = |(name, value): &(String, String)| {
            name == IGNORE_CONFIGURED || (name.starts_with(ENDPOINT_URL) && !value.is_empty())
        };
        Self(variables.into_iter().filter(is_ours).collect())
    }

    /// The overriding URL of a service, by its service id (`Auto Scaling`). None: the endpoint of AWS is used.
    pub fn url(&self, service_id: &str) -> Option<&str> {
        if self.0.get(IGNORE_CONFIGURED).is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return None;
        }
        let specific = format!("{ENDPOINT_URL}_{}", service_id.to_ascii_uppercase().replace([' ', '-'], "_"));
        self.0.get(&specific).or_else(|| self.0.get(ENDPOINT_URL)).map(String::as_str)
    }
}

const ENDPOINT_URL: &str = "AWS_ENDPOINT_URL";
const IGNORE_CONFIGURED: &str = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS";

impl LoadServiceConfig for Endpoints {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        // The endpoint is the only per-service setting that is supported.
        if key.env() == ENDPOINT_URL { self.url(key.service_id()).map(str::to_owned) } else { None }
    }
}

/// Errors in the settings that prevent building a client.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A timeout is zero or negative, or the time limit of one attempt exceeds that of the whole call.
    #[error("timeouts must be positive and nest: an attempt {attempt:#}, the call {operation:#}")]
    Timeouts {
        /// The time limit of one attempt.
        attempt: SignedDuration,
        operation: SignedDuration,
    },
    /// The name of the caller contains no character that is allowed in a User-Agent.
    #[error("{0:?} cannot name the caller")]
    AppName(String),
    /// TLS could not be set up.
    #[error("TLS could not be set up")]
    Tls(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Builds the configuration that all clients of a process share, with one HTTP client and one connection pool.
pub fn sdk_config(settings: &Settings) -> Result<SdkConfig, ConfigError> {
    let (attempt, operation) = (settings.attempt_timeout, settings.operation_timeout);
    if !attempt.is_positive() || attempt > operation {
        return Err(ConfigError::Timeouts { attempt, operation });
    }
    // Within a region a connection takes milliseconds; half the attempt's time is left for the response.
    let connect_timeout = attempt.unsigned_abs() / 2;
    let credentials = Credentials::from_keys(
        settings.keys.access_key_id.clone(),
        settings.keys.secret_access_key.clone(),
        settings.keys.session_token.clone(),
    );
    Ok(SdkConfig::builder()
        // Pinned: an SDK update must not change retries or timeouts unnoticed.
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new(settings.region.clone()))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .service_config(settings.endpoints.clone())
        .app_name(app_name(&settings.app_name)?)
        .retry_config(
            RetryConfig::standard()
                .with_max_attempts(ATTEMPTS_MAX)
                .with_initial_backoff(BACKOFF_INITIAL)
                .with_max_backoff(BACKOFF_MAX),
        )
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(connect_timeout)
                .operation_attempt_timeout(attempt.unsigned_abs())
                .operation_timeout(operation.unsigned_abs())
                .build(),
        )
        // It guards endless streams. No call here streams, and the attempt's timeout covers the body.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .sleep_impl(TokioSleep::new())
        .time_source(SystemTimeSource::new())
        .http_client(http_client(settings.roots, connect_timeout)?)
        .build())
}

/// Creates the one HTTP client, for `https` and, with the local stack, for plain `http`.
///
/// The client holds a single connector with the trust store and the connection pool. The SDK's default client would
/// build a whole connector for each service, only to validate it, and then drop it.
fn http_client(roots: Roots, connect_timeout: Duration) -> Result<SharedHttpClient, ConfigError> {
    let trusted = match roots {
        Roots::Amazon => TrustStore::empty().with_pem_certificate(AMAZON_ROOTS_PEM),
        Roots::System => TrustStore::default(),
    };
    let context =
        TlsContext::builder().with_trust_store(trusted).build().map_err(|error| ConfigError::Tls(error.into()))?;
    // ring: AWS-LC gathers CPU jitter at the first handshake, which takes 23 ms.
    let connector = Connector::builder()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .tls_context(context)
        .connector_settings(HttpConnectorSettings::builder().connect_timeout(connect_timeout).build())
        .sleep_impl(TokioSleep::new())
        .build();
    let connector = SharedHttpConnector::new(connector);
    Ok(http_client_fn(move |_settings, _components| connector.clone()))
}

fn app_name(raw: &str) -> Result<AppName, ConfigError> {
    // The SDK recommends at most 50 characters and warns beyond that.
    let allowed =
        |character: char| if character.is_ascii_alphanumeric() || "-._".contains(character) { character } else { '-' };
    AppName::new(raw.chars().take(50).map(allowed).collect::<String>())
        .map_err(|_empty| ConfigError::AppName(raw.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;
    use crate::stub::settings;

    fn endpoints(variables: &[(&str, &str)]) -> Endpoints {
        Endpoints::from_variables(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn a_service_has_its_own_endpoint_else_the_common_one() {
        let endpoints = endpoints(&[
            ("AWS_ENDPOINT_URL", "http://all"),
            ("AWS_ENDPOINT_URL_AUTO_SCALING", "http://fleet"),
            ("AWS_ENDPOINT_URL_ELASTIC_LOAD_BALANCING_V2", "http://balancer"),
            ("AWS_ENDPOINT_URL_SNS", ""),
            ("PATH", "/bin"),
        ]);
        for (service, url) in [
            ("Auto Scaling", "http://fleet"),
            ("Elastic Load Balancing v2", "http://balancer"),
            ("DynamoDB", "http://all"),
            ("SNS", "http://all"),
        ] {
            assert_eq!(endpoints.url(service), Some(url), "{service}");
        }
        assert!(!format!("{endpoints:?}").contains("PATH"));
    }

    #[test]
    fn endpoints_are_ignored_when_asked_to() {
        for (value, url) in [("true", None), ("TRUE", None), ("false", Some("http://all")), ("", Some("http://all"))] {
            let endpoints = endpoints(&[("AWS_ENDPOINT_URL", "http://all"), (IGNORE_CONFIGURED, value)]);
            assert_eq!(endpoints.url("SQS"), url, "{value}");
        }
        assert_eq!(endpoints(&[]).url("SQS"), None);
    }

    #[test]
    fn timeouts_nest() {
        let seconds = SignedDuration::from_secs;
        for (attempt, operation, is_valid) in [(0, 5, false), (-1, 5, false), (4, 5, true), (5, 5, true), (6, 5, false)]
        {
            let settings =
                Settings { attempt_timeout: seconds(attempt), operation_timeout: seconds(operation), ..settings() };
            assert_eq!(sdk_config(&settings).is_ok(), is_valid, "{attempt} {operation}");
        }
    }

    #[test]
    fn the_callers_name_is_one_that_a_user_agent_can_carry() {
        for (raw, name) in [("driftless-reconcile", "driftless-reconcile"), ("a b/c", "a-b-c")] {
            let config = sdk_config(&Settings { app_name: raw.to_owned(), ..settings() }).unwrap();
            assert_eq!(config.app_name().map(ToString::to_string).as_deref(), Some(name));
        }
        let error = sdk_config(&Settings { app_name: String::new(), ..settings() }).unwrap_err();
        assert_eq!(error.to_string(), r#""" cannot name the caller"#);
    }

    #[test]
    fn secrets_are_not_shown() {
        let shown = format!("{:?}", settings());
        assert!(shown.contains("AKIDEXAMPLE"), "{shown}");
        assert!(!shown.contains("wJalr") && !shown.contains("session"), "{shown}");
    }

    /// A server that answers one connection with an empty JSON object. Returns the server's address and a handle that
    /// yields the request.
    fn listening() -> (String, std::thread::JoinHandle<Vec<u8>>) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = vec![0; 4096];
            let length = stream.read(&mut request).unwrap();
            request.truncate(length);
            let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
            // A client that expects TLS has closed the connection by now.
            let _ = stream.write_all(answer.as_bytes());
            request
        });
        (address.to_string(), server)
    }

    async fn called(url: String, roots: Roots) -> driftless_reconciler::ports::CallResult<()> {
        let endpoints = endpoints(&[("AWS_ENDPOINT_URL_SQS", &url)]);
        let timeout = SignedDuration::from_millis(700);
        let settings =
            Settings { endpoints, roots, attempt_timeout: timeout, operation_timeout: timeout, ..settings() };
        let request = driftless_planner::request::FleetRequest { fleet: "app".parse().unwrap(), due: None };
        let sender = crate::RequestSender::new(&sdk_config(&settings).unwrap(), format!("{url}/123456789012/wakes"));
        sender.send(&driftless_planner::request::ReconcileRequest::Reconcile(request), SignedDuration::ZERO).await
    }

    #[tokio::test]
    async fn plain_http_reaches_an_endpoint_with_the_callers_name() {
        let (address, server) = listening();
        called(format!("http://{address}"), Roots::Amazon).await.unwrap();
        let request = String::from_utf8_lossy(&server.join().unwrap()).to_lowercase();
        assert!(request.starts_with("post / http/1.1"), "{request}");
        assert!(request.contains("app/driftless-tests"), "{request}");
        assert!(request.contains("x-amz-security-token: session"), "{request}");
    }

    #[tokio::test]
    async fn https_starts_a_handshake_with_either_roots() {
        for roots in [Roots::Amazon, Roots::System] {
            let (address, server) = listening();
            let error = called(format!("https://{address}"), roots).await.unwrap_err();
            assert_eq!(error.kind, driftless_reconciler::ports::CallErrorKind::Unavailable, "{error}");
            let hello = server.join().unwrap();
            assert_eq!(hello.first(), Some(&0x16), "a TLS handshake record");
        }
    }

    #[tokio::test]
    async fn an_endpoint_that_is_not_there_or_never_answers_is_unavailable() {
        let deaf = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let absent = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        for address in [deaf.local_addr().unwrap(), absent] {
            let error = called(format!("http://{address}"), Roots::Amazon).await.unwrap_err();
            assert_eq!(error.kind, driftless_reconciler::ports::CallErrorKind::Unavailable, "{error}");
        }
    }

    #[test]
    fn five_roots_are_embedded() {
        let pem = std::str::from_utf8(AMAZON_ROOTS_PEM).unwrap();
        assert_eq!(pem.matches("BEGIN CERTIFICATE").count(), 5);
    }
}
