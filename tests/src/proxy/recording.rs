//! The calls of the functions, in the order of their arrival.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use jiff::Timestamp;
use tokio::sync::watch;

use super::call::{Call, Outcome, listed};

/// How many calls a failed wait shows.
const SHOWN: usize = 40;

/// A handle of the recording. Clones share the calls.
#[derive(Debug, Clone)]
pub struct Recording(Arc<Shared>);

/// A position in the recording. The default is its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mark(usize);

impl Mark {
    /// Right after the call at this position since here.
    #[must_use]
    pub const fn after(self, position: usize) -> Self {
        Self(self.0 + position + 1)
    }
}

#[derive(Debug)]
struct Shared {
    calls: Mutex<Vec<Call>>,
    /// Number of calls that are no longer shown.
    forgotten: AtomicUsize,
    changed: watch::Sender<()>,
    /// A log file with one line for each finished call.
    log: Mutex<File>,
}

impl Recording {
    pub(crate) fn new(log: &Path) -> anyhow::Result<Self> {
        let log = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let (changed, _) = watch::channel(());
        Ok(Self(Arc::new(Shared {
            calls: Mutex::default(),
            forgotten: AtomicUsize::new(0),
            changed,
            log: Mutex::new(log),
        })))
    }

    /// Now.
    pub fn mark(&self) -> Mark {
        Mark(self.calls().len())
    }

    /// Every call that is shown.
    pub fn all(&self) -> Vec<Call> {
        self.since(Mark(self.0.forgotten.load(Ordering::Relaxed)))
    }

    /// Hides all calls so far. The log file keeps them.
    pub(crate) fn forget(&self) {
        let count = self.calls().len();
        self.0.forgotten.store(count, Ordering::Relaxed);
    }

    /// The calls since a mark, pending ones included.
    pub fn since(&self, mark: Mark) -> Vec<Call> {
        self.calls().get(mark.0..).unwrap_or_default().to_vec()
    }

    /// Waits until the calls since a mark meet a condition, which is checked whenever a call arrives or ends. The error
    /// of a timeout has the expectation and the calls.
    pub async fn wait_for<T>(
        &self,
        mark: Mark,
        awaited: &str,
        timeout: Duration,
        mut condition: impl FnMut(&[Call]) -> Option<T>,
    ) -> anyhow::Result<T> {
        let mut changes = self.0.changed.subscribe();
        let wait = async {
            loop {
                if let Some(found) = condition(self.calls().get(mark.0..).unwrap_or_default()) {
                    return Ok(found);
                }
                changes.changed().await.context("the recording has ended")?;
            }
        };
        tokio::time::timeout(timeout, wait).await.unwrap_or_else(|_| {
            let calls = self.since(mark);
            let last = calls.get(calls.len().saturating_sub(SHOWN)..).unwrap_or_default();
            Err(anyhow!(
                "waited {timeout:?} in vain: {awaited}\nof {} calls, the last were:{}",
                calls.len(),
                listed(last)
            ))
        })
    }

    /// Adds a call that has arrived.
    pub(crate) fn begin(&self, call: Call) -> Mark {
        let mut calls = self.calls();
        let mark = Mark(calls.len());
        calls.push(call);
        drop(calls);
        self.0.changed.send_replace(());
        mark
    }

    /// Records the outcome of a call.
    pub(crate) fn end(&self, mark: Mark, outcome: Outcome) {
        let mut calls = self.calls();
        let line = calls.get_mut(mark.0).and_then(|call| {
            call.outcome = outcome;
            call.took = Some(Timestamp::now().duration_since(call.at));
            serde_json::to_string(call).ok()
        });
        drop(calls);
        if let Some(line) = line {
            // A full disk must not fail the call: the log is only for reading afterwards.
            let _ = writeln!(self.0.log.lock().unwrap_or_else(PoisonError::into_inner), "{line}");
        }
        self.0.changed.send_replace(());
    }

    fn calls(&self) -> MutexGuard<'_, Vec<Call>> {
        self.0.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
