//! A cutover whose functions are killed at every commit, and between every write of weights and its read-back.
//!
//! Each scene kills before every second commit and after the others; the other one the other way round.

use std::collections::BTreeSet;

use anyhow::Context as _;
use driftless_planner::fact::Command;
use driftless_tests::proxy::{Call, Fault, Strike};
use driftless_tests::stack::LocalStack;
use tokio::task::JoinHandle;

use crate::rollout::{CUTOVER, Rollout, UNWATCHED, WEIGHTS};
use crate::stage::REPLACEMENT;

const COMMIT: &str = "dynamodb:TransactWriteItems";
/// The version of the record that a commit writes.
const VERSION: &str = "/TransactItems/0/Put/Item/version/N";
/// When a message of a killed function comes back.
const VISIBILITY_SECONDS: u32 = 1;
/// More often than any message comes back here: that one is abandoned after five times is not what these scenes are about.
const RECEIVES_MAX: u32 = 100;

/// Ends the leases of the killed, as the clock would some seconds later.
pub(crate) struct Heir(JoinHandle<anyhow::Result<()>>);

impl Heir {
    /// Whoever is killed from now on leaves no lease on a fleet. What he had taken comes back by itself.
    pub(crate) fn of(stack: &LocalStack, fleet: &'static str) -> Self {
        let (recording, table) = (stack.recording().clone(), stack.table());
        let mut mark = recording.mark();
        Self(tokio::spawn(async move {
            loop {
                let killed = |calls: &[Call]| calls.iter().position(Call::ended_its_caller);
                mark = mark.after(recording.wait_for(mark, "a function is killed", CUTOVER * 2, killed).await?);
                table.end_lease(fleet).await?;
            }
        }))
    }

    pub(crate) fn assert_alive(&self) {
        assert!(!self.0.is_finished(), "nobody ends the leases of the killed");
    }
}

impl Drop for Heir {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A cutover whose functions are killed.
struct Haunted {
    rollout: Rollout,
    heir: Heir,
}

impl Haunted {
    /// A pair whose messages are not abandoned. Whoever commits an even, or an odd, version for the first time is killed so;
    /// then its lease is over, and what it had taken comes back.
    async fn set(even: Strike, odd: Strike) -> anyhow::Result<Self> {
        let rollout = Box::pin(Rollout::with(&UNWATCHED)).await?;
        rollout.stage.set_visibility("ReconcileQueueUrl", VISIBILITY_SECONDS).await?;
        rollout.stage.set_receives_max("ReconcileQueueUrl", RECEIVES_MAX).await?;
        let stack = &rollout.stage.stack;
        let heir = Heir::of(stack, "app");
        let is_even = |call: &Call| version(call).is_some_and(|version| version % 2 == 0);
        let is_odd = |call: &Call| version(call).is_some_and(|version| version % 2 == 1);
        stack.inject(Fault::at(COMMIT, even).of("reconcile").when(is_even).first_of_each(VERSION));
        stack.inject(Fault::at(COMMIT, odd).of("reconcile").when(is_odd).first_of_each(VERSION));
        Ok(Self { rollout, heir })
    }

    /// Waits until the cutover has ended, and answers how. From then on nobody is killed.
    async fn ended(&mut self) -> anyhow::Result<String> {
        let outcome = self.rollout.ended().await?;
        self.heir.assert_alive();
        assert_eq!(self.rollout.stage.stack.unmet_faults(), Vec::<String>::new());
        self.rollout.stage.stack.lift_faults();
        Ok(outcome)
    }

    /// It is at rest, and every commit of the cutover has killed somebody.
    async fn assert_at_rest(&self) -> anyhow::Result<()> {
        // What the killed had taken comes back once more.
        self.rollout.stage.stack.wait_until_idle(REPLACEMENT).await?;
        self.rollout.assert_at_rest().await?;
        let calls = self.rollout.stage.calls(COMMIT).into_iter();
        let commits: Vec<(u64, Call)> = calls.filter_map(|call| Some((version(&call)?, call))).collect();
        let last = commits.iter().find(|(_, call)| call.succeeded() && call.contains("cutover-ended"));
        let last = last.map(|(version, _)| *version).context("no commit ends the cutover")?;
        let killed = commits.iter().filter(|(_, call)| call.ended_its_caller()).map(|(version, _)| *version);
        let killed: BTreeSet<u64> = killed.filter(|version| *version <= last).collect();
        // The first was made before the scene began.
        assert_eq!(killed, (2..=last).collect());
        Ok(())
    }
}

/// The version of the record that a call commits. None: it is no commit.
fn version(call: &Call) -> Option<u64> {
    call.request.pointer(VERSION)?.as_str()?.parse().ok()
}

/// Each weight once, however often it was written.
fn steps(rollout: &Rollout) -> Vec<i32> {
    let mut steps = rollout.steps();
    steps.dedup();
    steps
}

#[tokio::test]
async fn a_cutover_whose_functions_are_killed_before_even_and_after_odd_commits_ends_the_same() -> anyhow::Result<()> {
    let mut haunted = Box::pin(Haunted::set(Strike::Kill, Strike::KillAfterwards)).await?;
    let image = haunted.rollout.publish_and_approve("2").await?;
    assert_eq!(haunted.ended().await?, "done");
    haunted.rollout.assert_live("green", &image).await?;
    assert_eq!(steps(&haunted.rollout), [10, 50, 100]);
    let templates = haunted.rollout.stage.calls("ec2:CreateLaunchTemplateVersion");
    assert_eq!(templates.iter().filter(|call| call.succeeded()).count(), 1);
    haunted.assert_at_rest().await
}

#[tokio::test]
async fn a_rollback_whose_functions_are_killed_at_each_commit_and_before_each_read_back_ends_the_same()
-> anyhow::Result<()> {
    let mut haunted = Haunted::set(Strike::KillAfterwards, Strike::Kill).await?;
    // 10, 50 and 0 %, and nobody has read back what he wrote.
    haunted.rollout.stage.stack.inject(Fault::at(WEIGHTS, Strike::KillAfterwards).of("reconcile").every());
    haunted.rollout.publish_and_approve("2").await?;
    haunted.rollout.wait_for_weight("app-green", 50).await?;
    haunted.rollout.say(Command::Rollback).await?;
    assert_eq!(haunted.ended().await?, "rolled-back");
    let good = haunted.rollout.stage.fleet.image().to_owned();
    haunted.rollout.assert_live("blue", &good).await?;
    assert_eq!(steps(&haunted.rollout), [10, 50, 0]);
    haunted.assert_at_rest().await
}
