//! Requests that are signed for Lambda (Signature Version 4).

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_http_client::Connector;
use aws_smithy_runtime_api::client::http::HttpConnector as _;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use serde::Deserialize;

use super::chain;

/// The time limit for making a connection: a new attempt is more likely to succeed than a longer wait.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The time limit for a response. The functions respond before their own timeout, which is 30 s as deployed.
pub(super) const READ_TIMEOUT: Duration = Duration::from_mins(1);

/// Signs requests and sends them.
#[derive(Debug)]
pub(super) struct Signer<'n> {
    pub(super) connector: &'n Connector,
    pub(super) region: &'n str,
    pub(super) credentials: Credentials,
}

/// Why a request has no response.
#[derive(Debug)]
pub(super) enum Failed {
    /// The request could not be built or signed, so that nothing was sent.
    Unsigned(String),
    /// The connection was not made, or was lost.
    Lost(String),
}

/// The response to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) status: u16,
    /// The type of the error, if AWS names it in a header.
    pub(super) error_type: Option<String>,
    pub(super) body: String,
}

/// The body of an AWS error.
#[derive(Deserialize)]
struct Said {
    #[serde(alias = "Message")]
    message: String,
}

/// The types of errors that only other credentials resolve.
const ABOUT_CREDENTIALS: [&str; 6] = [
    "ExpiredToken",
    "UnrecognizedClient",
    "InvalidSignature",
    "InvalidClientTokenId",
    "MissingAuthenticationToken",
    "IncompleteSignature",
];

impl Response {
    /// The message of the error, or the whole body if it is no AWS error.
    pub(super) fn says(&self) -> String {
        let said = serde_json::from_str::<Said>(&self.body).map(|said| said.message);
        said.unwrap_or_else(|_no_document| self.body.trim().to_owned())
    }

    /// Whether the request was refused because of the credentials or the signature.
    pub(super) fn is_about_credentials(&self) -> bool {
        let of_type = |error_type: &String| ABOUT_CREDENTIALS.iter().any(|name| error_type.starts_with(name));
        // A function's URL names no type.
        let says = self.says();
        let in_words = ["security token", "signature", "Signature"].iter().any(|words| says.contains(words));
        self.error_type.as_ref().is_some_and(of_type) || (matches!(self.status, 401 | 403) && in_words)
    }
}

impl Signer<'_> {
    /// Sends one request. The caller decides whether to repeat it.
    pub(super) async fn send(&self, method: &str, url: &str, body: Option<String>) -> Result<Response, Failed> {
        let request = self.signed(method, url, body).map_err(Failed::Unsigned)?;
        let answer = self.connector.call(request).await;
        let answer = answer.map_err(|error| Failed::Lost(chain(&error)))?;
        let status = answer.status().as_u16();
        let error_type = answer.headers().get("x-amzn-errortype").map(str::to_owned);
        let body = ByteStream::new(answer.into_body()).collect().await;
        let body = body.map_err(|error| Failed::Lost(chain(&error)))?.into_bytes();
        Ok(Response { status, error_type, body: String::from_utf8_lossy(&body).into_owned() })
    }

    fn signed(&self, method: &str, url: &str, body: Option<String>) -> Result<HttpRequest, String> {
        let host = url.split('/').nth(2).ok_or_else(|| format!("{url} is not a URL"))?;
        let headers = [("host", host), ("content-type", "application/json")];
        let bytes = SignableBody::Bytes(body.as_deref().unwrap_or_default().as_bytes());
        let signable =
            SignableRequest::new(method, url, headers.into_iter(), bytes).map_err(|error| error.to_string())?;
        let identity = self.credentials.clone().into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(self.region)
            .name("lambda")
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| error.to_string())?
            .into();
        let (instructions, _) = sign(signable, &parameters).map_err(|error| error.to_string())?.into_parts();
        let mut request = HttpRequest::new(body.map_or_else(SdkBody::empty, SdkBody::from));
        request.set_method(method).map_err(|error| error.to_string())?;
        request.set_uri(url).map_err(|error| error.to_string())?;
        for (name, value) in headers.into_iter().chain(instructions.headers()) {
            request.headers_mut().insert(name.to_owned(), value.to_owned());
        }
        Ok(request)
    }
}
