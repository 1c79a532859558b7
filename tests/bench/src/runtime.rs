//! The Lambda Runtime API, served to one process at a time, and the clock that stands beside it.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, bail, ensure};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::process::{Process, Program, tail};

/// Nothing that is measured takes longer.
const PATIENCE: Duration = Duration::from_mins(1);

/// How long an invocation may take, as its process is told: `FunctionTimeoutSeconds` of the template.
const DEADLINE: Duration = Duration::from_secs(30);

/// What was measured of one process. Times are in milliseconds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Run {
    /// From the start of the process to its first request for work.
    pub init: f64,
    /// From the first event that was handed out to its answer.
    pub first: f64,
    /// The same of each further event.
    pub warm: Vec<f64>,
    /// Processor time until the first event was answered.
    pub cpu_first: f64,
    /// Processor time of a further event, on average.
    pub cpu_warm: f64,
    /// The most memory that it had, in KiB.
    pub peak_kib: f64,
    /// What it answered last.
    pub answer: String,
}

/// What a process says.
#[derive(Debug)]
enum Said {
    Next {
        at: Instant,
        hand_out: oneshot::Sender<Response<Full<Bytes>>>,
    },
    /// It has done it.
    Answered {
        at: Instant,
        body: Bytes,
    },
    Failed(Bytes),
}

/// Starts a process, gives it one event again and again (`events` in all, one at least), and ends it.
pub async fn run(program: &Program, event: &str, events: usize) -> anyhow::Result<Run> {
    let mut worker = Worker::start(program).await?;
    let mut run = Run { init: worker.init, ..Run::default() };
    let mut cpu_at_first = Duration::ZERO;
    for number in 0..events.max(1) {
        let (took, answer) = worker.give(event).await?;
        if number == 0 {
            run.first = took;
            cpu_at_first = worker.cpu()?;
            run.cpu_first = milliseconds(cpu_at_first);
        } else {
            run.warm.push(took);
        }
        run.answer = answer;
    }
    let cpu_warm = worker.cpu()?.saturating_sub(cpu_at_first);
    #[expect(clippy::cast_precision_loss, reason = "a count of events")]
    {
        run.cpu_warm = milliseconds(cpu_warm) / run.warm.len().max(1) as f64;
    }
    run.peak_kib = worker.peak_kib()?;
    Ok(run)
}

/// A process that waits for events. It ends when it is dropped.
#[derive(Debug)]
pub struct Worker {
    process: Process,
    program: Program,
    said: mpsc::UnboundedReceiver<Said>,
    hand_out: Option<oneshot::Sender<Response<Full<Bytes>>>>,
    /// The Runtime API. It ends with the set.
    _server: JoinSet<()>,
    /// From the start of the process to its first request for work, in milliseconds.
    pub init: f64,
    events: usize,
}

impl Worker {
    /// Starts a process, and waits until it wants work.
    pub async fn start(program: &Program) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let api = ("AWS_LAMBDA_RUNTIME_API".to_owned(), listener.local_addr()?.to_string());
        let (say, said) = mpsc::unbounded_channel();
        let mut server = JoinSet::new();
        server.spawn(serve(listener, say));
        let process = Process::start(program, &[api])?;
        let program = program.clone();
        let mut worker = Self { process, program, said, hand_out: None, _server: server, init: 0.0, events: 0 };
        let asked = worker.wait_until_idle().await.with_context(|| worker.about())?;
        worker.init = milliseconds(asked - worker.process.started);
        Ok(worker)
    }

    /// Gives it an event. Returns how long it took, in milliseconds, and the answer.
    pub async fn give(&mut self, event: &str) -> anyhow::Result<(f64, String)> {
        let given = self.try_give(event).await;
        given.with_context(|| self.about())
    }

    async fn try_give(&mut self, event: &str) -> anyhow::Result<(f64, String)> {
        let hand_out = self.hand_out.take().context("it has failed before")?;
        let response = invocation(self.process.id(), self.events, event)?;
        self.events += 1;
        let handed = Instant::now();
        ensure!(hand_out.send(response).is_ok(), "the process hung up");
        let (answered, body) = answer(&mut self.process, &mut self.said).await?;
        // Nothing is measured until the process waits again: what it does after its answer is its own.
        self.wait_until_idle().await?;
        Ok((milliseconds(answered - handed), String::from_utf8_lossy(&body).into_owned()))
    }

    async fn wait_until_idle(&mut self) -> anyhow::Result<Instant> {
        let (at, hand_out) = next(&mut self.process, &mut self.said).await?;
        self.hand_out = Some(hand_out);
        Ok(at)
    }

    fn about(&self) -> String {
        format!("{:?}\n{}", self.program.command, tail(&self.program.log))
    }

    /// The processor time that it has used.
    pub fn cpu(&self) -> anyhow::Result<Duration> {
        self.process.cpu()
    }

    /// The most memory that it ever had, in KiB.
    #[expect(clippy::cast_precision_loss, reason = "a count of kibibytes")]
    pub fn peak_kib(&self) -> anyhow::Result<f64> {
        Ok(self.process.peak_kib()? as f64)
    }
}

