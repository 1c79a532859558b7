//! An event burst on the stub AWS: every instance of every fleet becomes non-compliant, and Config reports each twice,
//! in random order, within a minute. The release builds of the detector and of `reconcile` handle it in real time,
//! invoked as Lambda would.
//!
//! The results are counts. `make scale` shows on the simulated AWS how they grow; this checks them once for the shipped
//! binaries, with their client, wire format and table.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::Value;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::cases::{LOOKS, Places, batch, is_success, resync};
use crate::cloud::{Call, Cloud, Wire};
use crate::load_generator::{LoadGenerator, Size};
use crate::runtime::Worker;
use crate::statistics::percentile;
use crate::table::Keeps;
use crate::world::{World, sent};

/// 5,000 instances: each is reported twice, which makes 10,000 events, as in the largest event burst of `make scale`.
const SIZE: Size = Size { fleets: 100, instances: 50 };
/// The events arrive within one minute.
const BURST: Duration = Duration::from_mins(1);
/// Runs of `reconcile` at once: `ReconcileConcurrency` of the template.
const WORKERS: usize = 5;
/// Messages that Lambda hands out at once: `BatchSize` of the template.
const BATCH: usize = 10;
/// The burst is over when no request is due for longer than events are coalesced. The request that is due then is the
/// end of the debounce.
const QUIET: Duration = Duration::from_secs(70);
/// The timeout of the burst.
const PATIENCE: Duration = Duration::from_mins(5);
/// The result of an event burst.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// How many fleets, and instances of each.
    pub fleets: usize,
    pub events: usize,
    /// Distinct pairs of an instance and a rule.
    pub distinct: usize,
    /// Attempts to store a fact.
    pub filings: usize,
    /// Attempts that stored a fact.
    pub stored: usize,
    /// Reconcile passes.
    pub looks: usize,
    pub calls: BTreeMap<String, usize>,
    /// Batches of `reconcile`.
    pub batches: usize,
    /// Median and 99th percentile of the duration of a batch, in milliseconds.
    pub batch_ms: (f64, f64),
    /// Processor time of all runs of `reconcile`, in seconds.
    pub cpu_s: f64,
    /// The highest peak memory of a run, in MiB.
    pub rss: f64,
    /// From the first event until no request was due, in seconds.
    pub over_s: f64,
}

/// A message on its way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Message {
    visible_at: Instant,
    /// Of those that are visible at the same time, the first that was sent comes first.
    number: usize,
    body: String,
}

/// The reconcile queue, and what the calls so far came to.
#[derive(Debug, Default)]
struct State {
    queue: BTreeSet<Message>,
    sent: usize,
    in_flight: usize,
    /// Whether all events were given.
    is_told: bool,
    is_over: bool,
    filings: usize,
    stored: usize,
    looks: usize,
    calls: BTreeMap<String, usize>,
}

/// What all tasks share.
#[derive(Debug, Clone)]
struct Scene {
    cloud: Cloud,
    state: Arc<Mutex<State>>,
    /// Something was sent, or all is over.
    details: Arc<Notify>,
}

/// Runs an event burst.
pub async fn burst(places: &Places, cloud: &Cloud) -> anyhow::Result<Told> {
    let program = |name| places.program(name, cloud, Wire::Tls);
    let calm = idle(places, cloud).await.context("the fleets before the burst")?;
    let now = jiff::Timestamp::now();
    let load_generator = Some(Arc::new(LoadGenerator::new(&places.stub_folder("stub"), SIZE, Some(now))?));
    cloud.set(World { load_generator, ..calm }, Duration::ZERO);
    cloud.take_calls();

    let scene = Scene { cloud: cloud.clone(), state: Arc::default(), details: Arc::default() };
    let events = shuffled(&events(&places.event("config-noncompliant.json")?, now)?);
    let mut workers = Vec::new();
    for _ in 0..WORKERS {
        workers.push(Worker::start(&program("reconcile")).await?);
    }
    let detector = Worker::start(&program("config-compliance")).await?;
    let begin = Instant::now();
    let mut runs = JoinSet::new();
    for worker in workers {
        runs.spawn(scene.clone().reconcile(worker));
    }
    let told = tokio::spawn(scene.clone().tell(detector, events.clone(), begin));
    let ran = tokio::time::timeout(PATIENCE, async {
        told.await??;
        let mut ran = Vec::new();
        while let Some(run) = runs.join_next().await {
            ran.push(run??);
        }
        anyhow::Ok(ran)
    });
    let ran = ran.await.context("the burst does not end")??;
    // Nothing is due for so long before it is known to be over, and no run waits for it.
    let over_s = ran.iter().map(|ran| ran.last).max().context("nobody ran")?.duration_since(begin).as_secs_f64();
    let problems = cloud.take_problems();
    ensure!(problems.is_empty(), "{}", problems.join("\n"));

    let times: Vec<f64> = ran.iter().flat_map(|ran| ran.batches.iter().copied()).collect();
    let at = |share| percentile(&times, share).context("no batch was given");
    let state = scene.lock();
    let distinct = SIZE.fleets * SIZE.instances;
    ensure!(state.stored == distinct, "{} facts were stored for {distinct} pairs of instance and rule", state.stored);
    Ok(Told {
        fleets: SIZE.fleets,
        events: events.len(),
        distinct,
        filings: state.filings,
        stored: state.stored,
        looks: state.looks,
        calls: state.calls.clone(),
        batches: times.len(),
        batch_ms: (at(0.5)?, at(0.99)?),
        cpu_s: ran.iter().map(|ran| ran.cpu_s).sum(),
        rss: ran.iter().map(|ran| ran.rss).fold(0.0, f64::max),
        over_s,
    })
}

