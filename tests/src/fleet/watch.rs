//! How a fleet does while something happens to it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use tokio::task::JoinHandle;

use super::{Fleet, FleetView};

/// How often it is looked at: more often than an instance takes to come or go.
const POLL_EVERY: Duration = Duration::from_millis(200);

/// A look at a fleet, again and again, until it is finished or dropped.
#[derive(Debug)]
pub struct Watch {
    fleet: Fleet,
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<anyhow::Result<()>>,
}

/// What was seen of a fleet over a time.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// How often it was looked at.
    pub polls: usize,
    /// The moment with the fewest working instances.
    pub worst: Option<FleetView>,
    /// The highest desired capacity that any group had.
    pub highest_desired: i32,
}

impl Seen {
    /// The fewest instances that worked at any look.
    pub fn fewest_serving(&self) -> usize {
        self.worst.as_ref().map(FleetView::serving).unwrap_or_default()
    }

    fn add(&mut self, view: FleetView) {
        self.polls += 1;
        let desired = view.groups.iter().map(|group| group.desired).max().unwrap_or_default();
        self.highest_desired = self.highest_desired.max(desired);
        if self.worst.as_ref().is_none_or(|worst| view.serving() < worst.serving()) {
            self.worst = Some(view);
        }
    }
}

impl Fleet {
    /// Looks at the fleet again and again from now on.
    pub fn watch(&self) -> Watch {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (fleet, noted) = (self.clone(), Arc::clone(&seen));
        let task = tokio::spawn(async move {
            loop {
                let view = fleet.view().await?;
                noted.lock().unwrap_or_else(PoisonError::into_inner).add(view);
                tokio::time::sleep(POLL_EVERY).await;
            }
        });
        Watch { fleet: self.clone(), seen, task }
    }
}

impl Watch {
    /// Looks a last time, stops, and answers what was seen.
    pub async fn finish(mut self) -> anyhow::Result<Seen> {
        self.task.abort();
        match (&mut self.task).await {
            Ok(ended) => ended.context("the fleet could not be watched to the end")?,
            // As asked for.
            Err(stopped) if stopped.is_cancelled() => {}
            Err(panicked) => return Err(panicked.into()),
        }
        // On a busy machine the time may have been too short for a single look.
        let last = self.fleet.view().await?;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        seen.add(last);
        Ok(seen)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}
