//! The command line at the deployed functions: each command, and what it prints.

use std::time::Duration;

use anyhow::ensure;
use driftless_tests::command_line::Person;

use crate::rollout::Rollout;
use crate::stage::{A_WHILE, Stage};

/// The access keys of two people.
const ANA: &str = "AKIAANA";
const BEN: &str = "AKIABEN";

/// Types commands that must end with this exit code.
async fn type_all(person: &mut Person<'_>, code: i32, commands: &[&str]) -> anyhow::Result<()> {
    for command in commands {
        let printed = person.types(command).await?;
        ensure!(printed.code == code, "{command}: {printed:?}");
    }
    Ok(())
}

#[tokio::test]
async fn what_is_and_what_holds_it_is_printed_as_agreed() -> anyhow::Result<()> {
    let mut stage = Stage::set().await?;
    stage.stack.sweep().await?;
    stage.letter("adopted").await?;
    stage.stack.wait_until_idle(A_WHILE).await?;
    let (first, image) = (stage.instance(0)?.to_owned(), stage.fleet.image().to_owned());
    let mut ana = Person::new(&stage.stack, ANA);
    type_all(&mut ana, 0, &["status", "status app", "why app", &format!("why {first}"), &format!("why {image}")])
        .await?;
    type_all(&mut ana, 0, &["history app", "adopt app --check", "doctor", "watch app --until-settled"]).await?;
    type_all(&mut ana, 0, &["freeze app --reason 'incident 7'", "status", "why app", "thaw app"]).await?;
    type_all(&mut ana, 0, &["freeze --everything --reason 'incident 7' --for 2h --yes", "thaw --everything --yes"])
        .await?;
    type_all(&mut ana, 0, &["wait app --for settled"]).await?;
    // Without a terminal nothing that is destructive is done, and what cannot be done says why.
    type_all(&mut ana, 2, &[&format!("replace {first}")]).await?;
    type_all(&mut ana, 3, &["status other", "why i-00000000000000000"]).await?;
    type_all(&mut ana, 1, &["pause app", "approve app", "accept-live app green --yes", "retry app"]).await?;
    insta::assert_snapshot!("what-is-and-what-holds-it", ana.session());
    stage.assert_untouched().await?;
    stage.stack.wait_until_idle(A_WHILE).await?;
    stage.assert_at_rest(&crate::stage::Left::default()).await
}

#[tokio::test]
async fn a_replacement_and_a_veto_are_ordered_and_printed_as_agreed() -> anyhow::Result<()> {
    let mut stage = Stage::set().await?;
    stage.stack.sweep().await?;
    stage.letter("adopted").await?;
    stage.stack.wait_until_idle(A_WHILE).await?;
    let first = stage.instance(0)?.to_owned();
    let mut ana = Person::new(&stage.stack, ANA);
    type_all(&mut ana, 0, &[&format!("replace {first} --reason 'a disk that fails' --yes")]).await?;
    type_all(&mut ana, 0, &["wait app --for settled --every 1s", "history app"]).await?;
    let mut ben = Person::new(&stage.stack, BEN);
    type_all(&mut ben, 0, &["veto app ami-00000000000000bad --reason CVE-2026-1 --yes"]).await?;
    type_all(&mut ben, 0, &["why ami-00000000000000bad --fleet app", "unveto app ami-00000000000000bad"]).await?;
    insta::assert_snapshot!("a-replacement", ana.session());
    insta::assert_snapshot!("a-veto", ben.session());
    stage.stack.wait_until_idle(A_WHILE).await?;
    assert_eq!(stage.terminated(), [first]);
    stage.assert_at_rest(&crate::stage::Left::default()).await
}

#[tokio::test]
async fn a_cutover_is_led_by_its_commands_and_taken_back() -> anyhow::Result<()> {
    let policy =
        [("alarms", "none"), ("approval", "manual"), ("traffic", "50,100"), ("step", "10m"), ("keep-warm", "10m")];
    let mut rollout = Rollout::with(&policy).await?;
    let good = rollout.stage.fleet.image().to_owned();
    rollout.publish("2").await?;
    let mut ana = Person::new(&rollout.stage.stack, ANA);
    type_all(&mut ana, 0, &["wait app --for phase=awaiting-approval --every 1s", "status app", "why app"]).await?;
    type_all(&mut ana, 0, &["pause app --reason lunch", "resume app", "approve app --reason 'smoke tests passed'"])
        .await?;
    rollout.wait_for_weight("app-green", 50).await?;
    type_all(&mut ana, 0, &["wait app --for phase=shifting", "status"]).await?;
    let watching = ana.begins("watch app --every 1s")?;
    type_all(&mut ana, 0, &["promote app --yes", "wait app --for phase=warm --every 1s", "status app"]).await?;
    drop(watching);
    type_all(&mut ana, 0, &["rollback app --reason 'customers call' --yes"]).await?;
    assert_eq!(rollout.ended().await?, "rolled-back");
    rollout.stage.stack.wait_until_idle(A_WHILE).await?;
    type_all(&mut ana, 1, &["wait app --for outcome --timeout 20s"]).await?;
    type_all(&mut ana, 0, &["status app", "history app --limit 12"]).await?;
    insta::assert_snapshot!("a-cutover", ana.session());
    rollout.assert_live("blue", &good).await?;
    rollout.assert_at_rest().await
}

#[tokio::test]
async fn a_cutover_is_rejected_and_another_one_aborted() -> anyhow::Result<()> {
    let mut rollout = Rollout::with(&[("alarms", "none"), ("approval", "manual")]).await?;
    let good = rollout.stage.fleet.image().to_owned();
    rollout.publish("2").await?;
    let mut ana = Person::new(&rollout.stage.stack, ANA);
    type_all(&mut ana, 0, &["wait app --for phase=awaiting-approval --every 1s"]).await?;
    let watching = ana.begins("watch app --until-settled --every 1s")?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    type_all(&mut ana, 0, &["reject app --reason 'smoke tests failed' --yes"]).await?;
    ana.reads("watch app --until-settled --every 1s", watching).await?;
    assert_eq!(rollout.ended().await?, "aborted");
    type_all(
        &mut ana,
        0,
        &["redeploy app --yes", "wait app --for phase=awaiting-approval --every 1s", "abort app --yes"],
    )
    .await?;
    assert_eq!(rollout.outcomes(2).await?[1], "aborted");
    insta::assert_snapshot!("a-rejection", ana.session());
    rollout.assert_live("blue", &good).await?;
    rollout.assert_at_rest().await
}
