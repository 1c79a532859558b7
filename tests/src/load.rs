//! A small load on a fleet: real requests over loopback to one process for each instance, through a forwarder that
//! behaves like a load balancer with the fleet's weights and healthy targets.
//!
//! Driftless learns only of the errors that the servers return: they set an alarm, as in CloudWatch ([`ErrorAlarm`]).

mod choice;
mod errors;
mod forwarder;
mod servers;
mod tally;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::{Request, Response};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::fleet::Fleet;
use crate::stack::LocalStack;
use forwarder::Forwarder;
use servers::Servers;
use tally::Ended;

pub use errors::ErrorAlarm;
pub use tally::{Answers, Server, Tally};

/// How many requests are sent in a second.
const REQUESTS_PER_SECOND: u64 = 30;
/// When a request counts as lost.
const PATIENCE: Duration = Duration::from_secs(5);
/// The poll interval for weights and targets: shorter than the launch or termination of an instance.
const POLL_EVERY: Duration = Duration::from_millis(150);
/// The timeout for the start of the first servers.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// A load on a fleet. It ends, with all servers, when it is finished or dropped.
#[derive(Debug)]
pub struct Load {
    tally: Arc<Mutex<Tally>>,
    forwarder: Forwarder,
    servers: Servers,
    looking: JoinHandle<anyhow::Result<()>>,
    sending: JoinHandle<()>,
    stop: watch::Sender<bool>,
}

impl Load {
    /// Starts a server for each instance, the forwarder, and the requests. Servers start and stop with their instances.
    pub async fn start(stack: &LocalStack, fleet: &Fleet) -> anyhow::Result<Self> {
        let forwarder = Forwarder::start().await?;
        let servers = Servers::new(fleet)?;
        let (polled, mut first_look) = watch::channel(false);
        let looking =
            tokio::spawn(poll(fleet.clone(), stack.clients().clone(), servers.clone(), forwarder.clone(), polled));
        if !matches!(tokio::time::timeout(START_TIMEOUT, first_look.changed()).await, Ok(Ok(()))) {
            match looking.await? {
                Ok(()) => bail!("the servers were not up after {START_TIMEOUT:?}"),
                Err(error) => return Err(error.context("the servers did not start")),
            }
        }
        let tally = Arc::default();
        let (stop, stopped) = watch::channel(false);
        let sending = tokio::spawn(send(forwarder.url(), Arc::clone(&tally), stopped));
        Ok(Self { tally, forwarder, servers, looking, sending, stop })
    }

    /// Makes an image bad: each of its servers returns an error for every `fails_every`-th request.
    pub fn make_bad(&self, image: &str, fails_every: u64) {
        self.servers.make_bad(image, fails_every);
    }

    /// The URL of the forwarder.
    pub fn url(&self) -> String {
        self.forwarder.url()
    }

    /// The outcomes of all requests so far.
    pub fn tally(&self) -> Tally {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Stops sending, waits for pending requests, and returns the outcomes of all requests. The servers keep running.
    pub async fn pause(&mut self) -> anyhow::Result<Tally> {
        self.stop.send_replace(true);
        (&mut self.sending).await.context("the load has ended early")?;
        if self.looking.is_finished() {
            (&mut self.looking).await?.context("the forwarder could not look at the fleet")?;
        }
        Ok(self.tally())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.sending.abort();
        self.looking.abort();
    }
}

/// Updates servers and routes from the fleet.
async fn poll(
    fleet: Fleet,
    clients: crate::clients::Clients,
    servers: Servers,
    forwarder: Forwarder,
    polled: watch::Sender<bool>,
) -> anyhow::Result<()> {
    loop {
        // Instances before routes: an instance that is gone now is not a target in the later read.
        let instances = servers.poll(&clients).await?;
        let routes = fleet.routes().await?;
        if servers.are_missing(&routes) {
            // An instance may launch between the two reads, and every healthy target needs a server.
            servers.poll(&clients).await?;
        }
        forwarder.follow(routes, servers.addresses()).await;
        // No request is pending at the servers of terminated instances.
        servers.end_all_but(&instances).await?;
        polled.send_replace(true);
        tokio::time::sleep(POLL_EVERY).await;
    }
}

/// Sends requests at a constant rate, whether earlier ones have ended or not. It catches up after a delay of a busy
/// machine, because the alarm depends on the rate.
async fn send(url: String, tally: Arc<Mutex<Tally>>, mut stopped: watch::Receiver<bool>) {
    let mut pace = tokio::time::interval(Duration::from_secs(1) / u32::try_from(REQUESTS_PER_SECOND).unwrap_or(1));
    let mut under_way = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            _ = stopped.changed() => break,
            _ = pace.tick() => {}
        }
        let (url, tally) = (url.clone(), Arc::clone(&tally));
        under_way.spawn(async move {
            let ended = request(&url).await.unwrap_or_else(|error| Ended::Lost(format!("{error:#}")));
            tally.lock().unwrap_or_else(PoisonError::into_inner).add(ended);
        });
        while under_way.try_join_next().is_some() {}
    }
    while under_way.join_next().await.is_some() {}
}

async fn request(url: &str) -> anyhow::Result<Ended> {
    let request = Request::get(url).body(Full::<Bytes>::default())?;
    let exchange = async {
        let (head, body) = crate::http::client().request(request).await?.into_parts();
        anyhow::Ok(Response::from_parts(head, body.collect().await?.to_bytes()))
    };
    let answer = tokio::time::timeout(PATIENCE, exchange).await.context("no answer in time")??;
    let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let server = header("x-group").zip(header("x-image")).zip(header("x-instance"));
    let Some(((group, image), instance)) = server else {
        // The body of the forwarder has the reason.
        return Ok(Ended::Lost(String::from_utf8_lossy(answer.body()).trim().to_owned()));
    };
    let server = Server { group, image, instance };
    Ok(if answer.status().is_success() { Ended::Served(server) } else { Ended::Error(server) })
}
