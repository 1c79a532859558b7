//! A recording reverse proxy between the functions and the emulators.
//!
//! It has its own thread, so that it serves the functions however busy a test is. A request that a function has sent
//! arrives, even if the function is killed in between.

mod call;
mod fault;
mod process;
mod protocol;
mod recording;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::Context as _;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

pub use call::{Call, Outcome, listed};
pub use fault::{Fault, Strike};
pub use recording::{Mark, Recording};

use call::FLEET_SERVICES;
use fault::Faults;
use process::Connection;
use protocol::Protocol;

/// The emulators behind the proxy.
#[derive(Debug, Clone)]
pub struct Upstreams {
    /// `host:port` of the emulator of EC2, Auto Scaling, Elastic Load Balancing and Config.
    pub fleet: String,
    /// `host:port` of the emulator of all other services.
    pub other: String,
}

/// A running proxy. It ends when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    recording: Recording,
    faults: Arc<Faults>,
    stop: Option<oneshot::Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Starts a proxy on a free loopback port. Its calls are logged to a file, a line each; `stack` is the
    /// `DRIFTLESS_STACK` of the functions that it may kill.
    pub fn start(upstreams: Upstreams, stack: &str, log: &Path) -> anyhow::Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no loopback port is free")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let recording = Recording::new(log)?;
        let faults = Arc::new(Faults::default());
        let relay = Relay {
            address,
            upstreams,
            stack: stack.to_owned(),
            recording: recording.clone(),
            faults: Arc::clone(&faults),
            client: crate::http::client(),
        };
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new().name("proxy".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = serve(listener, Arc::new(relay)) => {}
                    // The sender sends nothing: it is dropped with the proxy.
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Self { address, recording, faults, stop: Some(stop), thread: Some(thread) })
    }

    /// The URL that functions send their calls to.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The recorded calls.
    pub const fn recording(&self) -> &Recording {
        &self.recording
    }

    /// Adds a fault, which waits for its call.
    pub fn inject(&self, fault: Fault) {
        self.faults.inject(fault);
    }

    /// Removes all faults.
    pub fn clear_faults(&self) {
        self.faults.clear();
    }

    /// Faults that no call has met. A test whose fault never occurs tests nothing.
    pub fn unmet_faults(&self) -> Vec<String> {
        self.faults.unmet()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been printed; there is nothing to add.
            let _ = thread.join();
        }
    }
}

async fn serve(listener: std::net::TcpListener, relay: Arc<Relay>) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    loop {
        // A connection that closes before it is accepted needs no response.
        let Ok((stream, peer)) = listener.accept().await else { continue };
        tokio::spawn(serve_connection(stream, peer, Arc::clone(&relay)));
    }
}

async fn serve_connection(stream: TcpStream, peer: SocketAddr, relay: Arc<Relay>) {
    let connection = Connection { from: peer, to: relay.address };
    let service = service_fn(|request| take(Arc::clone(&relay), connection, request));
    // Errors are closed connections, including those that a fault closes.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// The connection is to be closed without a reply.
#[derive(Debug)]
struct Closed;

impl std::fmt::Display for Closed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("closed without a reply")
    }
}

impl std::error::Error for Closed {}

type Reply = Result<Response<Full<Bytes>>, Closed>;

async fn take(relay: Arc<Relay>, connection: Connection, request: Request<Incoming>) -> Reply {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Closed)?.to_bytes();
    // A separate task continues when the connection breaks: the request arrives although its sender is gone.
    tokio::spawn(async move { relay.handle(connection, head, body).await }).await.map_err(|_| Closed)?
}

struct Relay {
    address: SocketAddr,
    upstreams: Upstreams,
    stack: String,
    recording: Recording,
    faults: Arc<Faults>,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Relay {
    async fn handle(&self, connection: Connection, head: Parts, body: Bytes) -> Reply {
        let mut call = Call::read(&head, &body);
        let strike = self.faults.meet(&call);
        call.fault = strike.as_ref().map(Strike::word);
        let (service, function) = (call.service.clone(), call.function.clone());
        let mark = self.recording.begin(call);
        let (outcome, reply) = match strike {
            None => self.forward(&service, head, body).await,
            Some(Strike::Fail { status, code, message }) => {
                let reply = Protocol::of(&head, &service).error(status, &code, &message);
                (Outcome::NotForwarded, reply.map_err(|_| Closed))
            }
            Some(Strike::DropReply) => (self.forward(&service, head, body).await.0, Err(Closed)),
            Some(Strike::Kill) => {
                self.kill(connection, function);
                (Outcome::NotForwarded, Err(Closed))
            }
            Some(Strike::KillAfterwards) => {
                let (outcome, _) = self.forward(&service, head, body).await;
                self.kill(connection, function);
                (outcome, Err(Closed))
            }
        };
        self.recording.end(mark, outcome);
        reply
    }

    async fn forward(&self, service: &str, head: Parts, body: Bytes) -> (Outcome, Reply) {
        match self.exchange(service, head, body).await {
            Ok((status, reply, body)) => (protocol::outcome(status, &body), Ok(reply)),
            Err(error) => {
                let refusal = format!("the emulator of {service} did not answer: {error:#}");
                let reply = Response::builder().status(502).body(Full::from(refusal));
                (Outcome::Answered(502), reply.map_err(|_| Closed))
            }
        }
    }

    async fn exchange(
        &self,
        service: &str,
        mut head: Parts,
        body: Bytes,
    ) -> anyhow::Result<(u16, Response<Full<Bytes>>, Bytes)> {
        let upstream = if FLEET_SERVICES.contains(&service) { &self.upstreams.fleet } else { &self.upstreams.other };
        let path = head.uri.path_and_query().map_or("/", hyper::http::uri::PathAndQuery::as_str);
        head.uri = format!("http://{upstream}{path}").parse::<Uri>()?;
        head.headers.remove("connection");
        let answer = self.client.request(Request::from_parts(head, Full::from(body))).await?;
        let (mut head, body) = answer.into_parts();
        let body = body.collect().await?.to_bytes();
        // The body is forwarded in one piece, so its transfer headers are dropped.
        for name in ["connection", "transfer-encoding", "content-length"] {
            head.headers.remove(name);
        }
        let status = head.status.as_u16();
        Ok((status, Response::from_parts(head, Full::from(body.clone())), body))
    }

    #[expect(clippy::print_stderr, reason = "a fault that cannot strike must be seen in the test's output")]
    fn kill(&self, connection: Connection, function: Option<String>) {
        let function = function.unwrap_or_default();
        if let Err(error) = process::kill_function(connection, &function, &self.stack) {
            eprintln!("the proxy could not kill {function}: {error:#}");
        }
    }
}
