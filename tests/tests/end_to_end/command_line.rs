//! The command line tool against the deployed functions: each command and its output.

use anyhow::ensure;
use driftless_tests::command_line::Person;
use driftless_tests::stack::LocalStack;

use crate::rollout::Rollout;
use crate::stage::{A_WHILE, Left, Stage};

/// The access keys of two people.
const ANA: &str = "AKIAANA";
const BEN: &str = "AKIABEN";

/// Types commands that must end with this exit code.
async fn type_all(person: &mut Person, stack: &LocalStack, code: i32, commands: &[&str]) -> anyhow::Result<()> {
    for command in commands {
        let printed = person.types(stack, command).await?;
        ensure!(printed.code == code, "{command}: {printed:?}");
    }
    Ok(())
}

#[tokio::test]
async fn what_is_and_what_holds_it_is_printed_as_agreed() -> anyhow::Result<()> {
    let mut stage = Stage::set().await?;
    stage.stack.resync().await?;
    stage.letter("adopted").await?;
    stage.stack.wait_until_idle(A_WHILE).await?;
    let (first, image) = (stage.instance(0)?.to_owned(), stage.fleet.image().to_owned());
    let mut ana = Person::new(ANA);
    type_all(
        &mut ana,
        &stage.stack,
        0,
        &["status", "status app", "why app", &format!("why {first}"), &format!("why {image}")],
    )
    .await?;
    type_all(&mut ana, &stage.stack, 0, &["history app", "adopt app --check", "doctor", "watch app --until-idle"])
        .await?;
    type_all(&mut ana, &stage.stack, 0, &["freeze app --reason 'incident 7'", "status", "why app", "thaw app"]).await?;
    type_all(
        &mut ana,
        &stage.stack,
        0,
        &["freeze --everything --reason 'incident 7' --for 2h --yes", "thaw --everything --yes"],
    )
    .await?;
    type_all(&mut ana, &stage.stack, 0, &["wait app --for idle", "accept-live app blue --yes", "adopt app --pin"])
        .await?;
    // Without a terminal a command that asks first is not sent, and the output says why.
    type_all(&mut ana, &stage.stack, 2, &[&format!("replace {first}")]).await?;
    type_all(&mut ana, &stage.stack, 3, &["status other", "why i-00000000000000000"]).await?;
    type_all(&mut ana, &stage.stack, 1, &["pause app", "approve app", "retry app"]).await?;
    insta::assert_snapshot!("what-is-and-what-holds-it", ana.session());
    stage.assert_untouched().await?;
    // The resync applies a freeze of the whole account to each fleet.
    stage.stack.resync().await?;
    stage.stack.wait_until_idle(A_WHILE).await?;
    stage.assert_at_rest(&Left::default()).await
}

#[tokio::test]
async fn a_replacement_and_a_veto_are_ordered_and_printed_as_agreed() -> anyhow::Result<()> {
    let mut stage = Stage::set().await?;
    stage.stack.resync().await?;
    stage.letter("adopted").await?;
    stage.stack.wait_until_idle(A_WHILE).await?;
    let first = stage.instance(0)?.to_owned();
    let mut ana = Person::new(ANA);
    type_all(&mut ana, &stage.stack, 0, &[&format!("replace {first} --reason 'a disk that fails' --yes")]).await?;
    type_all(&mut ana, &stage.stack, 0, &["wait app --for idle --every 1s"]).await?;
    let history = Person::new(BEN).types(&stage.stack, &format!("history app --instance {first}")).await?.out;
    ensure!(history.contains("retiring -> replaced") && history.contains("requested by user/AKIAANA"), "{history}");
    let mut ben = Person::new(BEN);
    type_all(&mut ben, &stage.stack, 0, &["veto app ami-00000000000000bad --reason CVE-2026-1 --yes"]).await?;
    type_all(&mut ben, &stage.stack, 0, &["why ami-00000000000000bad --fleet app", "unveto app ami-00000000000000bad"])
        .await?;
    insta::assert_snapshot!("a-replacement", ana.session());
    insta::assert_snapshot!("a-veto", ben.session());
    stage.stack.wait_until_idle(A_WHILE).await?;
    assert_eq!(stage.terminated(), [first].into());
    stage.assert_at_rest(&Left::default()).await
}

