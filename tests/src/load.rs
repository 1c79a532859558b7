//! A small load on a fleet: real requests over loopback to real processes, one an instance, through a forwarder that does
//! what a load balancer with these weights and these healthy targets would.
//!
//! Nothing of it is told to Driftless, but for the errors that the servers themselves answer: of these an alarm is made,
//! as CloudWatch does ([`ErrorAlarm`]).

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
/// How often the forwarder looks at weights and targets: more often than an instance takes to come or go.
const POLL_EVERY: Duration = Duration::from_millis(150);
/// How long the first servers may take to start.
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
    /// Starts a server for each instance, the forwarder, and the requests. From now on servers come and go with their
    /// instances.
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

    /// An image is bad from now on: each of its servers answers every so many requests with an error.
    pub fn make_bad(&self, image: &str, fails_every: u64) {
        self.servers.make_bad(image, fails_every);
    }

    /// Where requests go.
    pub fn url(&self) -> String {
        self.forwarder.url()
    }

    /// How all requests until now ended.
    pub fn tally(&self) -> Tally {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends no more requests, waits for those that are under way, and answers how all of them ended. The servers stay.
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

/// Keeps servers and routes as the fleet is.
async fn poll(
    fleet: Fleet,
    clients: crate::clients::Clients,
    servers: Servers,
    forwarder: Forwarder,
    polled: watch::Sender<bool>,
) -> anyhow::Result<()> {
    loop {
        // Instances first: one that is gone now is no target in the routes that are read afterwards.
        let instances = servers.poll(&clients).await?;
        let routes = fleet.routes().await?;
        if servers.are_missing(&routes) {
            // Launched between the two reads; whoever is healthy has a server.
            servers.poll(&clients).await?;
        }
        forwarder.follow(routes, servers.addresses()).await;
        // Nothing is on its way any more to those that are gone.
        servers.end_all_but(&instances).await?;
        polled.send_replace(true);
        tokio::time::sleep(POLL_EVERY).await;
    }
}

/// Sends requests at an even pace, whether those before have ended or not. What a busy machine was late for is made up for:
/// the alarm counts on it.
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
        // The forwarder says why itself.
        return Ok(Ended::Lost(String::from_utf8_lossy(answer.body()).trim().to_owned()));
    };
    let server = Server { group, image, instance };
    Ok(if answer.status().is_success() { Ended::Served(server) } else { Ended::Error(server) })
}
