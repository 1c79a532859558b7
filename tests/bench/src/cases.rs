//! The measured functions and events. Each input comes from the function that produces it in production: a fact from
//! the detector, a request from the resync, and the fleet's record from `reconcile` itself.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use crate::cloud::{Cloud, Wire};
use crate::process::{Program, tail};
use crate::runtime;
use crate::stub::Files;
use crate::table::Keeps;
use crate::world::{World, sent};

/// The instance that all events are about.
const INSTANCE: &str = "i-0aa11bb22cc33dd44";
/// Passes until a new fleet is idle.
pub const LOOKS: usize = 4;

/// What goals a function has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goals {
    Detector,
    Reconcile,
    /// None of its own.
    None,
}

/// One event of one function.
#[derive(Debug, Clone)]
pub struct Case {
    /// The function, by the name of its binary.
    pub function: &'static str,
    /// The event, in a word.
    pub name: &'static str,
    /// The event, in a few words.
    pub title: &'static str,
    /// What goals the function has.
    pub goals: Goals,
    /// What the function is given.
    pub event: String,
    pub world: World,
}

impl Case {
    /// `reconcile/fact`.
    pub fn id(&self) -> String {
        format!("{}/{}", self.function, self.name)
    }
}

/// The folders of a run.
#[derive(Debug, Clone)]
pub struct Places {
    pub root: PathBuf,
    pub target: PathBuf,
    /// The profile that the functions were built in, as the folder in cargo's is called.
    pub profile: String,
    /// What this run leaves behind: logs, scripts, certificates.
    pub work: PathBuf,
    /// Amazon's roots and the run's own.
    pub roots: PathBuf,
}

impl Places {
    /// A function.
    pub fn function(&self, name: &str) -> PathBuf {
        self.target.join(&self.profile).join(name)
    }

    /// A function, in the environment that Lambda and `template.yaml` give it.
    pub fn program(&self, name: &str, cloud: &Cloud, wire: Wire) -> Program {
        let mut environment = self.environment(cloud, wire);
        environment.extend([variable("AWS_LAMBDA_FUNCTION_NAME", format!("driftless-{name}"))]);
        Program {
            command: vec![self.function(name).display().to_string()],
            environment,
            folder: self.work.clone(),
            log: self.work.join(format!("{name}.log")),
        }
    }