/// Lets `reconcile` find and manage all fleets until they are idle.
async fn idle(places: &Places, cloud: &Cloud) -> anyhow::Result<World> {
    let load_generator = Some(Arc::new(LoadGenerator::new(&places.stub_folder("stub"), SIZE, None)?));
    let mut world = World { load_generator, files: places.stub("stub")?, ..World::default() };
    world.table.keeps = Keeps::Everything;
    cloud.set(world, Duration::ZERO);
    cloud.take_calls();
    let mut worker = Worker::start(&places.program("reconcile", cloud, Wire::Http)).await?;
    let mut give = async |event: String| {
        let (_, answer) = worker.give(&event).await?;
        let problems = cloud.take_problems();
        ensure!(problems.is_empty() && is_success(&answer), "{answer}\n{}", problems.join("\n"));
        anyhow::Ok(cloud.take_calls())
    };
    let requests: Vec<String> = sent(&give(resync()).await?)?.into_iter().map(|(_, body)| body).collect();
    ensure!(requests.len() == SIZE.fleets, "the resync requests {} of {} fleets", requests.len(), SIZE.fleets);
    for look in 0..=LOOKS {
        let mut commits = 0;
        for requests in requests.chunks(BATCH) {
            commits += give(batch(requests)).await?.iter().filter(|call| call.action == "TransactWriteItems").count();
        }
        ensure!(look < LOOKS || commits == 0, "the fleets do not come to rest: {commits} commits");
    }
    Ok(cloud.world())
}

/// Two events about each instance.
fn events(pattern: &str, at: jiff::Timestamp) -> anyhow::Result<Vec<String>> {
    let mut event: Value = serde_json::from_str(pattern)?;
    let recorded =
        event.pointer_mut("/detail/newEvaluationResult/resultRecordedTime").context("an event without a time")?;
    *recorded = at.to_string().into();
    let id =
        event.pointer("/detail/resourceId").and_then(Value::as_str).context("an event without an instance")?.to_owned();
    let event = event.to_string();
    Ok(SIZE.ids().map(|instance| event.replace(&id, &instance)).flat_map(|event| [event.clone(), event]).collect())
}

/// In random order, the same in every run.
fn shuffled(events: &[String]) -> Vec<String> {
    let mut order: Vec<(u64, &String)> = (1_u64..).map(mixed).zip(events).collect();
    order.sort();
    order.into_iter().map(|(_, event)| event.clone()).collect()
}

