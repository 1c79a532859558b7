//! Pipelines: they wait for events at queues of their own, and give their verdict on a cutover.

use anyhow::Context as _;
use driftless_planner::fact::Command;
use driftless_planner::observation::FreezeScope;
use driftless_status::request::{Deed, Order, OrderResult, Reply};
use driftless_tests::fleet::FleetSpec;
use driftless_tests::listener::Listener;
use driftless_tests::proxy::{Fault, Strike};
use driftless_tests::stack::LocalStack;
use serde_json::{Value, json};

use crate::rollout::{CUTOVER, Rollout};
use crate::stage::{A_WHILE, Left, Stage, acting};

/// The access key of a pipeline.
const CI: &str = "AKIACI";

/// The patterns of rules that docs/events.md shows: the end of a replacement, of a cutover, and one that awaits a verdict.
fn patterns() -> anyhow::Result<[Value; 3]> {
    let page = include_str!("../../../docs/events.md");
    let blocks = page.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next());
    let patterns = blocks.map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?;
    patterns.try_into().map_err(|other| anyhow::anyhow!("the page shows other patterns: {other:?}"))
}

/// A pattern that means all of our events.
fn everything() -> Value {
    json!({"source": ["driftless"]})
}

fn text(detail: &Value, pointer: &str) -> String {
    detail.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Each line of the journal is an event that came, and there is no other.
async fn assert_all_came(stack: &LocalStack, listener: &mut Listener) -> anyhow::Result<()> {
    // What was written before anybody listened is not heard.
    let at = |detail: &Value| text(detail, "/at").parse::<jiff::Timestamp>().ok();
    let earliest = |details: &[Value]| details.iter().filter_map(at).min();
    let since = listener.wait_for("an event", A_WHILE, earliest).await?;
    let mut lines = stack.table().journal("app").await?;
    lines.retain(|line| at(line).is_none_or(|at| at >= since));
    let told = |line: &Value, why: &str| {
        ["/at", "/instance", "/from", "/to", why, "/actor"].map(|field| text(line, field)).join(" | ")
    };
    let mut lines: Vec<String> = lines.iter().map(|line| told(line, "/why")).collect();
    let count = lines.len();
    listener.wait_for("an event for each line", A_WHILE, |details| (details.len() >= count).then_some(())).await?;
    let mut came: Vec<String> = listener.read().await?.iter().map(|detail| told(detail, "/reason")).collect();
    lines.sort();
    came.sort();
    assert_eq!(came, lines);
    Ok(())
}

#[tokio::test]
async fn each_step_of_a_replacement_arrives_at_a_queue_behind_a_rule() -> anyhow::Result<()> {
    let mut stage = Stage::set().await?;
    let mut all = stage.stack.listen("all", &everything()).await?;
    let mut ends = stage.stack.listen("ends", &patterns()?[0]).await?;
    // The bus does not take an event at first, and a reply is lost: they are put again.
    stage.stack.inject(Fault::at("events:PutEvents", Strike::throttle()));
    stage.stack.inject(Fault::at("events:PutEvents", Strike::DropReply).containing("proving"));
    let drifted = stage.drift().await?;
    stage.letter("replaced").await?;
    stage.assert_replaced(&drifted).await?;
    stage.assert_at_rest(&Left::default()).await?;
    assert_all_came(&stage.stack, &mut all).await?;
    let ends = ends.read().await?;
    assert_eq!(ends.iter().map(|end| text(end, "/subject")).collect::<Vec<_>>(), [drifted]);
    Ok(())
}

/// A pipeline says what it found, for the cutover that an event named.
async fn verdict(stack: &LocalStack, event: &Value, command: Command) -> anyhow::Result<Reply> {
    let order = Order {
        request: format!("cutover-{}-verdict", text(event, "/cutover/id")),
        reason: Some("smoke tests, run 42".into()),
        cutover: Some(text(event, "/cutover/id")),
        deed: Deed::Command { fleet: text(event, "/fleet").parse()?, command },
    };
    let (_, reply) = stack.ask("OperatorUrl", CI, &order).await?;
    Ok(serde_json::from_value(reply)?)
}

/// A cutover waits for a verdict, and a pipeline gives it.
async fn judged(command: Command) -> anyhow::Result<(Rollout, String, String, Vec<Value>)> {
    let mut rollout = Rollout::with(&[("approval", "check"), ("traffic", "100")]).await?;
    let stack = &rollout.stage.stack;
    let [_, over, awaiting] = patterns()?;
    let mut all = stack.listen("all", &everything()).await?;
    let (mut over, mut awaiting) = (stack.listen("over", &over).await?, stack.listen("awaiting", &awaiting).await?);
    let image = rollout.publish("2").await?;
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
    // Before the verdict no request reaches the new color.
    assert_eq!(rollout.steps(), Vec::<i32>::new());
    // The event is read twice, and the verdict given twice: it is one.
    for _ in 0..2 {
        let Reply::Receipt(receipt) = verdict(&rollout.stage.stack, &event, command.clone()).await? else {
            anyhow::bail!("the verdict is refused")
        };
        assert_eq!(receipt.result, OrderResult::Done, "{receipt:?}");
        assert!(receipt.actor.as_str().contains(CI), "{receipt:?}");
    }
    let ended = rollout.ended().await?;
    let end = over.wait_for("the cutover is over", CUTOVER, first).await?;
    assert_eq!((text(&end, "/to"), text(&end, "/image")), (ended.clone(), image.clone()));
    assert_eq!(text(&end, "/subject"), text(&event, "/cutover/id"));
    rollout.assert_at_rest().await?;
    assert_all_came(&rollout.stage.stack, &mut all).await?;
    let answers = all.read().await?.iter().filter(|detail| text(detail, "/machine") == "command");
    let answers = answers.cloned().collect();
    Ok((rollout, image, ended, answers))
}

#[tokio::test]
async fn a_pipeline_that_approves_lets_the_image_take_the_traffic() -> anyhow::Result<()> {
    let (rollout, image, ended, answers) = judged(Command::Approve).await?;
    assert_eq!(ended, "done");
    rollout.assert_live("green", &image).await?;
    assert_eq!(answers.iter().map(|answer| text(answer, "/to")).collect::<Vec<_>>(), ["done"], "{answers:#?}");
    Ok(())
}

#[tokio::test]
async fn a_pipeline_that_rejects_keeps_the_image_out() -> anyhow::Result<()> {
    let (rollout, _, ended, answers) = judged(Command::Reject).await?;
    assert_eq!(ended, "aborted");
    let good = rollout.stage.fleet.image().to_owned();
    rollout.assert_live("blue", &good).await?;
    assert_eq!(rollout.steps(), Vec::<i32>::new(), "it never had traffic");
    assert!(text(&answers[0], "/reason").contains("run 42"), "{answers:#?}");
    Ok(())
}

#[tokio::test]
async fn a_freeze_is_an_event_too_at_once_or_with_the_next_sweep() -> anyhow::Result<()> {
    let mut stage = Stage::set().await?;
    stage.stack.sweep().await?;
    stage.letter("adopted").await?;
    let mut all = stage.stack.listen("all", &everything()).await?;
    let scopes = [FreezeScope::Fleet("app".parse()?), FreezeScope::Account];
    for (scope, fleet) in scopes.iter().zip(["app", ""]) {
        for (verb, deed) in [
            ("freeze", Deed::Freeze { scope: scope.clone(), expires_at: None }),
            ("thaw", Deed::Thaw { scope: scope.clone() }),
        ] {
            let order =
                Order { request: format!("{verb}-{fleet}"), reason: Some("incident 7".into()), cutover: None, deed };
            let (status, reply) = stage.stack.ask("OperatorUrl", CI, &order).await?;
            assert_eq!(status, 200, "{reply}");
            if *scope == FreezeScope::Account {
                stage.stack.sweep().await?;
            }
            let is_it = |detail: &&Value| text(detail, "/from") == verb && text(detail, "/fleet") == fleet;
            let come = |details: &[Value]| details.iter().find(is_it).cloned();
            let event = all.wait_for(&format!("the {verb} of {fleet:?}"), A_WHILE, come).await?;
            assert!(text(&event, "/reason").contains("incident 7") && text(&event, "/actor").contains(CI), "{event:#}");
        }
    }
    stage.assert_untouched().await?;
    stage.assert_at_rest(&Left::default()).await
}

#[tokio::test]
async fn chat_hears_on_a_topic_of_its_own_and_links_lead_to_where_the_runbooks_are() -> anyhow::Result<()> {
    let address = "https://git.example/driftless/blob/main";
    let stack = LocalStack::start_with(&[("RunbooksUrl", address)]).await?;
    let mut chat = stack.inbox_on("ChatTopicArn", "chat").await?;
    let mut on_call = stack.inbox("on-call").await?;
    let fleet = FleetSpec::pair("app").instances(2).policy(&acting(&[("budget", "nonsense")])).create(&stack).await?;
    fleet.wait_until_settled(A_WHILE).await?;
    stack.wake("app").await?;
    let letter = on_call.wait_for_kind("app", "entered", A_WHILE).await?;
    let link = format!("{address}/docs/runbooks/policy-invalid.md");
    assert!(letter.text.contains(&format!("READ  {link}")), "{}", letter.text);
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
