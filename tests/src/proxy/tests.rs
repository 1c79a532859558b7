//! The proxy in front of a tiny upstream: what is recorded, and what each fault does.

use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::*;

const FAILS_AFTER: Duration = Duration::from_secs(5);

/// Answers every request with its own body, and counts.
struct Upstream {
    address: String,
    calls: Arc<AtomicU32>,
}

impl Upstream {
    async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let calls = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&calls);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let counter = Arc::clone(&counter);
                let service = service_fn(move |request: Request<Incoming>| {
                    counter.fetch_add(1, Ordering::Relaxed);
                    async move {
                        let body = request.into_body().collect().await?.to_bytes();
                        Ok::<_, hyper::Error>(Response::new(Full::new(body)))
                    }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { address, calls }
    }

    fn calls(&self) -> u32 {
        self.calls.load(Ordering::Relaxed)
    }
}

struct Scene {
    fleet: Upstream,
    other: Upstream,
    proxy: Proxy,
}

async fn scene(name: &str) -> Scene {
    let (fleet, other) = (Upstream::start().await, Upstream::start().await);
    let upstreams = Upstreams { fleet: fleet.address.clone(), other: other.address.clone() };
    let log = std::env::temp_dir().join(format!("driftless-proxy-{name}-{}.jsonl", std::process::id()));
    let proxy = Proxy::start(upstreams, name, &log).unwrap();
    std::fs::remove_file(log).unwrap();
    Scene { fleet, other, proxy }
}

impl Scene {
    async fn query(
        &self,
        service: &str,
        body: &'static str,
    ) -> Result<(u16, String), hyper_util::client::legacy::Error> {
        self.send(service, &[("content-type", "application/x-www-form-urlencoded")], body).await
    }