#[tokio::test]
async fn a_cutover_is_led_by_its_commands_and_taken_back() -> anyhow::Result<()> {
    let mut rollout = Rollout::with(&LED).await?;
    let good = rollout.stage.fleet.image().to_owned();
    rollout.publish("2").await?;
    let mut ana = Person::new(ANA);
    type_all(&mut ana, &rollout.stage.stack, 0, &["wait app --for phase=awaiting-approval --every 1s", "why app"])
        .await?;
    let orders = ["pause app --reason lunch", "resume app", "approve app --reason 'smoke tests passed'"];
    type_all(&mut ana, &rollout.stage.stack, 0, &orders).await?;
    rollout.wait_for_weight("app-green", 50).await?;
    type_all(&mut ana, &rollout.stage.stack, 0, &["wait app --for phase=shifting"]).await?;
    let half_way = Person::new(ANA).types(&rollout.stage.stack, "status app").await?.out;
    ensure!(half_way.contains("CUTTING OVER") && half_way.contains("driftless rollback app"), "{half_way}");
    let orders = ["rollback app --reason 'customers call' --yes"];
    type_all(&mut ana, &rollout.stage.stack, 0, &orders).await?;
    assert_eq!(rollout.ended().await?, "rolled-back");
    rollout.stage.stack.wait_until_idle(A_WHILE).await?;
    type_all(&mut ana, &rollout.stage.stack, 0, &["wait app --for idle"]).await?;
    insta::assert_snapshot!("a-cutover", ana.session());
    rollout.assert_live("blue", &good).await?;
    rollout.assert_at_rest().await
}

/// Each step lasts longer than the scene: only a command moves past it.
const LED: [(&str, &str); 4] = [("alarms", "none"), ("approval", "manual"), ("weights", "50,100"), ("step", "10m")];

#[tokio::test]
async fn a_cutover_is_rejected_another_aborted_and_the_third_promoted() -> anyhow::Result<()> {
    let mut rollout = Rollout::with(&LED).await?;
    rollout.publish("2").await?;
    let mut ana = Person::new(ANA);
    let awaited = "wait app --for phase=awaiting-approval --every 1s";
    type_all(&mut ana, &rollout.stage.stack, 0, &[awaited]).await?;
    let mut ben = Person::new(BEN);
    let watching = ben.begins(&rollout.stage.stack, "watch app --until-idle --every 1s")?;
    type_all(&mut ana, &rollout.stage.stack, 0, &["reject app --reason 'smoke tests failed' --yes"]).await?;
    let watched = ben.reads("watch app --until-idle --every 1s", watching).await?;
    ensure!(watched.code == 0 && watched.out.contains("steady: nothing to do"), "{watched:?}");
    assert_eq!(rollout.ended().await?, "aborted");
    type_all(&mut ana, &rollout.stage.stack, 0, &["redeploy app --yes", awaited, "abort app --yes"]).await?;
    assert_eq!(rollout.outcomes(2).await?.concat(), "abortedaborted");
    type_all(&mut ana, &rollout.stage.stack, 0, &["redeploy app --yes", awaited, "approve app"]).await?;
    rollout.wait_for_weight("app-green", 50).await?;
    type_all(&mut ana, &rollout.stage.stack, 0, &["promote app --yes", "wait app --for outcome --every 1s"]).await?;
    insta::assert_snapshot!("a-rejection", ana.session());
    let good = rollout.stage.fleet.image().to_owned();
    rollout.assert_live("green", &good).await?;
    rollout.assert_at_rest().await
}
