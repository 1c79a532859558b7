//! Records a fleet over a period.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use tokio::task::JoinHandle;

use super::{Fleet, FleetView};

/// The poll interval: shorter than the launch or termination of an instance.
const POLL_EVERY: Duration = Duration::from_millis(200);

/// Polls a fleet until it is finished or dropped.
#[derive(Debug)]
pub struct Watch {
    fleet: Fleet,
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<anyhow::Result<()>>,
}

/// The observations of a fleet over a period.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    pub polls: usize,
    /// The state with the fewest healthy instances.
    pub worst: Option<FleetView>,
    /// The highest desired capacity that any group had.
    pub highest_desired: i32,
}

impl Seen {
    /// The fewest healthy instances at any poll.
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
    /// Polls the fleet from now on.
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
    /// Polls once more, stops, and returns the observations.
    pub async fn finish(mut self) -> anyhow::Result<Seen> {
        self.task.abort();
        match (&mut self.task).await {
            Ok(ended) => ended.context("the fleet could not be watched to the end")?,
            // As asked for.
            Err(stopped) if stopped.is_cancelled() => {}
            Err(panicked) => return Err(panicked.into()),
        }
        // On a busy machine there may have been no poll yet.
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
