//! For tests: an HTTP client that returns AWS responses without a server and records the requests.

use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use aws_types::SdkConfig;
use jiff::SignedDuration;

use crate::config::{Endpoints, Keys, Roots, Settings, sdk_config};

/// Settings that every test can start from.
pub(crate) fn settings() -> Settings {
    Settings {
        region: "us-east-1".to_owned(),
        keys: Keys {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: "wJalrXUtnFEMI".to_owned(),
            session_token: Some("session".to_owned()),
        },
        endpoints: Endpoints::default(),
        app_name: "driftless-tests".to_owned(),
        // Long enough that no stubbed response times out on a busy machine.
        attempt_timeout: SignedDuration::from_mins(5),
        operation_timeout: SignedDuration::from_mins(20),
        roots: Roots::Amazon,
    }
}

/// A recorded request: its URL, the header that names the operation (`target`), the User-Agent and the body.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) url: String,
    pub(crate) target: String,
    pub(crate) user_agent: String,
    pub(crate) body: String,
}

impl Sent {
    /// Parses the body of a request in a JSON protocol.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// The form fields of a request in the query protocol, decoded.
    pub(crate) fn fields(&self) -> Vec<String> {
        self.body.split('&').map(|field| field.replace("%3A", ":").replace("%2F", "/").replace("%24", "$")).collect()
    }

    /// Whether the URL, the operation or the body of the request contains the text.
    pub(crate) fn contains(&self, needle: &str) -> bool {
        self.target.contains(needle) || self.url.contains(needle) || self.body.contains(needle)
    }

    pub(crate) fn has(&self, field: &str) -> bool {
        self.fields().iter().any(|own| own == field)
    }
}

/// The reply of the stub to a request.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// A status, headers and a body.
    Answer { status: u16, headers: Vec<(&'static str, String)>, body: Vec<u8> },
    /// The connection broke after the request; the call may have taken effect.
    Lost,
    /// No response came in time; the call may have taken effect.
    TimedOut,
}

impl Reply {
    pub(crate) fn new(status: u16, body: impl Into<String>) -> Self {
        Self::Answer { status, headers: Vec::new(), body: body.into().into_bytes() }
    }

    fn given(self) -> Result<HttpResponse, ConnectorError> {
        match self {
            Self::Answer { status, headers, body } => {
                let mut response = HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::from(body));
                for (name, value) in headers {
                    response.headers_mut().insert(name, value);
                }
                Ok(response)
            }
            Self::Lost => Err(ConnectorError::io("the connection was reset".into())),
            Self::TimedOut => Err(ConnectorError::timeout("nothing came in time".into())),
        }
    }
}

struct Canning {
    needle: String,
    reply: Reply,
    /// Whether the reply is used for every matching request, and not only for the first.
    is_lasting: bool,
}

#[derive(Default)]
struct Script {
    cannings: Vec<Canning>,
    sent: Vec<Sent>,
}

/// An HTTP client with prepared replies. Each reply has a text (`needle`), and is used for the first or for every
/// request whose URL, operation or body contains that text.
#[derive(Clone, Default)]
pub(crate) struct StubAws(Arc<Mutex<Script>>);

impl std::fmt::Debug for StubAws {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("StubAws")
    }
}

impl StubAws {
    /// Replies once, with this status and body, to a request that contains `needle`.
    pub(crate) fn on(self, needle: &str, status: u16, body: impl Into<String>) -> Self {
        self.once(needle, Reply::new(status, body))
    }

    /// Replies once to a request that contains `needle`.
    pub(crate) fn once(self, needle: &str, reply: Reply) -> Self {
        self.can(needle, reply, false)
    }

    /// Replies to every request that contains `needle`.
    pub(crate) fn always(self, needle: &str, reply: Reply) -> Self {
        self.can(needle, reply, true)
    }

    fn can(self, needle: &str, reply: Reply, is_lasting: bool) -> Self {
        self.0.lock().unwrap().cannings.push(Canning { needle: needle.to_owned(), reply, is_lasting });
        self
    }

    pub(crate) fn config(&self) -> SdkConfig {
        sdk_config(&settings()).unwrap().to_builder().http_client(self.clone()).build()
    }

    pub(crate) fn sent(&self) -> Vec<Sent> {
        self.0.lock().unwrap().sent.clone()
    }

    /// The recorded request, which must be the only one.
    pub(crate) fn only(&self) -> Sent {
        let sent = self.sent();
        assert_eq!(sent.len(), 1, "{sent:#?}");
        sent[0].clone()
    }
}

impl HttpClient for StubAws {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for StubAws {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let header = |name: &str| request.headers().get(name).unwrap_or_default().to_owned();
        let sent = Sent {
            url: request.uri().to_owned(),
            target: header("x-amz-target"),
            user_agent: header("user-agent"),
            // CloudWatch uses CBOR, which is not text.
            body: String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned(),
        };
        let mut script = self.0.lock().unwrap();
        let found = script.cannings.iter().position(|canning| sent.contains(&canning.needle));
        let reply = match found {
            Some(position) if script.cannings[position].is_lasting => script.cannings[position].reply.clone(),
            Some(position) => script.cannings.remove(position).reply,
            None => Reply::new(418, format!("the stub has no answer for {sent:?}")),
        };
        script.sent.push(sent);
        HttpConnectorFuture::ready(reply.given())
    }
}

/// The body of an error in the query protocol (Auto Scaling, Elastic Load Balancing, SNS).
pub(crate) fn query_error(code: &str, message: &str) -> String {
    format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>\
         <RequestId>r</RequestId></ErrorResponse>"
    )
}

/// The body of an error of EC2.
pub(crate) fn ec2_error(code: &str, message: &str) -> String {
    format!(
        "<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>\
         <RequestID>r</RequestID></Response>"
    )
}

/// The body of an error in a JSON protocol (DynamoDB, SQS, AWS Config).
pub(crate) fn json_error(code: &str, message: &str) -> String {
    format!(r#"{{"__type":"com.amazonaws#{code}","message":"{message}"}}"#)
}