async fn next(
    process: &mut Process,
    said: &mut mpsc::UnboundedReceiver<Said>,
) -> anyhow::Result<(Instant, oneshot::Sender<Response<Full<Bytes>>>)> {
    match hear(process, said).await? {
        Said::Next { at, hand_out } => Ok((at, hand_out)),
        Said::Answered { .. } => bail!("an answer that was not asked for"),
        Said::Failed(error) => bail!("it failed: {}", String::from_utf8_lossy(&error)),
    }
}

async fn answer(process: &mut Process, said: &mut mpsc::UnboundedReceiver<Said>) -> anyhow::Result<(Instant, Bytes)> {
    match hear(process, said).await? {
        Said::Answered { at, body } => Ok((at, body)),
        Said::Next { .. } => bail!("it asked for more without an answer"),
        Said::Failed(error) => bail!("the event failed: {}", String::from_utf8_lossy(&error)),
    }
}

async fn hear(process: &mut Process, said: &mut mpsc::UnboundedReceiver<Said>) -> anyhow::Result<Said> {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        if let Ok(said) = tokio::time::timeout(Duration::from_millis(500), said.recv()).await {
            return said.context("the Runtime API ended");
        }
        ensure!(!process.has_ended()?, "the process ended");
    }
    bail!("nothing was heard in {PATIENCE:?}")
}

/// The id of a request is like no other one: `reconcile` holds leases by it.
fn invocation(process: u32, number: usize, event: &str) -> anyhow::Result<Response<Full<Bytes>>> {
    let deadline = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)? + DEADLINE;
    let response = Response::builder()
        .header("content-type", "application/json")
        .header("lambda-runtime-aws-request-id", format!("{process:08x}-e9f4-11e8-9739-{number:012}"))
        .header("lambda-runtime-deadline-ms", deadline.as_millis().to_string())
        .header("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:123456789012:function:driftless-bench")
        .header(
            "lambda-runtime-trace-id",
            "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1",
        );
    Ok(response.body(Full::from(event.to_owned()))?)
}

async fn serve(listener: TcpListener, say: mpsc::UnboundedSender<Said>) {
    // Its connections end with it.
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        if stream.set_nodelay(true).is_err() {
            continue;
        }
        let say = say.clone();
        connections.spawn(async move {
            let service = service_fn(|request| take(say.clone(), request));
            // A process that is ended breaks its connection.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn take(
    say: mpsc::UnboundedSender<Said>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let at = Instant::now();
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    if head.method == Method::GET && path.ends_with("/invocation/next") {
        let (hand_out, handed) = oneshot::channel();
        // Nobody listens once the measurement is over.
        let _ = say.send(Said::Next { at, hand_out });
        return Ok(handed.await.unwrap_or_default());
    }
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let at = Instant::now();
    let said = if path.ends_with("/response") { Said::Answered { at, body } } else { Said::Failed(body) };
    let _ = say.send(said);
    let mut accepted = Response::new(Full::from(r#"{"status":"OK"}"#));
    *accepted.status_mut() = StatusCode::ACCEPTED;
    Ok(accepted)
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
