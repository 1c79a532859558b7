//! Fleets that Terraform created: the deployed functions cut them over and replace a server, and then `terraform plan`
//! has no changes. Without Terraform these tests are skipped with a line on standard error; with `CI=true` they fail.

use anyhow::Context as _;
use driftless_planner::fact::Command;
use driftless_tests::fleet::{Changes, Example};
use driftless_tests::stack::LocalStack;
use serde_json::json;

use crate::rollout::Rollout;
use crate::stage::{A_WHILE, RULE, Stage};

/// A Terraform fleet on a local stack, with the example to apply again.
struct Terraformed {
    example: Example,
    rollout: Rollout,
}

impl Terraformed {
    /// The fleet `app` of three as the example creates it, with shorter durations. None: Terraform is not installed.
    async fn set(name: &'static str) -> anyhow::Result<Option<Self>> {
        let stack = LocalStack::lent().await?;
        Stage::hurry(&stack).await?;
        // Only the example `simple` has a layout with weight steps.
        let traffic = if name == "simple" { "50,100" } else { "100" };
        let policy = json!({
            "mode": "act", "approval": "manual", "debounce": "0s", "weights": traffic,
            "step": "1s", "bake": "1s", "keep-warm": "2s", "metrics-delay": "0s",
        });
        let changes = Changes::default()
            .variable("name", "app")
            .argument("capacity", json!({"min": 3, "max": 6}))
            // Not 0: the provider omits zeros, and the emulator then sets five minutes.
            .argument("warmup_seconds", 1)
            .argument("health_check_grace_seconds", 1)
            // Other scenes test alarms; here an operator approves.
            .argument("guard_alarms", json!(null))
            .argument("approved_images", json!(null))
            .argument("rules", json!([RULE]))
            .argument("policy", policy);
        let Some((example, fleet)) = Example::apply(&stack, name, &changes).await? else {
            stack.leave_evidence().await?;
            return Ok(None);
        };
        let rollout = Rollout::on(Stage::of(stack, fleet).await?).await?;
        Ok(Some(Self { example, rollout }))
    }

    async fn assert_nothing_to_change(&self) -> anyhow::Result<()> {
        assert_eq!(self.example.plan().await?, None);
        Ok(())
    }

    /// Publishes an image and waits until it has all traffic.
    async fn cut_over(&mut self, build: &str) -> anyhow::Result<String> {
        let image = self.rollout.publish_and_approve(build).await?;
        assert_eq!(self.rollout.ended().await?, "done");
        Ok(image)
    }

    /// One server of a group drifts and is replaced.
    async fn replace_one_of(&mut self, color: &str) -> anyhow::Result<()> {
        let stage = &mut self.rollout.stage;
        let before = stage.fleet.wait_until_idle(A_WHILE).await?;
        let drifted = before.group(color)?.instances.first().context("the group is empty")?.id.clone();
        stage.stack.find_non_compliant(&drifted, RULE, "image ami-0 is not approved").await?;
        stage.letter("replaced").await?;
        let after = stage.fleet.wait_until_idle(A_WHILE).await?;
        assert!(after.instance(&drifted).is_none(), "{after}");
        assert_eq!(after.group(color)?.serving(), 3, "{after}");
        Ok(())
    }
}

#[tokio::test]
async fn terraform_has_nothing_to_change_after_a_pair_was_cut_over_and_a_server_replaced() -> anyhow::Result<()> {
    let Some(mut terraformed) = Terraformed::set("simple").await? else { return Ok(()) };
    let image = terraformed.cut_over("2").await?;
    terraformed.rollout.assert_live("green", &image).await?;
    terraformed.replace_one_of("green").await?;
    // One plan shows what either of them left behind.
    terraformed.assert_nothing_to_change().await?;
    terraformed.rollout.assert_at_rest().await
}

#[tokio::test]
#[ignore = "one fleet of Terraform's is played each time; `make soak` plays all"]
async fn terraform_has_nothing_to_change_after_colors_were_swapped_in_the_layout_of_the_seed() -> anyhow::Result<()> {
    let Some(mut terraformed) = Terraformed::set("shared-target-group").await? else { return Ok(()) };
    let image = terraformed.cut_over("2").await?;
    terraformed.rollout.assert_sizes("green", &image, 3).await?;
    terraformed.assert_nothing_to_change().await?;
    terraformed.replace_one_of("green").await?;
    terraformed.assert_nothing_to_change().await?;
    terraformed.rollout.assert_at_rest().await
}

#[tokio::test]
#[ignore = "one fleet of Terraform's is played each time; `make soak` plays all"]
async fn terraform_has_nothing_to_change_after_a_single_group_was_rolled_and_a_server_replaced() -> anyhow::Result<()> {
    let Some(mut terraformed) = Terraformed::set("rolling").await? else { return Ok(()) };
    let image = terraformed.cut_over("2").await?;
    terraformed.rollout.assert_rolled(&image).await?;
    terraformed.assert_nothing_to_change().await?;
    terraformed.replace_one_of("").await?;
    terraformed.assert_nothing_to_change().await?;
    terraformed.rollout.assert_at_rest().await
}

#[tokio::test]
#[ignore = "one fleet of Terraform's is played each time; `make soak` plays all"]
async fn user_data_that_terraform_changes_after_a_veto_comes_by_a_cutover_without_the_vetoed_image()
-> anyhow::Result<()> {
    let Some(mut terraformed) = Terraformed::set("simple").await? else { return Ok(()) };
    let Terraformed { example, rollout } = &mut terraformed;
    let vetoed = rollout.publish("2").await?;
    rollout.wait_for_cutover("awaiting-approval").await?;
    rollout.say(Command::Reject).await?;
    assert_eq!(rollout.ended().await?, "aborted");
    assert!(rollout.is_vetoed(&vetoed).await?);

    example.apply_again(&Changes::default().variable("user_data", "two")).await?;
    assert_eq!(example.plan().await?, None);
    // AWS emits no event for a launch template version; the resync would find it within the hour.
    rollout.stage.stack.request("app").await?;
    rollout.approve().await?;
    assert_eq!(rollout.outcomes(2).await?, ["aborted", "done"]);
    let good = rollout.stage.fleet.image().to_owned();
    let after = rollout.assert_live("green", &good).await?;
    // "two", as EC2 keeps it.
    assert_eq!(rollout.stage.fleet.user_data_of(after.group("green")?).await?, [Some("dHdv".to_owned())].into());
    assert_eq!(example.plan().await?, None);
    rollout.assert_at_rest().await
}
