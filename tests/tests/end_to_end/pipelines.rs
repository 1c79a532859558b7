//! Pipelines publish images, receive events in their own queues, and approve or reject a cutover.

use anyhow::Context as _;
use driftless_planner::fact::Command;
use driftless_status::request::{Answer, CommandResult, Order, OrderResult, Question, RequestedAction};
use driftless_tests::events::Event;
use driftless_tests::fleet::FleetSpec;
use driftless_tests::stack::{LocalStack, RUNBOOKS};
use serde_json::Value;

use crate::heard::{assert_all_came, everything, patterns, text};
use crate::operator_api::{ask, receipt};
use crate::rollout::{CUTOVER, Rollout};
use crate::stage::{A_WHILE, acting};

/// The access key of a pipeline.
const CI: &str = "AKIACI";

/// A policy with images from events only, and with approval by a pipeline's check.
const ANNOUNCED: [(&str, &str); 3] = [("image-source", "event"), ("approval", "check"), ("weights", "100")];

#[tokio::test]
async fn an_image_that_the_pipeline_announces_and_approves_takes_the_traffic() -> anyhow::Result<()> {
    let mut rollout = Rollout::with(&ANNOUNCED).await?;
    let stack = &rollout.stage.stack;
    let [_, over, awaiting] = patterns()?;
    let mut all = stack.listen("all", &everything()).await?;
    let (mut over, mut awaiting) = (stack.listen("over", &over).await?, stack.listen("awaiting", &awaiting).await?);
    let image = rollout.publish("1843").await?;
    rollout.stage.stack.wait_until_idle(A_WHILE).await?;
    assert_eq!(rollout.phase().await?, None, "a tag alone proposes");
    rollout.stage.stack.put(&Event::image_published("app", &image)?).await?;

    let first = |details: &[Value]| details.first().cloned();
    let event = awaiting.wait_for("a cutover awaits a verdict", CUTOVER, first).await?;
    assert_eq!((text(&event, "/fleet"), text(&event, "/image")), ("app".to_owned(), image.clone()));
    assert_eq!(
        (text(&event, "/cutover/image"), text(&event, "/cutover/new_group")),
        (image.clone(), "app-green".into())
    );
    let target_group = rollout.stage.fleet.target_group_of("app-green").context("green has no target group")?;
    assert_eq!(text(&event, "/cutover/target_group"), target_group);
    assert!(text(&event, "/cutover/deadline").parse::<jiff::Timestamp>()? > jiff::Timestamp::now());
    // Before the approval the new color gets no traffic.
    assert_eq!(rollout.steps(), Vec::<i32>::new());
    // The event is received twice and the approval is sent twice: it counts once.
    let given = verdict(&rollout.stage.stack, &event, Command::Approve).await?;
    assert_eq!(verdict(&rollout.stage.stack, &event, Command::Approve).await?, given);
    let ended = rollout.ended().await?;
    let end = over.wait_for("the cutover is over", CUTOVER, first).await?;
    assert_eq!((ended.as_str(), text(&end, "/to"), text(&end, "/image")), ("done", ended.clone(), image.clone()));
    assert_eq!(text(&end, "/subject"), text(&event, "/cutover/id"));
    rollout.assert_live("green", &image).await?;
    assert_approved_once(&rollout.stage.stack, &given).await?;
    rollout.assert_at_rest().await?;

    assert_all_came(&rollout.stage.stack, &mut all).await?;
    let answers = all.read().await?.iter().filter(|detail| text(detail, "/machine") == "command");
    let answers: Vec<&Value> = answers.collect();
    assert_eq!(answers.iter().map(|answer| text(answer, "/to")).collect::<Vec<_>>(), ["done"], "{answers:#?}");
    assert!(text(answers[0], "/reason").contains("run 42"), "{answers:#?}");
    Ok(())
}

/// The history has one approval, with the identity that signed it.
async fn assert_approved_once(stack: &LocalStack, given: &CommandResult) -> anyhow::Result<()> {
    assert_eq!(given.actor.as_str(), format!("arn:aws:iam::123456789012:user/{CI}"));
    let question = Question::History { fleet: "app".parse()?, instance: None, before: None, limit: 500 };
    let Answer::History(history) = ask(stack, &question).await? else { anyhow::bail!("no history") };
    let approvals: Vec<_> = history.lines.iter().filter(|line| line.from.as_str() == "approve").collect();
    assert_eq!(approvals.len(), 1, "{approvals:?}");
    assert!(approvals.iter().all(|line| line.actor == given.actor), "{approvals:?}");
    Ok(())
}

/// A pipeline sends its command for the cutover of an event.
async fn verdict(stack: &LocalStack, event: &Value, command: Command) -> anyhow::Result<CommandResult> {
    let order = Order {
        request: format!("cutover-{}-verdict", text(event, "/cutover/id")),
        reason: Some("smoke tests, run 42".into()),
        cutover: Some(text(event, "/cutover/id")),
        action: RequestedAction::Command { fleet: text(event, "/fleet").parse()?, command },
    };
    let (status, reply) = stack.ask("OperatorUrl", CI, &order).await?;
    let given = receipt(serde_json::from_value(reply)?)?;
    assert_eq!((status, &given.result), (200, &OrderResult::Done), "{given:?}");
    Ok(given)
}

#[tokio::test]
async fn chat_hears_on_a_topic_of_its_own_and_links_lead_to_where_the_runbooks_are() -> anyhow::Result<()> {
    let stack = LocalStack::lent().await?;
    let mut chat = stack.inbox_on("ChatTopicArn", "chat").await?;
    let mut on_call = stack.inbox("on-call").await?;
    let fleet = FleetSpec::pair("app").instances(2).policy(&acting(&[("budget", "nonsense")])).create(&stack).await?;
    fleet.wait_until_idle(A_WHILE).await?;
    stack.request("app").await?;
    let letter = on_call.wait_for_kind("app", "entered", A_WHILE).await?;
    let link = format!("{RUNBOOKS}/docs/runbooks/policy-invalid.md");
    assert!(letter.text.contains(&format!("Runbook    {link}")), "{}", letter.text);
    let body = letter.json().context("no JSON")?;
    assert_eq!(text(&body, "/runbook"), link);
    let told = chat.wait_for_kind("app", "entered", A_WHILE).await?;
    assert_eq!(told.attributes, letter.attributes, "both are filtered alike");
    assert_eq!(told.attributes.get("condition").map(String::as_str), Some("policy-invalid"));
    let told = told.json().context("no JSON")?;
    assert_eq!((text(&told, "/version"), text(&told, "/source")), ("1.0".to_owned(), "custom".to_owned()));
    assert_eq!(text(&told, "/id"), text(&body, "/id"), "one message, on two topics");
    assert_eq!(text(&told, "/metadata/additionalContext/runbook"), link);
    stack.wait_until_idle(A_WHILE).await?;
    stack.check_permissions().await?;
    stack.leave_evidence().await
}