    /// What every process is given.
    pub fn environment(&self, cloud: &Cloud, wire: Wire) -> Vec<(String, String)> {
        let roots = self.roots.display().to_string();
        let mut environment = cloud.endpoints(wire);
        environment.extend([
            variable("AWS_REGION", "us-east-1"),
            variable("AWS_DEFAULT_REGION", "us-east-1"),
            variable("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
            variable("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
            // As long as that of a role.
            variable("AWS_SESSION_TOKEN", "IQoJb3JpZ2luX2VjE".repeat(50)),
            variable("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            variable("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
            variable("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
            variable("AWS_LAMBDA_LOG_FORMAT", "JSON"),
            variable("AWS_LAMBDA_LOG_LEVEL", "INFO"),
            variable("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/driftless"),
            variable("AWS_LAMBDA_LOG_STREAM_NAME", "2026/11/22/[$LATEST]bench"),
            variable("AWS_EC2_METADATA_DISABLED", "true"),
            variable("PATH", "/usr/local/bin:/usr/bin:/bin"),
            variable("LANG", "en_US.UTF-8"),
            variable("TZ", ":UTC"),
            variable("HOME", self.work.join("home").display().to_string()),
            variable("ACCOUNT_ID", "123456789012"),
            variable("FUNCTION_TIMEOUT_SECONDS", "30"),
            variable("RECONCILE_QUEUE_URL", format!("{}/123456789012/driftless-reconcile", cloud.url("sqs", wire))),
            variable("TABLE_NAME", "driftless-table"),
            variable("ALERT_TOPIC_ARN", "arn:aws:sns:us-east-1:123456789012:driftless-alerts"),
            variable("CHAT_TOPIC_ARN", "arn:aws:sns:us-east-1:123456789012:driftless-chat"),
            variable("EVENT_BUS_NAME", "default"),
            variable("OPERATOR_FUNCTION_ARN", "arn:aws:lambda:us-east-1:123456789012:function:driftless-operator"),
            variable(
                "POLICY_DEFAULTS",
                "mode=observe\nbudget=1\nbreaker=25%\ndebounce=5m\nmin-healthy=90%\nlaunch-deadline=20m\ndrain-deadline=30m",
            ),
        ]);
        if wire == Wire::Tls {
            environment
                .extend(["SSL_CERT_FILE", "AWS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"].map(|name| variable(name, &*roots)));
            // Beside Amazon's roots, which are read as ever, the run's own is trusted.
            environment.push(variable("DRIFTLESS_TRUST_STORE", "system"));
        }
        environment
    }

    /// Where stub answers stand.
    pub fn stub_folder(&self, name: &str) -> PathBuf {
        self.root.join("tests/bench").join(name)
    }

    /// The answers of a folder.
    pub fn stub(&self, folder: &str) -> anyhow::Result<Files> {
        Files::read(&self.stub_folder(folder))
    }

    /// An event, by the name of its file.
    pub fn event(&self, name: &str) -> anyhow::Result<String> {
        let path = self.root.join("tests/events").join(name);
        let text = std::fs::read_to_string(&path).with_context(|| format!("{}", path.display()))?;
        // As a service sends it: in one line.
        Ok(serde_json::from_str::<Value>(&text)?.to_string())
    }
}

fn variable(name: &str, value: impl Into<String>) -> (String, String) {
    (name.to_owned(), value.into())
}

/// The event that peers are given: the same as `config-compliance/one`.
pub fn peer_event(places: &Places) -> anyhow::Result<String> {
    Ok(batch(&[places.event("config-noncompliant.json")?]))
}

/// All cases. The functions that make what others are given run for it.
pub async fn all(places: &Places, cloud: &Cloud) -> anyhow::Result<Vec<Case>> {
    let world = World { files: places.stub("stub")?, ..World::default() };
    let mut cases = Vec::new();
    for (function, event) in [
        ("config-compliance", "config-noncompliant.json"),
        ("cloudwatch-alarm", "alarm-instance.json"),
        ("image-published", "image-published.json"),
    ] {
        let one = places.event(event)?;
        let ten: Vec<String> = (0..10).map(|number| one.replace(INSTANCE, &other_instance(number))).collect();
        let case =
            |name, title, event| Case { function, name, title, goals: Goals::Detector, event, world: world.clone() };
        cases.push(case("one", "a batch of one message", batch(&[one])));
        cases.push(case("ten", "a batch of ten", batch(&ten)));
    }
    let idle = idle(places, cloud, world.clone()).await?;
    let fact = fact(places, cloud, world).await?;
    let drifted = drifted(places, cloud, idle.world.clone(), &fact).await?;
    let reconcile =
        |name, title, event, world| Case { function: "reconcile", name, title, goals: Goals::Reconcile, event, world };
    cases.push(reconcile("idle", "a reconcile request that finds nothing to do", idle.request, idle.world.clone()));
    cases.push(reconcile("fact", "a drift that is stored and reconciled", fact, drifted));
    cases.push(reconcile("resync", "the resync", resync(), idle.world.clone()));
    let operator_api = |function, name, title, asked: Value| {
        let event = url_event(&asked);
        Case { function, name, title, goals: Goals::None, event, world: idle.world.clone() }
    };
    cases.push(operator_api("status", "fleet", "the state of one fleet", json!({"query": "fleet", "fleet": "app"})));
    let freeze = json!({"request": "bench-1", "reason": "measured", "action": {"freeze": {"scope": {"fleet": "app"}}}});
    cases.push(operator_api("operator", "freeze", "a freeze", freeze));
    Ok(cases)
}

fn other_instance(number: usize) -> String {
    format!("i-0aa11bb22cc33dd4{number:x}")
}

/// The event of the resync.
pub fn resync() -> String {
    json!({"resync": {}}).to_string()
}

/// A fleet at rest, and a request for it.
struct Idle {
    world: World,
    request: String,
}

/// Lets `reconcile` find and manage a new fleet until it is idle.
async fn idle(places: &Places, cloud: &Cloud, mut world: World) -> anyhow::Result<Idle> {
    world.table.keeps = Keeps::Everything;
    cloud.set(world, Duration::ZERO);
    seen(places, cloud, "reconcile", &resync(), 1).await?;
    let request = first_sent(cloud).context("the resync requests no fleet that is new")?;
    let request = batch(&[request]);
    seen(places, cloud, "reconcile", &request, LOOKS).await?;
    seen(places, cloud, "reconcile", &resync(), 1).await?;
    let mut world = cloud.world();
    world.table.keeps = Keeps::Nothing;
    cloud.set(world.clone(), Duration::ZERO);
    cloud.take_calls();
    seen(places, cloud, "reconcile", &request, 1).await?;
    let commits = cloud.take_calls().into_iter().filter(|call| call.action == "TransactWriteItems").count();
    ensure!(commits == 0, "the fleet does not come to rest");
    Ok(Idle { world, request })
}

/// What `reconcile` is given of a drift: what the detector sends.
async fn fact(places: &Places, cloud: &Cloud, world: World) -> anyhow::Result<String> {
    cloud.set(world, Duration::ZERO);
    seen(places, cloud, "config-compliance", &peer_event(places)?, 1).await?;
    Ok(batch(&[first_sent(cloud).context("the detector sends nothing")?]))
}

/// The fleet with a drift that was reported and on which nothing was decided yet.
async fn drifted(places: &Places, cloud: &Cloud, mut world: World, fact: &str) -> anyhow::Result<World> {
    world.files = world.files.with(places.stub("stub-drift")?);
    world.table.keeps = Keeps::Reports;
    cloud.set(world, Duration::ZERO);
    seen(places, cloud, "reconcile", fact, 1).await?;
    let mut world = cloud.world();
    world.table.keeps = Keeps::Nothing;
    Ok(world)
}

async fn seen(places: &Places, cloud: &Cloud, function: &str, event: &str, events: usize) -> anyhow::Result<()> {
    let program = places.program(function, cloud, Wire::Http);
    let run = runtime::run(&program, event, events).await;
    let problems = cloud.take_problems();
    ensure!(problems.is_empty(), "{function}: {}", problems.join("\n"));
    let answer = run?.answer;
    ensure!(is_success(&answer), "{function} answered {answer}\n{}", tail(&program.log));
    Ok(())
}

/// Whether an answer names no message that failed, and is no refusal.
pub fn is_success(answer: &str) -> bool {
    let Ok(answer) = serde_json::from_str::<Value>(answer) else { return false };
    let failed = answer.get("batchItemFailures").and_then(Value::as_array).map_or(0, Vec::len);
    let status = answer.get("statusCode").and_then(Value::as_u64).unwrap_or(200);
    failed == 0 && status < 300
}

/// The first message that was sent since this was last asked.
fn first_sent(cloud: &Cloud) -> anyhow::Result<String> {
    let first = sent(&cloud.take_calls())?.into_iter().next();
    first.map(|(_, body)| body).context("nothing was sent")
}

/// A batch of messages as Lambda takes it from a queue.
pub fn batch(bodies: &[String]) -> String {
    let record = |(number, body): (usize, &String)| {
        json!({
            "messageId": format!("059f36b4-87a3-44ab-83d2-{number:012}"),
            "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a".repeat(8),
            "body": body,
            "attributes": {
                "ApproximateReceiveCount": "1", "SentTimestamp": "1795374245751", "SenderId": "AIDAIENQZJOLO23YVJ4VO",
                "ApproximateFirstReceiveTimestamp": "1795374245760",
            },
            "messageAttributes": {},
            "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:driftless",
            "awsRegion": "us-east-1",
        })
    };
    json!({"Records": bodies.iter().enumerate().map(record).collect::<Vec<_>>()}).to_string()
}

/// A signed request to a function's URL.
fn url_event(asked: &Value) -> String {
    let arn = "arn:aws:sts::123456789012:assumed-role/ops/ana";
    json!({
        "version": "2.0", "routeKey": "$default", "rawPath": "/", "rawQueryString": "",
        "headers": {"content-type": "application/json", "host": "url-id.lambda-url.us-east-1.on.aws"},
        "requestContext": {
            "accountId": "123456789012", "apiId": "url-id", "domainName": "url-id.lambda-url.us-east-1.on.aws",
            "domainPrefix": "url-id", "requestId": "id", "routeKey": "$default", "stage": "$default",
            "time": "22/Nov/2026:00:00:00 +0000", "timeEpoch": 1_795_305_600_000_u64,
            "http": {"method": "POST", "path": "/", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "driftless"},
            "authorizer": {"iam": {"accountId": "123456789012", "userArn": arn, "userId": "AROA:ana", "callerId": "AROA:ana"}},
        },
        "body": asked.to_string(),
        "isBase64Encoded": false,
    })
    .to_string()
}

/// Where the roots of AWS are.
pub fn amazon_roots(root: &Path) -> PathBuf {
    root.join("shared/aws/roots/amazon-roots.pem")
}
