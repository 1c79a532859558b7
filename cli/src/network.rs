//! Calls of the functions over the network: the AWS credentials of the caller, the URLs of the functions, and requests
//! that are signed with Signature Version 4.

mod addresses;
mod login;
mod signed;
#[cfg(test)]
mod tests;

use std::cell::OnceCell;
use std::error::Error;

use aws_config::{BehaviorVersion, Region};
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Builder, Connector, proxy::ProxyConfig};
use aws_smithy_runtime_api::client::http::HttpConnectorSettings;
use aws_types::SdkConfig;
use driftless_status::request::{Answer, Order, Question, Reply};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::runtime::Runtime;

use crate::api::{Function, OperatorApi, OperatorApiError, Place};
use addresses::Addresses;
use login::Login;
use signed::{Failed, Response, Signer};

/// The functions of an installation, over the network. Credentials and URLs are fetched at the first call, because not
/// every command makes one.
#[derive(Debug)]
pub struct Network {
    place: Place,
    connection: OnceCell<Connection>,
}

#[derive(Debug)]
struct Connection {
    runtime: Runtime,
    connector: Connector,
    login: Login,
    region: String,
    addresses: Addresses,
}

impl Network {
    /// Creates a client for the functions of this installation.
    pub const fn new(place: Place) -> Self {
        Self { place, connection: OnceCell::new() }
    }

    fn connection(&self) -> Result<&Connection, OperatorApiError> {
        if let Some(connection) = self.connection.get() {
            return Ok(connection);
        }
        let connection = Connection::to(&self.place)?;
        Ok(self.connection.get_or_init(|| connection))
    }
}

impl OperatorApi for Network {
    fn ask(&self, question: &Question) -> Result<Answer, OperatorApiError> {
        self.connection()?.send(Function::Status, question)
    }

    fn order(&self, order: &Order) -> Result<Reply, OperatorApiError> {
        self.connection()?.send(Function::Operator, order)
    }
}

impl Connection {
    /// Loads the AWS configuration and prepares a connection. Nothing is sent yet.
    fn to(place: &Place) -> Result<Self, OperatorApiError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| OperatorApiError::NoRuntime { why: error.to_string() })?;
        let config = runtime.block_on(configured(place));
        let region = config.region().map(ToString::to_string).ok_or(OperatorApiError::NoRegion)?;
        let credentials = config.credentials_provider().ok_or_else(|| no_credentials("none are configured"))?;
        let addresses = Addresses::new(place, &region, addresses::endpoint_of_lambda(&config));
        Ok(Self { runtime, connector: connector(), login: Login::of(credentials), region, addresses })
    }

    /// Sends a document to a function and reads the response.
    fn send<T: DeserializeOwned>(&self, function: Function, document: &impl Serialize) -> Result<T, OperatorApiError> {
        let body = serde_json::to_string(document).map_err(|error| unreadable(function, &error.to_string()))?;
        self.runtime.block_on(async {
            let credentials = self.login.credentials().await?;
            let signer = Signer { connector: &self.connector, region: &self.region, credentials };
            let address = self.addresses.of(function, &signer).await?;
            let response = signer.send("POST", &address, Some(body)).await.map_err(|failed| lost(function, failed))?;
            understood(function, &response)
        })
    }
}

async fn configured(place: &Place) -> SdkConfig {
    let client = Builder::new().build_with_connector_fn(|_settings, _components| connector());
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(client);
    if let Some(profile) = &place.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(region) = &place.region {
        loader = loader.region(Region::new(region.clone()));
    }
    loader.load().await
}

/// Creates the HTTP connector. As in other AWS tools, it trusts the certificates that the operating system trusts, and
/// uses the proxy that the environment names.
fn connector() -> Connector {
    let settings = HttpConnectorSettings::builder()
        .connect_timeout(signed::CONNECT_TIMEOUT)
        .read_timeout(signed::READ_TIMEOUT)
        .build();
    Connector::builder()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .proxy_config(ProxyConfig::from_env())
        .connector_settings(settings)
        .build()
}

/// Reads the response of a function. A function responds with its own document, whatever the HTTP status. A body that
/// is no such document comes from Lambda.
fn understood<T: DeserializeOwned>(function: Function, response: &Response) -> Result<T, OperatorApiError> {
    match serde_json::from_str(&response.body) {
        Ok(document) => Ok(document),
        Err(error) if response.status == 200 => Err(unreadable(function, &error.to_string())),
        Err(_) => Err(refused(function, response)),
    }
}

/// The error for a request that Lambda, or IAM before it, refused.
fn refused(function: Function, response: &Response) -> OperatorApiError {
    let why = response.says();
    if response.is_about_credentials() {
        return no_credentials(&why);
    }
    match response.status {
        401 | 403 => OperatorApiError::Denied { function, why },
        400 | 404 | 409 => unreadable(function, &format!("HTTP {}: {why}", response.status)),
        status => OperatorApiError::Unavailable { function, why: format!("HTTP {status}: {why}") },
    }
}

fn lost(function: Function, failed: Failed) -> OperatorApiError {
    match failed {
        Failed::Unsigned(why) => no_credentials(&why),
        Failed::Lost(why) => OperatorApiError::Lost { function, why },
    }
}

/// An error and its sources as one line of text, the outermost first. A source is left out if the text already ends
/// with it.
fn chain(error: &dyn Error) -> String {
    // Some errors list their parts on lines of their own.
    let one_line = |error: &dyn Error| error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    let mut text = one_line(error);
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = one_line(cause);
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

fn no_credentials(why: &str) -> OperatorApiError {
    OperatorApiError::NoCredentials { why: why.to_owned() }
}

fn unreadable(function: Function, why: &str) -> OperatorApiError {
    OperatorApiError::Unreadable { function, why: why.to_owned() }
}