    async fn json(&self, service: &str, target: &str) -> Result<(u16, String), hyper_util::client::legacy::Error> {
        let headers = [("content-type", "application/x-amz-json-1.0"), ("x-amz-target", target)];
        self.send(service, &headers, r#"{"TableName":"t"}"#).await
    }

    async fn send(
        &self,
        service: &str,
        headers: &[(&str, &str)],
        body: &'static str,
    ) -> Result<(u16, String), hyper_util::client::legacy::Error> {
        let mut request = Request::post(self.proxy.url())
            .header("authorization", crate::http::authorization(service, "us-east-1"))
            .header("user-agent", "aws-sdk-rust/1.3 os/linux app/driftless-reconcile");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = crate::http::client().request(request.body(Full::from(body)).unwrap()).await?;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }
}

#[tokio::test]
async fn a_call_is_routed_and_recorded_with_function_service_and_action() {
    let scene = scene("recorded").await;
    let answer = scene.query("autoscaling", "Action=SetDesiredCapacity&DesiredCapacity=4").await.unwrap();
    assert_eq!(answer, (200, "Action=SetDesiredCapacity&DesiredCapacity=4".to_owned()));
    scene.json("dynamodb", "DynamoDB_20120810.GetItem").await.unwrap();
    scene.send("lambda", &[], "").await.unwrap();

    assert_eq!((scene.fleet.calls(), scene.other.calls()), (1, 2));
    let calls = scene.proxy.recording().all();
    let names: Vec<String> = calls.iter().map(Call::name).collect();
    assert_eq!(names, ["autoscaling:SetDesiredCapacity", "dynamodb:GetItem", "lambda:POST /"]);
    assert!(calls.iter().all(|call| call.is_by("reconcile") && call.is_by("driftless-reconcile")));
    assert!(!calls[0].is_by("concile"));
    assert_eq!(calls[0].text("DesiredCapacity"), Some("4"));
    assert_eq!(calls[1].text("TableName"), Some("t"));
    assert!(calls.iter().all(|call| call.succeeded() && call.took.is_some()));
    assert_eq!(calls.iter().map(Call::changes_fleets).collect::<Vec<_>>(), [true, false, false]);
}

#[tokio::test]
async fn a_wait_ends_with_the_awaited_call_and_else_says_what_there_was() {
    let scene = scene("waits").await;
    let recording = scene.proxy.recording().clone();
    let mark = recording.mark();
    let awaited = |calls: &[Call]| calls.iter().find(|call| call.action == "GetItem").cloned();
    let error = recording.wait_for(mark, "a read", Duration::from_millis(10), awaited).await.unwrap_err().to_string();
    assert!(error.starts_with("waited 10ms in vain: a read\nof 0 calls"), "{error}");

    let (call, _) = tokio::join!(
        recording.wait_for(mark, "a read", FAILS_AFTER, awaited),
        scene.json("dynamodb", "DynamoDB_20120810.GetItem")
    );
    assert_eq!(call.unwrap().name(), "dynamodb:GetItem");
}

#[tokio::test]
async fn an_injected_error_has_the_format_of_its_protocol() {
    let scene = scene("errors").await;
    for name in ["ec2:*", "autoscaling:*", "dynamodb:*"] {
        scene.proxy.inject(Fault::at(name, Strike::throttle()).of("reconcile"));
    }
    assert_eq!(scene.proxy.unmet_faults().len(), 3);
    let code = "<Code>ThrottlingException</Code><Message>Rate exceeded</Message>";
    let (status, body) = scene.query("ec2", "Action=DescribeInstances").await.unwrap();
    assert!(status == 400 && body.starts_with(&format!("<Response><Errors><Error>{code}")), "{body}");
    let (_, body) = scene.query("autoscaling", "Action=DescribeAutoScalingGroups").await.unwrap();
    assert!(body.starts_with(&format!("<ErrorResponse><Error><Type>Sender</Type>{code}")), "{body}");
    let (_, body) = scene.json("dynamodb", "DynamoDB_20120810.GetItem").await.unwrap();
    assert_eq!(body, r#"{"__type":"ThrottlingException","message":"Rate exceeded"}"#);

    assert_eq!((scene.fleet.calls(), scene.other.calls()), (0, 0));
    assert!(scene.proxy.recording().all().iter().all(|call| call.outcome == Outcome::NotForwarded));
    assert_eq!(scene.proxy.unmet_faults(), Vec::<String>::new());
}

#[tokio::test]
async fn a_fault_strikes_the_nth_of_its_calls() {
    let scene = scene("nth").await;
    scene.proxy.inject(Fault::at("ec2:Describe*", Strike::throttle()).nth(2));
    let mut statuses = Vec::new();
    for _ in 0..3 {
        scene.query("ec2", "Action=RunInstances").await.unwrap();
        statuses.push(scene.query("ec2", "Action=DescribeInstances").await.unwrap().0);
    }
    assert_eq!(statuses, [200, 400, 200]);
}

#[tokio::test]
async fn a_call_whose_reply_is_dropped_has_arrived() {
    let scene = scene("drops").await;
    scene.proxy.inject(Fault::at("sqs:*", Strike::DropReply));
    assert!(scene.json("sqs", "AmazonSQS.SendMessage").await.is_err());
    assert_eq!(scene.other.calls(), 1);
    let outcomes: Vec<Outcome> = scene.proxy.recording().all().into_iter().map(|call| call.outcome).collect();
    assert_eq!(outcomes, [Outcome::Answered(200)]);
}

#[tokio::test]
async fn a_kill_ends_the_process_that_called_and_no_other() {
    for (strike, arrived) in [(Strike::Kill, 0), (Strike::KillAfterwards, 1)] {
        let scene = scene("kills").await;
        scene.proxy.inject(Fault::at("*", strike));
        // Both are the same function of the same stack; only one of them calls.
        let mut bystander = function("read line");
        let mut caller = function(&format!(
            r"exec 3<>/dev/tcp/{}
            printf 'POST / HTTP/1.1\r\nhost: x\r\nuser-agent: app/driftless-reconcile\r\ncontent-length: 0\r\n\r\n' >&3
            read -u 3 line",
            scene.proxy.address.to_string().replace(':', "/")
        ));
        let ended = tokio::task::spawn_blocking(move || caller.wait()).await.unwrap().unwrap();
        assert_eq!(ended.signal(), Some(9));
        assert_eq!(bystander.try_wait().unwrap(), None);
        bystander.kill().unwrap();
        bystander.wait().unwrap();
        assert_eq!(scene.other.calls(), arrived);
    }
}

/// A process that looks like a function of the stack `kills`.
fn function(script: &str) -> std::process::Child {
    Command::new("bash")
        .args(["-c", script])
        .env("AWS_LAMBDA_FUNCTION_NAME", "driftless-reconcile")
        .env("DRIFTLESS_STACK", "kills")
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap()
}
