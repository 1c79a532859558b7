//! The demo: a drifted server is replaced, on a local AWS, by the very functions and the very template that would be
//! deployed.
//!
//! It ends with an error if the story did not end as it should. With `--keep` the local AWS goes on until Ctrl-C.

mod picture;
mod screen;
mod story;

use std::process::ExitCode;

use driftless_tests::stack::LocalStack;

use crate::screen::Screen;

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
    screen.line(&screen.bold("Driftless: a drifted server is replaced\n"));
    let started = std::time::Instant::now();
    let stack = LocalStack::start().await?;
    screen.line(&format!(
        "The local AWS is up, and template.yaml is deployed to it with the built functions ({:.0} s).\n",
        started.elapsed().as_secs_f64()
    ));
    let told = story::tell(&stack, screen).await;
    if keep {
        look_around(&stack, screen);
        tokio::signal::ctrl_c().await?;
        screen.line("\nStopping the local AWS.");
    }
    told
}

/// How to look around in what is left running.
fn look_around(stack: &LocalStack, screen: Screen) {
    let table = stack.deployment().output("TableName").unwrap_or("(no table)");
    screen.line(&screen.bold("\nLook around"));
    screen.line(&format!(
        "\
The local AWS goes on until Ctrl-C. With the AWS CLI in another terminal:

  export AWS_ACCESS_KEY_ID=123456789012 AWS_SECRET_ACCESS_KEY=local AWS_DEFAULT_REGION={region}
  export AWS_ENDPOINT_URL={other}                # functions, table, queues, topic
  export AWS_ENDPOINT_URL_AUTO_SCALING={fleet}   # the fleet
  aws autoscaling describe-auto-scaling-groups --query 'AutoScalingGroups[].Instances'
  aws dynamodb query --table-name {table} --key-condition-expression 'pk = :p' \\
      --expression-attribute-values '{{\":p\":{{\"S\":\"JOURNAL#app\"}}}}'

Let another instance drift (Config says so; the sweep, or this message, finds it):

  curl -X POST {fleet}/driftless/compliance -d '[{{\"rule\":\"approved-amis\",
      \"resourceType\":\"AWS::EC2::Instance\",\"resourceId\":\"i-…\",\"compliance\":\"NON_COMPLIANT\"}}]'
  aws sqs send-message --queue-url {wake} --message-body '{{\"wake\":{{\"fleet\":\"app\",\"due\":null}}}}'

Logs and every recorded call: {logs}",
        region = driftless_tests::stack::REGION,
        other = stack.endpoint(),
        fleet = stack.fleet_endpoint(),
        wake = stack.deployment().output("WakeQueueUrl").unwrap_or("(no queue)"),
        logs = stack.logs().display(),
    ));
}
