//! The dashboard widget as CloudWatch calls it: the deployed `status` draws it, and a button sends its command to
//! `operator`.

use anyhow::Context as _;
use driftless_planner::fact::Command;
use driftless_status::request::{Answer, Order, Question, RequestedAction};
use driftless_tests::stack::LocalStack;
use serde_json::{Value, json};

use crate::rollout::{AT_ONCE, Rollout};

/// The parameters of CloudWatch for a widget in a dark console.
fn drawn_for() -> Value {
    json!({"dashboardName": "driftless", "widgetId": "widget-3", "theme": "dark", "width": 1200, "height": 700})
}

/// Calls a function as the console does, and returns the HTML.
async fn page(stack: &LocalStack, function: &str, mut parameters: Value) -> anyhow::Result<String> {
    parameters.as_object_mut().context("parameters are an object")?.insert("widgetContext".to_owned(), drawn_for());
    let answer = stack.invoke(function, &parameters).await?;
    answer.as_str().map(str::to_owned).with_context(|| format!("no HTML: {answer}"))
}

/// The text of an element, as a browser reads it.
fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}

/// The request of a command's button, and the function that it calls.
fn button(page: &str, wanted: &Command) -> anyhow::Result<(String, Value)> {
    let actions = page.split("<cwdb-action ").skip(1).filter(|action| action.contains("confirmation="));
    for action in actions {
        let endpoint = action.split("endpoint=\"").nth(1).and_then(|rest| rest.split('"').next());
        let json = action.split('>').nth(1).and_then(|rest| rest.split('<').next());
        let (endpoint, json) = endpoint.zip(json).context("an action without a function or an order")?;
        let sent: Value = serde_json::from_str(&unescaped(json))?;
        let order: Order = serde_json::from_value(sent.clone())?;
        if matches!(&order.action, RequestedAction::Command { command, .. } if command == wanted) {
            return Ok((endpoint.to_owned(), sent));
        }
    }
    anyhow::bail!("no button for {wanted:?}: {page}")
}

#[tokio::test]
async fn a_click_on_the_dashboards_button_is_followed_once_and_whatever_is_asked_is_answered_by_a_page()
-> anyhow::Result<()> {
    let mut rollout = Rollout::with(&AT_ONCE).await?;
    let image = rollout.publish("2").await?;
    rollout.wait_for_cutover("awaiting-approval").await?;
    let stack = &rollout.stage.stack;
    assert_pages(stack).await?;
    let all = page(stack, "status", json!({})).await?;
    assert!(all.contains("awaiting approval") && all.contains("\"driftless dark\""), "{all}");
    let one = page(stack, "status", json!({"fleet": "app"})).await?;
    let (endpoint, order) = button(&one, &Command::Approve)?;
    assert!(endpoint.ends_with("-operator"), "{endpoint}");
    assert_eq!(button(&all, &Command::Approve)?, (endpoint, order.clone()), "the same order from either page");
    let answer = page(stack, "operator", order.clone()).await?;
    assert!(answer.contains("<h2>Done</h2>") && answer.contains("unverified"), "{answer}");
    // A double click.
    assert_eq!(page(stack, "operator", order).await?, answer);
    assert_eq!(rollout.ended().await?, "done");
    rollout.assert_live("green", &image).await?;
    let asked = json!(Question::History { fleet: "app".parse()?, instance: None, before: None, limit: 500 });
    let Answer::History(history) = serde_json::from_value(rollout.stage.stack.invoke("status", &asked).await?)? else {
        anyhow::bail!("no history")
    };
    let approvals: Vec<_> = history.lines.iter().filter(|line| line.from.as_str() == "approve").collect();
    let [approval] = approvals.as_slice() else { anyhow::bail!("not one approval: {approvals:?}") };
    assert_eq!(approval.actor.as_str(), "unverified");
    assert!(approval.why.as_str().contains("from the dashboard"), "{approval:?}");
    rollout.assert_at_rest().await
}

/// Every request gets a page.
async fn assert_pages(stack: &LocalStack) -> anyhow::Result<()> {
    let answer = stack.invoke("status", &json!({"describe": true, "widgetContext": drawn_for()})).await?;
    let markdown = answer.get("markdown").and_then(Value::as_str).unwrap_or_default();
    assert!(markdown.contains("fleet: app"), "{answer}");
    for (parameters, said) in [
        (json!({"fleet": "other"}), "there is no fleet other"),
        (json!({"fleet": "No <Fleet>"}), "the request cannot be read: fleet"),
        (json!({"flet": "app"}), "flet"),
    ] {
        let page = page(stack, "status", parameters).await?;
        assert!(page.contains(said) && page.contains("note bad") && !page.contains("<Fleet>"), "{page}");
    }
    let page = page(stack, "operator", json!({"action": "dance"})).await?;
    assert!(page.contains("Invalid request"), "{page}");
    Ok(())
}
