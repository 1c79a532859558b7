//! Queries and commands of operators and pipelines through the functions' URLs.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Duration;

use driftless_planner::fact::Command;
use driftless_planner::observation::FreezeScope;
use driftless_status::model::State;
use driftless_status::request::{
    Answer, CommandResult, Order, OrderResult, Question, RefusalCause, Reply, RequestedAction,
};
use driftless_status::why::Subject;
use driftless_tests::listener::Listener;
use driftless_tests::patience::{Poll, wait_until};
use driftless_tests::stack::LocalStack;
use serde_json::json;

use crate::heard::{everything, text};
use crate::rollout::{CUTOVER, Rollout};
use crate::stage::{A_WHILE, Left, RULE, Stage, fleet_of_three};

/// The access keys of two people.
const ANA: &str = "AKIAANA";
const BEN: &str = "AKIABEN";
/// The poll interval: shorter than a step of the cutover.
const ASK_EVERY: Duration = Duration::from_millis(400);

pub(crate) async fn ask(stack: &LocalStack, question: &Question) -> anyhow::Result<Answer> {
    let (_, answer) = stack.ask("StatusUrl", ANA, question).await?;
    Ok(serde_json::from_value(answer)?)
}

pub(crate) async fn say(
    stack: &LocalStack,
    who: &str,
    request: &str,
    action: RequestedAction,
) -> anyhow::Result<(u16, Reply)> {
    let order = Order { request: request.to_owned(), reason: Some("incident 7".into()), cutover: None, action };
    let (status, reply) = stack.ask("OperatorUrl", who, &order).await?;
    Ok((status, serde_json::from_value(reply)?))
}

fn command(command: Command) -> anyhow::Result<RequestedAction> {
    Ok(RequestedAction::Command { fleet: "app".parse()?, command })
}

pub(crate) fn receipt(reply: Reply) -> anyhow::Result<CommandResult> {
    match reply {
        Reply::CommandResult(receipt) => Ok(receipt),
        Reply::Refused(refusal) => anyhow::bail!("{refusal:?}"),
    }
}

/// Polls until the cutover under way has ended. Returns the phases that were shown.
pub(crate) async fn watch(stack: &LocalStack) -> anyhow::Result<BTreeSet<String>> {
    let seen = RefCell::new(BTreeSet::new());
    wait_until("the cutover is shown, and over", CUTOVER, async || {
        tokio::time::sleep(ASK_EVERY).await;
        let fleet = "app".parse()?;
        let Answer::Fleet(status) = ask(stack, &Question::Fleet { fleet }).await? else { anyhow::bail!("no fleet") };
        match status.cutover {
            Some(cutover) => {
                seen.borrow_mut().insert(cutover.phase);
                Ok(Poll::NotYet(format!("{:?}", seen.borrow())))
            }
            None if seen.borrow().is_empty() => Ok(Poll::NotYet("no cutover is shown".to_owned())),
            None => Ok(Poll::Is(())),
        }
    })
    .await?;
    Ok(seen.into_inner())
}

#[tokio::test]
async fn questions_are_answered_from_the_live_fleet_and_what_cannot_be_answered_says_whose_matter_it_is()
-> anyhow::Result<()> {
    let mut stage = Stage::set().await?;
    stage.stack.resync().await?;
    stage.letter("adopted").await?;
    stage.stack.wait_until_idle(A_WHILE).await?;
    let fleet = "app".parse()?;
    let Answer::Fleets(fleets) = ask(&stage.stack, &Question::Fleets).await? else { anyhow::bail!("no fleets") };
    assert_eq!((fleets.fleets.len(), fleets.unread.len()), (1, 0), "{fleets:?}");
    let Answer::Fleet(status) = ask(&stage.stack, &Question::Fleet { fleet }).await? else { anyhow::bail!("no fleet") };
    assert_eq!(status.state, State::Steady, "{status:?}");
    let serving: Vec<u32> = status.colors.iter().map(|color| color.serving).collect();
    assert_eq!(serving, [3, 0]);
    // The function finds the fleet of an instance.
    let subject = Subject::Instance(stage.instance(0)?.parse()?);
    let Answer::Why(why) = ask(&stage.stack, &Question::Why { subject, fleet: None }).await? else {
        anyhow::bail!("no why")
    };
    assert_eq!(why.fleet.as_str(), "app");
    let history = Question::History { fleet: "app".parse()?, instance: None, before: None, limit: 10 };
    let Answer::History(history) = ask(&stage.stack, &history).await? else { anyhow::bail!("no history") };
    assert!(!history.lines.is_empty());

    let refused = async |asked: serde_json::Value| {
        let (status, answer) = stage.stack.ask("StatusUrl", ANA, &asked).await?;
        let Answer::Refused(refusal) = serde_json::from_value(answer)? else { anyhow::bail!("answered") };
        anyhow::Ok((status, refusal.cause))
    };
    assert_eq!(refused(json!({"query": "fleet", "fleet": "other"})).await?, (404, RefusalCause::NotFound));
    assert_eq!(refused(json!({"query": "fleet", "fleet": "No Fleet"})).await?, (400, RefusalCause::BadRequest));
    assert_eq!(refused(json!({"query": "weather"})).await?, (400, RefusalCause::BadRequest));
    stage.assert_untouched().await?;
    stage.assert_at_rest(&Left::default()).await
}

