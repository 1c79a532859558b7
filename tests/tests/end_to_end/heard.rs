//! The events that pipelines receive through rules, as docs/events.md shows them.

use driftless_tests::listener::Listener;
use driftless_tests::stack::LocalStack;
use serde_json::{Value, json};

use crate::stage::A_WHILE;

/// The event patterns in docs/events.md: the end of a replacement, the end of a cutover, and a cutover that waits for
/// approval.
pub(crate) fn patterns() -> anyhow::Result<[Value; 3]> {
    let page = include_str!("../../../docs/events.md");
    let blocks = page.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next());
    let patterns = blocks.map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?;
    patterns.try_into().map_err(|other| anyhow::anyhow!("the page shows other patterns: {other:?}"))
}

/// A pattern for all events of Driftless.
pub(crate) fn everything() -> Value {
    json!({"source": ["driftless"]})
}

/// A text in an event or in the history. Empty: there is none.
pub(crate) fn text(detail: &Value, pointer: &str) -> String {
    detail.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Each history entry was published as an event, and there are no other events.
pub(crate) async fn assert_all_came(stack: &LocalStack, listener: &mut Listener) -> anyhow::Result<()> {
    // Events from before the rule existed are not received.
    let at = |detail: &Value| text(detail, "/at").parse::<jiff::Timestamp>().ok();
    let earliest = |details: &[Value]| details.iter().filter_map(at).min();
    let since = listener.wait_for("an event", A_WHILE, earliest).await?;
    let mut lines = stack.table().history("app").await?;
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
