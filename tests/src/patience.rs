//! Polling for states that no event announces.

use std::time::Duration;

use anyhow::bail;
use tokio::time::Instant;

/// The poll interval.
const POLL_EVERY: Duration = Duration::from_millis(200);

/// The result of one poll.
#[derive(Debug)]
pub enum Poll<T> {
    /// The condition is met.
    Is(T),
    /// The condition is not met. The error of a timeout has this text.
    NotYet(String),
}

/// Polls until the condition is met. The error of a timeout has the expectation and the result of the last poll.
pub async fn wait_until<T>(
    awaited: &str,
    timeout: Duration,
    mut poll: impl AsyncFnMut() -> anyhow::Result<Poll<T>>,
) -> anyhow::Result<T> {
    let end = Instant::now() + timeout;
    loop {
        match poll().await? {
            Poll::Is(found) => return Ok(found),
            Poll::NotYet(state) if Instant::now() >= end => {
                bail!("waited {timeout:?} in vain: {awaited}\nat the last look: {state}")
            }
            Poll::NotYet(_) => tokio::time::sleep(POLL_EVERY).await,
        }
    }
}

/// A line for each item, for the message of an error.
pub(crate) fn lines<T: std::fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().fold(String::new(), |text, item| text + "\n  " + &item.to_string())
}
