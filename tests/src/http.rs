//! Plain HTTP calls to the emulators, for what has no SDK client here.

use std::time::Duration;

use anyhow::{Context as _, bail};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::{Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// The timeout of a call: longer than any emulator takes.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A client that opens a connection for each call: an idle connection that the emulator closes would cause an error.
pub(crate) fn client() -> Client<HttpConnector, Full<Bytes>> {
    Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http()
}

/// POSTs JSON and returns the response, which must be a success.
pub(crate) async fn post(url: &str, headers: &[(&str, &str)], body: &Value) -> anyhow::Result<Response<Bytes>> {
    succeeded(url, post_whatever(url, headers, body).await?)
}

/// POSTs JSON and returns the response, a success or not.
pub(crate) async fn post_whatever(
    url: &str,
    headers: &[(&str, &str)],
    body: &Value,
) -> anyhow::Result<Response<Bytes>> {
    let mut request = Request::post(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(request.body(Full::from(body.to_string()))?).await
}

/// GETs a JSON document.
pub(crate) async fn get(url: &str, headers: &[(&str, &str)]) -> anyhow::Result<Value> {
    let mut request = Request::get(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = succeeded(url, send(request.body(Full::default())?).await?)?;
    serde_json::from_slice(answer.body()).with_context(|| format!("the answer of {url} is no JSON"))
}

/// The header that names the service to the emulator, which checks no signature.
pub(crate) fn authorization(service: &str, region: &str) -> String {
    signed_by("test", service, region)
}

/// The same header with this access key.
pub(crate) fn signed_by(key: &str, service: &str, region: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential={key}/20260101/{region}/{service}/aws4_request, SignedHeaders=host, Signature=0"
    )
}

async fn send(request: Request<Full<Bytes>>) -> anyhow::Result<Response<Bytes>> {
    let call = format!("{} {}", request.method(), request.uri());
    let exchange = async {
        let (head, body) = client().request(request).await?.into_parts();
        anyhow::Ok(Response::from_parts(head, body.collect().await?.to_bytes()))
    };
    tokio::time::timeout(TIMEOUT, exchange)
        .await
        .with_context(|| format!("{call} took more than {TIMEOUT:?}"))?
        .with_context(|| format!("{call} failed"))
}

fn succeeded(url: &str, answer: Response<Bytes>) -> anyhow::Result<Response<Bytes>> {
    if !answer.status().is_success() {
        bail!("{url} answered {}: {}", answer.status(), String::from_utf8_lossy(answer.body()));
    }
    Ok(answer)
}
