//! The demo: three scenes on a local AWS, with the functions and the template that are deployed. A server drifts; a new
//! image takes the traffic; a bad image is rolled back. Requests run all the time.
//!
//! At the end it prints which servers answered the requests; it exits with an error if a scene did not end as expected.
//! With `--keep` the local AWS and the servers run until Ctrl-C.

mod picture;
mod requests;
mod scenes;
mod screen;
mod stage;
mod timeline;
mod words;

use std::process::ExitCode;
use std::time::Instant;

use driftless_tests::fleet::Fleet;
use driftless_tests::load::Load;
use driftless_tests::stack::LocalStack;

use crate::screen::Screen;
use crate::stage::{PATIENCE, Stage};
use crate::timeline::Timeline;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let screen = Screen::new();
    let keep = match std::env::args().nth(1).as_deref() {
        None => false,
        Some("--keep") => true,
        Some(other) => {
            screen.line(&format!("demo: {other} is not an option; there is --keep"));
            return ExitCode::from(2);
        }
    };
    match play(screen, keep).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            screen.line(&format!("\n{} {error:#}", screen.red("The demo did not end as it should:")));
            ExitCode::FAILURE
        }
    }
}

async fn play(screen: Screen, keep: bool) -> anyhow::Result<()> {
    screen.line(&screen.bold("Driftless: servers are never repaired, they are replaced\n"));
    let started = Instant::now();
    // The timeout of production: on a busy machine a function may need seconds.
    let stack = LocalStack::start_with(&[("FunctionTimeoutSeconds", "30")]).await?;
    screen.line(&format!(
        "The local AWS is up, and template.yaml is deployed to it with the built functions ({:.0} s).\n",
        started.elapsed().as_secs_f64()
    ));
    let stage = Stage::set(&stack, screen).await?;
    let Stage { fleet, inbox, alarms, .. } = stage;
    let mut load = Load::start(&stack, &fleet).await?;
    let timeline = Timeline::new(&stack, &fleet, &load, screen, inbox, alarms).await?;
    let told = tell(timeline, screen).await;
    let told = match told {
        Ok(bad_image) => end(&stack, &mut load, &bad_image, screen, started).await,
        Err(error) => Err(error),
    };
    if keep {
        inspect(&stack, &fleet, &load, screen);
        tokio::signal::ctrl_c().await?;
        screen.line("\nStopping the local AWS.");
    }
    told
}

/// Plays the scenes. Returns the bad image.
async fn tell(mut timeline: Timeline<'_>, screen: Screen) -> anyhow::Result<String> {
    screen.line(&format!("\n  {}", picture::legend(screen)));
    scenes::drift(&mut timeline).await?;
    scenes::cutover(&mut timeline).await?;
    scenes::rollback(&mut timeline).await
}

/// Prints which servers answered the requests, and checks the whole run.
async fn end(
    stack: &LocalStack,
    load: &mut Load,
    bad_image: &str,
    screen: Screen,
    started: Instant,
) -> anyhow::Result<()> {
    stack.wait_until_idle(PATIENCE).await?;
    let tally = load.pause().await?;
    requests::show(&tally, bad_image, screen);
    requests::check(&tally, Some(bad_image))?;
    stack.check_permissions().await?;
    let calls = stack.recording().all();
    let writes = calls.iter().filter(|call| call.changes_fleets()).count();
    screen.line(&format!(
        "\nThe functions made {} calls, {writes} of them changed the fleet, and each was allowed by its function's policy.\n\
         {} It took {:.0} s.",
        calls.len(),
        screen.green("The story ended as it should."),
        started.elapsed().as_secs_f64(),
    ));
    Ok(())
}

/// Prints how to inspect the running local AWS.
fn inspect(stack: &LocalStack, fleet: &Fleet, load: &Load, screen: Screen) {
    let listener = fleet.listener().unwrap_or("(no listener)");
    let table = stack.deployment().output("TableName").unwrap_or("(no table)");
    screen.line(&screen.bold("\nLook around"));
    screen.line(&format!(
        "\
The local AWS goes on until Ctrl-C, and so do the servers behind the forwarder. Ask who answers:

  curl {forwarder}

With Driftless' own command line, in another terminal:

  export AWS_ACCESS_KEY_ID=123456789012 AWS_SECRET_ACCESS_KEY=local AWS_REGION={region}
  export DRIFTLESS_STATUS_URL={status} DRIFTLESS_OPERATOR_URL={operator}
  target/debug/driftless status app

With the AWS CLI:

  export AWS_ACCESS_KEY_ID=123456789012 AWS_SECRET_ACCESS_KEY=local AWS_DEFAULT_REGION={region}
  export AWS_ENDPOINT_URL={other}                # functions, table, queues, topic, alarms
  export AWS_ENDPOINT_URL_EC2={fleet}            # images, servers
  export AWS_ENDPOINT_URL_AUTO_SCALING={fleet}   # the fleet
  export AWS_ENDPOINT_URL_ELASTIC_LOAD_BALANCING_V2={fleet}
  aws autoscaling describe-auto-scaling-groups --query 'AutoScalingGroups[].Instances'
  aws elbv2 describe-listeners --listener-arns {listener} \\
      --query 'Listeners[].DefaultActions[].ForwardConfig.TargetGroups'
  aws dynamodb query --table-name {table} --key-condition-expression 'pk = :p' \\
      --expression-attribute-values '{{\":p\":{{\"S\":\"HISTORY#app\"}}}}'      # everything that was decided, and why

Publish another image, and watch it take the traffic (the resync, or this message, finds it):

  aws ec2 register-image --name app-4 --architecture arm64 --root-device-name /dev/xvda --tag-specifications \\
      'ResourceType=image,Tags=[{{Key=driftless:image-for,Value=app}},{{Key=driftless:build,Value=4}}]'
  aws sqs send-message --queue-url {request} --message-body '{{\"reconcile\":{{\"fleet\":\"app\",\"due\":null}}}}'

Let another server drift (Config says so; the resync, or the same message, finds it):

  curl -X POST {fleet}/driftless/compliance -d '[{{\"rule\":\"approved-amis\",
      \"resourceType\":\"AWS::EC2::Instance\",\"resourceId\":\"i-…\",\"compliance\":\"NON_COMPLIANT\"}}]'

Logs and every recorded call: {logs}",
        status = stack.url_of("StatusUrl").unwrap_or_else(|_| "(no URL)".to_owned()),
        operator = stack.url_of("OperatorUrl").unwrap_or_else(|_| "(no URL)".to_owned()),
        forwarder = load.url(),
        region = driftless_tests::stack::REGION,
        other = stack.endpoint(),
        fleet = stack.fleet_endpoint(),
        request = stack.deployment().output("ReconcileQueueUrl").unwrap_or("(no queue)"),
        logs = stack.logs().display(),
    ));
}