/// A number that looks like none of its neighbours (the finalizer of `SplitMix64`).
fn mixed(number: u64) -> u64 {
    let number = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// What a run of `reconcile` came to.
struct Ran {
    batches: Vec<f64>,
    cpu_s: f64,
    rss: f64,
    /// When its last batch was done.
    last: Instant,
}

impl Scene {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives all events to the detector, evenly over the event burst.
    async fn tell(self, mut detector: Worker, events: Vec<String>, begin: Instant) -> anyhow::Result<()> {
        let batches = events.len().div_ceil(BATCH);
        for (number, events) in events.chunks(BATCH).enumerate() {
            tokio::time::sleep_until(begin + BURST.mul_f64(part(number, batches))).await;
            let (_, answer) = detector.give(&batch(events)).await?;
            ensure!(is_success(&answer), "the detector answered {answer}");
            self.note()?;
        }
        self.lock().is_told = true;
        self.note()
    }

    /// Gives messages to a run of `reconcile` as they become visible, until it is over.
    async fn reconcile(self, mut worker: Worker) -> anyhow::Result<Ran> {
        let mut ran = Ran { batches: Vec::new(), cpu_s: 0.0, rss: 0.0, last: Instant::now() };
        loop {
            // Before the queue is looked at: what is sent between the two is not missed.
            let details = self.details.notified();
            let taken = self.lock().take();
            let bodies = match taken {
                Taken::Over => break,
                Taken::Messages(bodies) => bodies,
                Taken::NothingUntil(at) => {
                    let _ = tokio::time::timeout_at(at, details).await;
                    continue;
                }
            };
            let (took, answer) = worker.give(&batch(&bodies)).await?;
            ensure!(is_success(&answer), "reconcile answered {answer}");
            ran.batches.push(took);
            ran.last = Instant::now();
            self.lock().in_flight -= 1;
            self.note()?;
        }
        ran.cpu_s = worker.cpu()?.as_secs_f64();
        ran.rss = worker.peak_kib()? / 1024.0;
        Ok(ran)
    }

    /// Counts the calls since the last time, and puts on the queue what was sent.
    fn note(&self) -> anyhow::Result<()> {
        let calls = self.cloud.take_calls();
        let mut state = self.lock();
        for call in &calls {
            state.count(call);
        }
        for (delay, body) in sent(&calls)? {
            let number = state.sent;
            state.sent += 1;
            state.queue.insert(Message { visible_at: Instant::now() + delay, number, body });
        }
        state.conclude();
        self.details.notify_waiters();
        Ok(())
    }
}

/// What a run finds on the queue.
enum Taken {
    Messages(Vec<String>),
    NothingUntil(Instant),
    Over,
}

impl State {
    fn take(&mut self) -> Taken {
        let now = Instant::now();
        let mut bodies = Vec::new();
        while let Some(message) =
            self.queue.first().filter(|message| message.visible_at <= now && bodies.len() < BATCH).cloned()
        {
            self.queue.remove(&message);
            bodies.push(message.body);
        }
        if !bodies.is_empty() {
            self.in_flight += 1;
            Taken::Messages(bodies)
        } else if self.is_over {
            Taken::Over
        } else {
            Taken::NothingUntil(self.queue.first().map_or(now + PATIENCE, |message| message.visible_at))
        }
    }

    fn conclude(&mut self) {
        let soon = Instant::now() + QUIET;
        let is_quiet = self.queue.first().is_none_or(|message| message.visible_at > soon);
        self.is_over |= self.is_told && self.in_flight == 0 && is_quiet;
    }

    fn count(&mut self, call: &Call) {
        *self.calls.entry(call.service.to_owned()).or_default() += 1;
        let says = |text: &str| call.body.windows(text.len()).any(|window| window == text.as_bytes());
        match call.action.as_str() {
            // A decision reads the groups by the fleet's tag; a run that stores a fact reads them by name.
            "DescribeAutoScalingGroups" if says("tag%3Adriftless%3Afleet") => self.looks += 1,
            "TransactWriteItems" if says("\"Put\"") && says("FACT#") && says("DEDUPLICATION#") => {
                self.filings += 1;
                self.stored += usize::from(call.status == 200);
            }
            _ => {}
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a few thousand")]
fn part(number: usize, of: usize) -> f64 {
    number as f64 / of.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(state: &mut State, visible_at: Instant, body: &str) {
        state.sent += 1;
        state.queue.insert(Message { visible_at, number: state.sent, body: body.to_owned() });
    }

    #[test]
    fn a_batch_holds_ten_at_most_in_the_order_in_which_they_were_sent_and_none_that_is_delayed() {
        let mut state = State::default();
        let now = Instant::now();
        for number in 0..11 {
            message(&mut state, now, &number.to_string());
        }
        message(&mut state, now + PATIENCE, "late");
        let Taken::Messages(bodies) = state.take() else { panic!("ten are there") };
        assert_eq!(bodies, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
        assert!(matches!(state.take(), Taken::Messages(bodies) if bodies == ["10"]));
        assert!(matches!(state.take(), Taken::NothingUntil(at) if at == now + PATIENCE));
    }

    #[test]
    fn a_burst_is_over_when_all_events_are_handled_and_no_request_is_due() {
        let over = |is_told, in_flight, due: Duration| {
            let mut state = State { in_flight, is_told, ..State::default() };
            message(&mut state, Instant::now() + due, "wake");
            state.conclude();
            state.is_over
        };
        let late = QUIET + Duration::from_secs(5);
        assert!(over(true, 0, late));
        assert!(!over(false, 0, late));
        assert!(!over(true, 1, late));
        assert!(!over(true, 0, QUIET));
    }

    #[test]
    fn each_instance_is_reported_twice_in_random_order() {
        let pattern = r#"{"detail": {"resourceId": "i-0", "newEvaluationResult": {"resultRecordedTime": "x"}}}"#;
        let all = events(pattern, jiff::Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(all.len(), 10_000);
        let mixed = shuffled(&all);
        assert_ne!(mixed, all);
        let distinct: BTreeSet<&String> = mixed.iter().collect();
        assert_eq!(distinct.len(), 5_000);
        let neighbours = mixed.windows(2).filter(|pair| pair[0] == pair[1]).count();
        assert!(neighbours < 100, "{neighbours} pairs stayed together");
    }
}
