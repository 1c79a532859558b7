//! Waiting for something that only looking again can tell.

use std::time::Duration;

use anyhow::bail;
use tokio::time::Instant;

/// How often a state that nobody announces is looked at again.
const POLL_EVERY: Duration = Duration::from_millis(200);

/// What one pass found.
#[derive(Debug)]
pub enum Poll<T> {
    /// It is as awaited.
    Is(T),
    /// It is not yet, and this is how it is: the error says so when the time is up.
    NotYet(String),
}

/// Looks until it is as awaited. When the time is up, the error says what was awaited and how it was at the last pass.
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
