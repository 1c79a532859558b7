//! What people and pipelines ask, and what they order, through the functions' URLs.

use std::cell::RefCell;
use std::collections::BTreeSet;

use anyhow::Context as _;
use driftless_planner::fact::Command;
use driftless_planner::observation::FreezeScope;
use driftless_status::model::State;
use driftless_status::request::{Answer, Deed, Order, OrderResult, Question, Receipt, RefusalCause, Reply};
use driftless_status::why::Subject;
use driftless_tests::control::LaunchInstances;
use driftless_tests::fleet::FleetSpec;
use driftless_tests::patience::{Look, wait_until};
use driftless_tests::stack::LocalStack;
use serde_json::json;

use crate::fleets::offer;
use crate::rollout::{AT_ONCE, CUTOVER, Rollout, UNWATCHED};
use crate::stage::{A_WHILE, Left, RULE, Stage, acting, fleet_of_three};

/// The access keys of two people.
const ANA: &str = "AKIAANA";
const BEN: &str = "AKIABEN";

async fn ask(stack: &LocalStack, question: &Question) -> anyhow::Result<Answer> {
    let (_, answer) = stack.ask("StatusUrl", ANA, question).await?;
    Ok(serde_json::from_value(answer)?)
}

async fn say(stack: &LocalStack, who: &str, request: &str, deed: Deed) -> anyhow::Result<(u16, Reply)> {
    let order = Order { request: request.to_owned(), reason: Some("incident 7".into()), cutover: None, deed };
    let (status, reply) = stack.ask("OperatorUrl", who, &order).await?;
    Ok((status, serde_json::from_value(reply)?))
}

fn command(command: Command) -> anyhow::Result<Deed> {
    Ok(Deed::Command { fleet: "app".parse()?, command })
}

fn receipt(reply: Reply) -> anyhow::Result<Receipt> {
    match reply {
        Reply::Receipt(receipt) => Ok(receipt),
        Reply::Refused(refusal) => anyhow::bail!("{refusal:?}"),
    }
}

#[tokio::test]
async fn questions_are_answered_from_the_live_fleet_and_change_nothing() -> anyhow::Result<()> {
    let mut stage = Stage::set().await?;
    stage.stack.sweep().await?;
    stage.letter("adopted").await?;
    stage.stack.wait_until_idle(A_WHILE).await?;
    let fleet = "app".parse()?;
    let Answer::Fleets(fleets) = ask(&stage.stack, &Question::Fleets).await? else { anyhow::bail!("no fleets") };
    assert_eq!((fleets.fleets.len(), fleets.unread.len()), (1, 0), "{fleets:?}");
    let Answer::Fleet(status) = ask(&stage.stack, &Question::Fleet { fleet }).await? else { anyhow::bail!("no fleet") };
    assert_eq!(status.state, State::Steady, "{status:?}");
    let serving: Vec<u32> = status.colors.iter().map(|color| color.serving).collect();
    assert_eq!(serving, [3, 0]);
    // Of an instance the function finds the fleet.
    let subject = Subject::Instance(stage.instance(0)?.parse()?);
    let Answer::Why(why) = ask(&stage.stack, &Question::Why { subject, fleet: None }).await? else {
        anyhow::bail!("no why")
    };
    assert_eq!(why.fleet.as_str(), "app");
    let history = Question::History { fleet: "app".parse()?, instance: None, before: None, limit: 10 };
    let Answer::History(history) = ask(&stage.stack, &history).await? else { anyhow::bail!("no history") };
    assert!(!history.lines.is_empty());
    stage.assert_untouched().await?;
    stage.assert_at_rest(&Left::default()).await
}

#[tokio::test]
async fn a_fleet_that_follows_latest_is_pinned_when_a_person_says_so_and_adopted_then() -> anyhow::Result<()> {
    let mut stage = Stage::with(&fleet_of_three(&[("mode", "observe")]).template_version("$Latest")).await?;
    stage.stack.sweep().await?;
    stage.letter("entered").await?;
    stage.stack.wait_until_idle(A_WHILE).await?;
    let (status, reply) = say(&stage.stack, ANA, "pin-1", command(Command::Pin)?).await?;
    let receipt = receipt(reply)?;
    assert_eq!((status, receipt.result), (200, OrderResult::Done), "{receipt:?}");
    let letter = stage.letter("adopted").await?;
    assert_eq!(letter.json().unwrap()["news"]["release"]["template"]["version"], 1);
    // The same order again is the same order: nothing is written twice.
    let (status, again) = say(&stage.stack, ANA, "pin-1", command(Command::Pin)?).await?;
    assert_eq!((status, self::receipt(again)?.says), (200, receipt.says));
    assert_eq!(stage.calls("autoscaling:UpdateAutoScalingGroup").len(), 2, "one for each color");
    stage.assert_at_rest(&Left::default()).await
}

