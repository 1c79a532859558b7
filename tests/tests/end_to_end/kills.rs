//! Cutovers whose functions are killed at every commit, and between every write of weights and its read-back.
//!
//! Each scene kills before every second commit and after the others; the second scene does the opposite.

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
/// The visibility timeout, after which the message of a killed function is received again.
const VISIBILITY_SECONDS: u32 = 1;
/// More receives than any message needs: these scenes do not test the dead-letter queue.
const RECEIVES_MAX: u32 = 100;

/// Expires the leases of killed functions, as time would some seconds later.
pub(crate) struct Heir(JoinHandle<anyhow::Result<()>>);

impl Heir {
    /// From now on a killed function leaves no lease on the fleet. Its messages become visible again.
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
    /// A pair whose messages never reach the dead-letter queue. The first commit of each even and of each odd version
    /// is hit by these faults.
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

    /// Waits until the cutover has ended, and returns its outcome. No function is killed from then on.
    async fn ended(&mut self) -> anyhow::Result<String> {
        let outcome = self.rollout.ended().await?;
        self.heir.assert_alive();
        assert_eq!(self.rollout.stage.stack.unmet_faults(), Vec::<String>::new());
        self.rollout.stage.stack.lift_faults();
        Ok(outcome)
    }

    /// The fleet is idle, and every commit of the cutover killed a function.
    async fn assert_at_rest(&self) -> anyhow::Result<()> {
        // The messages of killed functions become visible once more.
        self.rollout.stage.stack.wait_until_idle(REPLACEMENT).await?;
        self.rollout.assert_at_rest().await?;
        let calls = self.rollout.stage.calls(COMMIT).into_iter();
        let commits: Vec<(u64, Call)> = calls.filter_map(|call| Some((version(&call)?, call))).collect();
        let last = commits.iter().find(|(_, call)| call.succeeded() && call.contains("cutover-ended"));
        let last = last.map(|(version, _)| *version).context("no commit ends the cutover")?;
        let killed = commits.iter().filter(|(_, call)| call.ended_its_caller()).map(|(version, _)| *version);
        let killed: BTreeSet<u64> = killed.filter(|version| *version <= last).collect();
        // Version 1 was committed before the faults.
        assert_eq!(killed, (2..=last).collect());
        Ok(())
    }
}

/// The version of the record that a call commits. None: it is no commit.
fn version(call: &Call) -> Option<u64> {
    call.request.pointer(VERSION)?.as_str()?.parse().ok()
}

/// The weights in order, without repetitions.
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
    // 10, 50 and 0 %: the function dies before it reads back what it wrote.
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
