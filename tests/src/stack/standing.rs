//! Local AWSs that run as long as this process. Each serves one scene at a time.
//!
//! A successful scene passes its stack on to the next one, which empties it first. A failed scene ends its stack, so
//! that one failure does not cause the next. The remaining stacks end with this process.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::{LocalStack, Running};

/// Number of stacks: each keeps about one core busy.
const COUNT: usize = 2;

/// The base URL of the runbooks in messages.
pub const RUNBOOKS: &str = "https://git.example/driftless/blob/main";

const PARAMETERS: [(&str, &str); 1] = [("RunbooksUrl", RUNBOOKS)];

static TURNS: Semaphore = Semaphore::const_new(COUNT);
static IDLE: Mutex<Vec<Arc<Running>>> = Mutex::new(Vec::new());

/// The use of a stack by a scene.
#[derive(Debug)]
pub(crate) struct Turn {
    running: Arc<Running>,
    has_ended: AtomicBool,
    _permit: SemaphorePermit<'static>,
}

impl LocalStack {
    /// An empty running stack for the calling scene. Waits until one is free.
    pub async fn lent() -> anyhow::Result<Self> {
        let permit = TURNS.acquire().await.context("nobody closes it")?;
        let idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let (running, is_used) = match idle {
            Some(running) => (running, true),
            None => (Arc::new(Running::start(&PARAMETERS).await?), false),
        };
        let turn = Turn { running: Arc::clone(&running), has_ended: AtomicBool::new(false), _permit: permit };
        let stack = Self::on(running, Some(turn));
        if is_used {
            stack.reset().await.context("what the scene before has left cannot be cleared away")?;
        }
        Ok(stack)
    }
}

impl Turn {
    /// Ends a successful scene: the next one may have the stack.
    pub(crate) fn end(&self) {
        self.has_ended.store(true, Ordering::Relaxed);
    }
}

impl Drop for Turn {
    #[expect(clippy::print_stderr, reason = "whoever looks for what went wrong finds it in the logs")]
    fn drop(&mut self) {
        if self.has_ended.load(Ordering::Relaxed) && !std::thread::panicking() {
            IDLE.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&self.running));
        } else {
            eprintln!("the stack of this scene ends with it; its logs are in {}", self.running.logs.display());
        }
    }
}