#[tokio::test]
async fn a_fleet_that_follows_latest_is_refused_then_pinned_when_a_person_says_so_and_adopted() -> anyhow::Result<()> {
    let mut stage = Stage::with(&fleet_of_three(&[]).template_version("$Latest")).await?;
    let drifted = stage.drift().await?;
    let letter = stage.letter("entered").await?;
    assert_eq!(letter.json().unwrap()["details"]["condition"]["condition"], "not-adoptable");
    assert!(letter.text.contains("$Latest"), "{}", letter.text);
    stage.wait_for_phase(&drifted, "blocked").await?;
    stage.assert_untouched().await?;
    assert_eq!(stage.kinds().await?, ["entered"]);
    stage.stack.find_compliant(&drifted, RULE).await?;
    stage.stack.request("app").await?;
    stage.stack.wait_until_idle(A_WHILE).await?;

    let (status, reply) = say(&stage.stack, ANA, "pin-1", command(Command::Pin)?).await?;
    let receipt = receipt(reply)?;
    assert_eq!((status, receipt.result), (200, OrderResult::Done), "{receipt:?}");
    let letter = stage.letter("adopted").await?;
    assert_eq!(letter.json().unwrap()["details"]["release"]["template"]["version"], 1);
    // A repeated command with the same id has no further effect.
    let (status, again) = say(&stage.stack, ANA, "pin-1", command(Command::Pin)?).await?;
    assert_eq!((status, self::receipt(again)?.says), (200, receipt.says));
    assert_eq!(stage.calls("autoscaling:UpdateAutoScalingGroup").len(), 2, "one for each color");
    stage.assert_at_rest(&Left::default()).await
}

#[tokio::test]
async fn a_freeze_is_thrown_at_once_is_an_event_holds_drift_and_lets_a_rollback_through() -> anyhow::Result<()> {
    let mut rollout =
        Rollout::with(&[("alarms", "none"), ("approval", "manual"), ("weights", "50,100"), ("step", "5m")]).await?;
    let mut all = rollout.stage.stack.listen("all", &everything()).await?;
    rollout.publish_and_approve("2").await?;
    rollout.wait_for_weight("app-green", 50).await?;
    let scope = FreezeScope::Fleet("app".parse()?);
    throw(&rollout.stage.stack, true, &scope).await?;
    heard(&mut all, "freeze", "app").await?;
    let (status, reply) = say(&rollout.stage.stack, BEN, "rollback-1", command(Command::Rollback)?).await?;
    assert_eq!((status, receipt(reply)?.result), (200, OrderResult::Done));
    assert_eq!(rollout.ended().await?, "rolled-back");
    let good = rollout.stage.fleet.image().to_owned();
    rollout.assert_live("blue", &good).await?;
    // No work starts during the freeze.
    let drifted = rollout.stage.instance(0)?.to_owned();
    rollout.stage.stack.find_non_compliant(&drifted, RULE, "image ami-0 is not approved").await?;
    rollout.stage.wait_for_phase(&drifted, "blocked").await?;
    rollout.stage.stack.find_compliant(&drifted, RULE).await?;
    throw(&rollout.stage.stack, false, &scope).await?;
    heard(&mut all, "thaw", "app").await?;
    rollout.stage.stack.wait_until_idle(A_WHILE).await?;
    assert!(rollout.stage.terminated().is_empty());

    // The resync, here once by its deployed schedule, applies a freeze of the account to each fleet.
    throw(&rollout.stage.stack, true, &FreezeScope::Account).await?;
    rollout.stage.stack.resync_by_schedule().await?;
    heard(&mut all, "freeze", "").await?;
    throw(&rollout.stage.stack, false, &FreezeScope::Account).await?;
    rollout.stage.stack.resync().await?;
    heard(&mut all, "thaw", "").await?;
    rollout.assert_at_rest().await
}

/// Freezes or thaws a scope.
async fn throw(stack: &LocalStack, is_on: bool, scope: &FreezeScope) -> anyhow::Result<()> {
    let scope = scope.clone();
    let (verb, action) = if is_on {
        ("freeze", RequestedAction::Freeze { scope, expires_at: None })
    } else {
        ("thaw", RequestedAction::Thaw { scope })
    };
    let request = format!("{verb}-{}", jiff::Timestamp::now());
    let (status, reply) = say(stack, ANA, &request, action).await?;
    assert_eq!((status, receipt(reply)?.result), (200, OrderResult::Done));
    Ok(())
}

/// Waits for the event of the freeze or thaw, of a fleet or (without a name) of the account.
async fn heard(listener: &mut Listener, verb: &str, fleet: &str) -> anyhow::Result<()> {
    let is_it = |detail: &&serde_json::Value| text(detail, "/from") == verb && text(detail, "/fleet") == fleet;
    let come = |details: &[serde_json::Value]| details.iter().find(is_it).cloned();
    let event = listener.wait_for(&format!("the {verb} of {fleet:?}"), A_WHILE, come).await?;
    assert!(text(&event, "/reason").contains("incident 7") && text(&event, "/actor").contains(ANA), "{event:#}");
    Ok(())
}