/// Asks again and again, until the cutover that is under way is over. Answers the phases that were shown.
async fn watch(stack: &LocalStack) -> anyhow::Result<BTreeSet<String>> {
    let seen = RefCell::new(BTreeSet::new());
    wait_until("the cutover is shown, and over", CUTOVER, async || {
        let fleet = "app".parse()?;
        let Answer::Fleet(status) = ask(stack, &Question::Fleet { fleet }).await? else { anyhow::bail!("no fleet") };
        match status.cutover {
            Some(cutover) => {
                seen.borrow_mut().insert(cutover.phase);
                Ok(Look::NotYet(format!("{:?}", seen.borrow())))
            }
            None if seen.borrow().is_empty() => Ok(Look::NotYet("no cutover is shown".to_owned())),
            None => Ok(Look::Is(())),
        }
    })
    .await?;
    Ok(seen.into_inner())
}

#[tokio::test]
async fn a_cutover_is_shown_while_it_goes_on() -> anyhow::Result<()> {
    let mut rollout = Rollout::with(&[("traffic", "50,100"), ("step", "2s"), ("bake", "2s")]).await?;
    let image = rollout.publish("2").await?;
    let seen = watch(&rollout.stage.stack).await?;
    assert!(seen.contains("shifting"), "{seen:?}");
    assert_eq!(rollout.ended().await?, "done");
    rollout.assert_live("green", &image).await?;
    rollout.assert_at_rest().await
}

#[tokio::test]
async fn a_cutover_that_waits_for_a_quiet_alarm_is_shown_with_it() -> anyhow::Result<()> {
    let mut rollout = Rollout::with(&[("approval", "manual")]).await?;
    rollout.stage.stack.ring(&rollout.alarm).await?;
    rollout.publish("2").await?;
    rollout.wait_for_cutover("preflight").await?;
    rollout.stage.stack.wait_until_idle(A_WHILE).await?;
    let subject = Subject::Fleet("app".parse()?);
    let Answer::Why(why) = ask(&rollout.stage.stack, &Question::Why { subject, fleet: None }).await? else {
        anyhow::bail!("no why")
    };
    let waits = why.waits.clone().context("it waits for nothing")?;
    assert!(waits.why.as_str().contains("app-green-5xx"), "{why:?}");
    rollout.say(Command::Abort).await?;
    assert_eq!(rollout.ended().await?, "aborted");
    rollout.stage.stack.quiet(&rollout.alarm).await?;
    rollout.assert_at_rest().await
}

#[tokio::test]
async fn a_single_group_is_shown_while_it_is_rolled() -> anyhow::Result<()> {
    let spec = FleetSpec::single("app").instances(3).policy(&acting(&[("bake", "0s"), ("keep-warm", "1s")]));
    let mut rollout = Rollout::of(&spec).await?;
    let image = rollout.publish_and_approve("2").await?;
    let seen = watch(&rollout.stage.stack).await?;
    assert!(seen.contains("shifting"), "{seen:?}");
    assert_eq!(rollout.ended().await?, "done");
    rollout.assert_rolled(&image).await?;
    rollout.assert_at_rest().await
}

#[tokio::test]
async fn a_server_that_waits_for_room_is_shown_with_what_it_waits_for() -> anyhow::Result<()> {
    let mut stage = Stage::set().await?;
    offer(&stage, LaunchInstances::NoCapacity).await?;
    let drifted = stage.drift().await?;
    stage.letter("entered").await?;
    let subject = Subject::Instance(drifted.parse()?);
    let Answer::Why(why) = ask(&stage.stack, &Question::Why { subject, fleet: None }).await? else {
        anyhow::bail!("no why")
    };
    let waits = why.waits.clone().context("it waits for nothing")?;
    assert_eq!(waits.guard, "capacity", "{why:?}");
    assert!(waits.may_change_at.is_some(), "{why:?}");
    stage.stack.find_compliant(&drifted, RULE).await?;
    stage.letter("ended").await?;
    stage.stack.wait_until_idle(A_WHILE).await?;
    stage.assert_as_before().await?;
    stage.assert_at_rest(&Left::default()).await
}

#[tokio::test]
async fn what_cannot_be_answered_says_whose_matter_it_is() -> anyhow::Result<()> {
    let stage = Stage::set().await?;
    let refused = async |asked: serde_json::Value| {
        let (status, answer) = stage.stack.ask("StatusUrl", ANA, &asked).await?;
        let Answer::Refused(refusal) = serde_json::from_value(answer)? else { anyhow::bail!("answered") };
        anyhow::Ok((status, refusal.cause))
    };
    assert_eq!(refused(json!({"ask": "fleet", "fleet": "other"})).await?, (404, RefusalCause::NotFound));
    assert_eq!(refused(json!({"ask": "fleet", "fleet": "No Fleet"})).await?, (400, RefusalCause::BadRequest));
    assert_eq!(refused(json!({"ask": "weather"})).await?, (400, RefusalCause::BadRequest));
    stage.stack.sweep().await?;
    stage.assert_untouched().await?;
    stage.assert_at_rest(&Left::default()).await
}

