//! The stub AWS: a port for plain HTTP and one for TLS for each service, on one thread of its own.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::services::{SERVICES, Service};
use crate::stub::{Answer, Asked};
use crate::trust::Trust;
use crate::world::World;

/// How calls travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wire {
    Http,
    /// Over TLS, as to AWS.
    Tls,
}

/// The ports of a service.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    pub service: Service,
    pub http: u16,
    pub tls: u16,
}

impl Ports {
    /// Where it is reached.
    pub fn url(&self, wire: Wire) -> String {
        match wire {
            Wire::Http => format!("http://{}:{}", self.service.address(), self.http),
            Wire::Tls => format!("https://{}:{}", self.service.address(), self.tls),
        }
    }
}

/// A call as it came in.
#[derive(Debug, Clone)]
pub struct Call {
    pub service: &'static str,
    pub action: String,
    /// When it had arrived, and when its answer went out.
    pub at: (Instant, Instant),
    /// Where its service is reached without TLS.
    pub plain_at: SocketAddr,
    /// Method, path and those headers that the service reads, without any signature.
    pub head: String,
    pub body: Bytes,
    /// The status of its answer.
    pub status: u16,
}

impl Call {
    /// Service and action: `dynamodb:Query`.
    pub fn name(&self) -> String {
        format!("{}:{}", self.service, self.action)
    }
}

/// What all connections share.
#[derive(Debug, Default)]
struct State {
    world: World,
    delay: Duration,
    calls: Vec<Call>,
    /// Calls without a stub answer, and other reasons why figures are invalid.
    problems: Vec<String>,
}

/// The stub AWS. It ends with the runtime that it was started on.
#[derive(Debug, Clone)]
pub struct Cloud {
    ports: Vec<Ports>,
    /// A port that nobody may call.
    stray: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Cloud {
    /// Opens the ports, within a runtime.
    pub async fn start(trust: &Trust) -> std::io::Result<Self> {
        let state = Arc::new(Mutex::new(State::default()));
        let acceptor = TlsAcceptor::from(Arc::clone(&trust.server));
        let mut ports = Vec::new();
        for service in SERVICES {
            let (plain, secure) = (listen(service.address()).await?, listen(service.address()).await?);
            let (http, tls) = (plain.local_addr()?, secure.local_addr()?.port());
            tokio::spawn(serve(plain, None, service.name, http, Arc::clone(&state)));
            tokio::spawn(serve(secure, Some(acceptor.clone()), service.name, http, Arc::clone(&state)));
            ports.push(Ports { service, http: http.port(), tls });
        }
        let listener = listen(Ipv4Addr::LOCALHOST).await?;
        let stray = listener.local_addr()?;
        tokio::spawn(serve(listener, None, "a service without a port", stray, Arc::clone(&state)));
        Ok(Self { ports, stray, state })
    }

    /// The variables that name the endpoints.
    pub fn endpoints(&self, wire: Wire) -> Vec<(String, String)> {
        let own =
            self.ports.iter().map(|ports| (format!("AWS_ENDPOINT_URL_{}", ports.service.variable), ports.url(wire)));
        own.chain([("AWS_ENDPOINT_URL".to_owned(), format!("http://{}", self.stray))]).collect()
    }

    /// Where a service is reached.
    pub fn url(&self, service: &str, wire: Wire) -> String {
        let ports = self.ports.iter().find(|ports| ports.service.name == service);
        ports.map(|ports| ports.url(wire)).unwrap_or_default()
    }

    /// Sets the world of the stub AWS, and the delay of each call.
    pub fn set(&self, world: World, delay: Duration) {
        let mut state = lock(&self.state);
        (state.world, state.delay) = (world, delay);
    }

    /// What has become of the world.
    pub fn world(&self) -> World {
        lock(&self.state).world.clone()
    }

    /// The calls since this was last asked.
    pub fn take_calls(&self) -> Vec<Call> {
        std::mem::take(&mut lock(&self.state).calls)
    }

    /// The reasons why figures are invalid, since the last call.
    pub fn take_problems(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.state).problems)
    }
}

/// A panic while the lock was held has been reported; what is behind it is still whole.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn listen(address: Ipv4Addr) -> std::io::Result<TcpListener> {
    TcpListener::bind((address, 0)).await
}

async fn serve(
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    service: &'static str,
    plain_at: SocketAddr,
    state: Arc<Mutex<State>>,
) {
    loop {
        // A connection that is gone before it was accepted needs no answer.
        let Ok((stream, _)) = listener.accept().await else { continue };
        tokio::spawn(connection(stream, acceptor.clone(), service, plain_at, Arc::clone(&state)));
    }
}

async fn connection(
    stream: TcpStream,
    acceptor: Option<TlsAcceptor>,
    service: &'static str,
    plain_at: SocketAddr,
    state: Arc<Mutex<State>>,
) {
    if let Err(error) = stream.set_nodelay(true) {
        lock(&state).problems.push(format!("{service}: {error}"));
    }
    match acceptor {
        None => answer_all(stream, service, plain_at, state).await,
        Some(acceptor) => match acceptor.accept(stream).await {
            Ok(stream) => answer_all(stream, service, plain_at, state).await,
            Err(error) => lock(&state).problems.push(format!("{service}: no TLS: {error}")),
        },
    }
}

async fn answer_all<S>(stream: S, service: &'static str, plain_at: SocketAddr, state: Arc<Mutex<State>>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(|request| take(service, plain_at, Arc::clone(&state), request));
    // A measured process is killed at any time: a broken connection is no failure.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn take(
    service: &'static str,
    plain_at: SocketAddr,
    state: Arc<Mutex<State>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let arrived = Instant::now();
    let asked = Asked::read(&head, &body);
    let (answer, delay) = {
        let mut state = lock(&state);
        let answer = state.world.answer(service, &asked).unwrap_or_else(|problem| {
            let said = String::from_utf8_lossy(&body).chars().take(1000).collect::<String>();
            state.problems.push(format!("{service}:{}: {problem:#}: {said}", asked.action));
            Answer { status: 501, content_type: "text/plain", body: Bytes::new() }
        });
        (answer, state.delay)
    };
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    let (action, status) = (asked.action, answer.status);
    let call = Call { service, action, at: (arrived, Instant::now()), plain_at, head: plain(&head), body, status };
    lock(&state).calls.push(call);
    Ok(response(answer))
}

fn response(answer: Answer) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(answer.body));
    *response.status_mut() = hyper::StatusCode::from_u16(answer.status).unwrap_or_default();
    let headers = response.headers_mut();
    headers.insert("content-type", hyper::header::HeaderValue::from_static(answer.content_type));
    headers.insert("x-amzn-requestid", hyper::header::HeaderValue::from_static("4f8c2b7e-9d1a-4e3b-8c6f-2a5d7e9b1c3f"));
    if answer.content_type == "application/cbor" {
        headers.insert("smithy-protocol", hyper::header::HeaderValue::from_static("rpc-v2-cbor"));
    }
    response
}

/// The head of the same request without a signature.
fn plain(head: &Parts) -> String {
    const KEPT: [&str; 4] = ["content-type", "x-amz-target", "smithy-protocol", "accept"];
    let path = head.uri.path_and_query().map_or("/", hyper::http::uri::PathAndQuery::as_str);
    let headers: BTreeMap<_, _> = head.headers.iter().map(|(name, value)| (name.as_str(), value)).collect();
    let kept = KEPT.iter().filter_map(|name| Some(format!("{name}: {}\r\n", headers.get(name)?.to_str().ok()?)));
    format!("{} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n{}", head.method, kept.collect::<String>())
}
