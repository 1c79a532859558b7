//! A load balancer with the weights and the targets of AWS.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::choice::Choice;
use crate::fleet::Routes;

/// A running forwarder. Clones share it; it ends with the last one.
#[derive(Debug, Clone)]
pub(crate) struct Forwarder {
    address: SocketAddr,
    operator_api: Arc<OperatorApi>,
    _task: Arc<Task>,
}

/// The state of the forwarder.
#[derive(Debug, Default)]
struct OperatorApi {
    table: Mutex<Arc<Table>>,
    choice: Mutex<Choice>,
}

/// The routing table. Each request keeps a reference to the table that routed it.
#[derive(Debug, Default)]
struct Table {
    routes: Routes,
    addresses: BTreeMap<String, SocketAddr>,
}

#[derive(Debug)]
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Forwarder {
    /// Starts one on a free loopback port. Until it follows routes, it answers 503.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no loopback port is free")?;
        let address = listener.local_addr()?;
        let operator_api = Arc::new(OperatorApi::default());
        let task = tokio::spawn(serve(listener, Arc::clone(&operator_api)));
        Ok(Self { address, operator_api, _task: Arc::new(Task(task)) })
    }

    /// The URL of the forwarder.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Uses these routes from now on. When this returns, no request that was routed by earlier routes is pending.
    pub(crate) async fn follow(&self, routes: Routes, addresses: BTreeMap<String, SocketAddr>) {
        let table = Arc::new(Table { routes, addresses });
        let before =
            std::mem::replace(&mut *self.operator_api.table.lock().unwrap_or_else(PoisonError::into_inner), table);
        while Arc::strong_count(&before) > 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

async fn serve(listener: TcpListener, operator_api: Arc<OperatorApi>) {
    loop {
        // A connection that closes before it is accepted needs no response.
        let Ok((stream, _)) = listener.accept().await else { continue };
        let operator_api = Arc::clone(&operator_api);
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let operator_api = Arc::clone(&operator_api);
                async move { operator_api.answer(request).await }
            });
            // An error is a closed connection, which the sender of the request notices.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

type Answer = Result<Response<Full<Bytes>>, hyper::http::Error>;

impl OperatorApi {
    async fn answer(&self, request: Request<Incoming>) -> Answer {
        let table = Arc::clone(&self.table.lock().unwrap_or_else(PoisonError::into_inner));
        let chosen = self.choice.lock().unwrap_or_else(PoisonError::into_inner).next(&table.routes);
        let instance = match chosen {
            Ok(instance) => instance,
            Err(nobody) => return own(StatusCode::SERVICE_UNAVAILABLE, format!("503: {}", nobody.words())),
        };
        let Some(address) = table.addresses.get(instance) else {
            return own(StatusCode::BAD_GATEWAY, format!("502: {instance} has no server"));
        };
        match forward(*address, request).await {
            Ok(answer) => Ok(answer),
            Err(error) => own(StatusCode::BAD_GATEWAY, format!("502: {instance} did not answer: {error:#}")),
        }
    }
}

/// A response of the forwarder itself.
fn own(status: StatusCode, why: String) -> Answer {
    Response::builder().status(status).body(Full::from(why + "\n"))
}

async fn forward(address: SocketAddr, request: Request<Incoming>) -> anyhow::Result<Response<Full<Bytes>>> {
    let (mut head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let path = head.uri.path_and_query().map_or("/", hyper::http::uri::PathAndQuery::as_str);
    head.uri = format!("http://{address}{path}").parse::<Uri>()?;
    let answer = crate::http::client().request(Request::from_parts(head, Full::from(body))).await?;
    let (mut head, body) = answer.into_parts();
    let body = body.collect().await?.to_bytes();
    // These headers belong to the connection between forwarder and server.
    for name in ["connection", "transfer-encoding", "content-length"] {
        head.headers.remove(name);
    }
    Ok(Response::from_parts(head, Full::from(body)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::{Target, TargetGroup};

    fn routes(targets: &[&str]) -> Routes {
        let target = |instance: &&str| Target { instance: (*instance).to_owned(), health: "healthy".to_owned() };
        Routes(vec![TargetGroup { arn: "blue".to_owned(), weight: 100, targets: targets.iter().map(target).collect() }])
    }

    async fn answer(forwarder: &Forwarder) -> (u16, String) {
        let request = Request::get(forwarder.url()).body(Full::<Bytes>::default()).unwrap();
        let (head, body) = crate::http::client().request(request).await.unwrap().into_parts();
        (head.status.as_u16(), String::from_utf8_lossy(&body.collect().await.unwrap().to_bytes()).trim().to_owned())
    }

    #[tokio::test]
    async fn a_request_without_a_target_gets_the_reason_from_the_forwarder() {
        let forwarder = Forwarder::start().await.unwrap();
        assert_eq!(answer(&forwarder).await, (503, "503: no target group has a weight".to_owned()));
        forwarder.follow(routes(&[]), BTreeMap::new()).await;
        assert_eq!(answer(&forwarder).await, (503, "503: the target group is empty".to_owned()));
        forwarder.follow(routes(&["i-1"]), BTreeMap::new()).await;
        assert_eq!(answer(&forwarder).await, (502, "502: i-1 has no server".to_owned()));
    }

    #[tokio::test]
    async fn a_server_that_is_gone_is_a_lost_request() {
        let forwarder = Forwarder::start().await.unwrap();
        let gone = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap();
        forwarder.follow(routes(&["i-1"]), [("i-1".to_owned(), gone)].into()).await;
        let (status, why) = answer(&forwarder).await;
        assert_eq!(status, 502);
        assert!(why.starts_with("502: i-1 did not answer"), "{why}");
    }
}