#[tokio::test]
async fn an_approval_is_followed_and_the_journal_names_who_has_signed_it() -> anyhow::Result<()> {
    let mut rollout = Rollout::with(&UNWATCHED).await?;
    let image = rollout.publish("2").await?;
    rollout.wait_for_cutover("awaiting-approval").await?;
    let (status, reply) = say(&rollout.stage.stack, ANA, "request-1", command(Command::Approve)?).await?;
    let receipt = receipt(reply)?;
    assert_eq!((status, receipt.result), (200, OrderResult::Done), "{receipt:?}");
    assert_eq!(receipt.actor.as_str(), "arn:aws:iam::123456789012:user/AKIAANA");
    // The same once more, as after a lost answer.
    let again = say(&rollout.stage.stack, ANA, "request-1", command(Command::Approve)?).await?;
    assert_eq!(again, (200, Reply::Receipt(receipt.clone())));
    assert_eq!(rollout.ended().await?, "done");
    rollout.assert_live("green", &image).await?;
    let question = Question::History { fleet: "app".parse()?, instance: None, before: None, limit: 500 };
    let Answer::History(history) = ask(&rollout.stage.stack, &question).await? else { anyhow::bail!("no history") };
    let approvals: Vec<_> = history.lines.iter().filter(|line| line.from.as_str() == "approve").collect();
    assert_eq!(approvals.len(), 1, "{approvals:?}");
    assert!(approvals.iter().all(|line| line.actor == receipt.actor), "{approvals:?}");
    rollout.assert_at_rest().await
}

#[tokio::test]
async fn a_freeze_is_thrown_at_once_holds_drift_and_lets_a_rollback_through() -> anyhow::Result<()> {
    let mut rollout =
        Rollout::with(&[("alarms", "none"), ("approval", "manual"), ("traffic", "50,100"), ("step", "5m")]).await?;
    rollout.publish_and_approve("2").await?;
    rollout.wait_for_weight("app-green", 50).await?;
    let scope = || anyhow::Ok(FreezeScope::Fleet("app".parse()?));
    let freeze = Deed::Freeze { scope: scope()?, expires_at: None };
    let (status, reply) = say(&rollout.stage.stack, ANA, "freeze-1", freeze).await?;
    assert_eq!((status, receipt(reply)?.result), (200, OrderResult::Done));
    let (status, reply) = say(&rollout.stage.stack, BEN, "rollback-1", command(Command::Rollback)?).await?;
    assert_eq!((status, receipt(reply)?.result), (200, OrderResult::Done));
    assert_eq!(rollout.ended().await?, "rolled-back");
    let good = rollout.stage.fleet.image().to_owned();
    rollout.assert_live("blue", &good).await?;
    // Nothing begins meanwhile.
    let drifted = rollout.stage.instance(0)?.to_owned();
    rollout.stage.stack.find_non_compliant(&drifted, RULE, "image ami-0 is not approved").await?;
    rollout.stage.wait_for_phase(&drifted, "blocked").await?;
    rollout.stage.stack.find_compliant(&drifted, RULE).await?;
    let (status, reply) = say(&rollout.stage.stack, BEN, "thaw-1", Deed::Thaw { scope: scope()? }).await?;
    assert_eq!((status, receipt(reply)?.result), (200, OrderResult::Done));
    rollout.stage.stack.wait_until_idle(A_WHILE).await?;
    assert!(rollout.stage.terminated().is_empty());
    rollout.assert_at_rest().await
}

#[tokio::test]
async fn of_two_people_at_once_one_is_followed_and_the_other_is_told_why_not() -> anyhow::Result<()> {
    let mut rollout = Rollout::with(&AT_ONCE).await?;
    rollout.publish("2").await?;
    rollout.wait_for_cutover("awaiting-approval").await?;
    let stack = &rollout.stage.stack;
    let (approved, taken_back) = tokio::join!(
        say(stack, ANA, "approve-1", command(Command::Approve)?),
        say(stack, BEN, "abort-1", command(Command::Abort)?)
    );
    let (approved, taken_back) = (receipt(approved?.1)?, receipt(taken_back?.1)?);
    // Whoever is second finds the state that the first has led to: an abort is always legal, an approval is not.
    assert_eq!(taken_back.result, OrderResult::Done, "{taken_back:?}");
    assert!(matches!(approved.result, OrderResult::Done | OrderResult::NotDone), "{approved:?}");
    let outcome = rollout.ended().await?;
    let expected =
        if approved.result == OrderResult::Done { ["aborted", "rolled-back"].as_slice() } else { &["aborted"] };
    assert!(expected.contains(&outcome.as_str()), "{outcome} after {approved:?} and {taken_back:?}");
    let good = rollout.stage.fleet.image().to_owned();
    rollout.assert_live("blue", &good).await?;
    rollout.assert_at_rest().await
}
