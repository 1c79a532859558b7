//! Questions and orders.

use std::convert::Infallible;

use driftless_api::{Caller, answer, order};
use driftless_planner::fact::Command;
use driftless_planner::ids::{FleetName, ImageId, InstanceId};
use driftless_planner::observation::FreezeScope;
use driftless_planner::policy::Defaults;
use driftless_reconciler::ports::{Acquired, Clock as _};
use driftless_simulator::executor::Simulation;
use driftless_simulator::function::Function;
use driftless_simulator::scenario::Scenario;
use driftless_status::history::History;
use driftless_status::model::{LeaseStatus, State};
use driftless_status::request::{
    Answer, CommandResult, Order, OrderResult, Question, Refusal, RefusalCause, Reply, RequestedAction,
};
use driftless_status::why::Subject;
use jiff::{SignedDuration, Timestamp};

const FLEET: &str =
    "fleet web: weighted, blue live, 3 instances, policy mode=act alarms=web-5xx\nby 6m expect idle\n";

fn web() -> FleetName {
    "web".parse().unwrap()
}

/// The fleet `web`, which the resync has seen.
fn idle() -> Simulation {
    let mut simulation = Scenario::parse(FLEET).unwrap().set_up().unwrap();
    pass(&mut simulation, SignedDuration::from_mins(6));
    simulation
}

fn pass(simulation: &mut Simulation, time: SignedDuration) {
    let until = simulation.shared().lock().now + time;
    let Ok(()) = simulation.run_until(until, |_| Ok::<(), Infallible>(()));
}

fn ask(simulation: &mut Simulation, question: Question) -> Answer {
    let visit = |ports: Function| async move {
        let until = ports.now() + SignedDuration::from_secs(20);
        answer(&ports, &Defaults::default(), &question, until).await
    };
    simulation.visit(visit).unwrap()
}

fn history(simulation: &mut Simulation, limit: usize) -> History {
    let answer = ask(simulation, Question::History { fleet: web(), instance: None, before: None, limit });
    let Answer::History(history) = answer else { panic!("{answer:?}") };
    history
}

fn state(simulation: &mut Simulation) -> (State, usize) {
    let answer = ask(simulation, Question::Fleet { fleet: web() });
    let Answer::Fleet(status) = answer else { panic!("{answer:?}") };
    (status.state, status.freezes.len())
}

fn ana() -> Caller {
    Caller::Signed("arn:aws:sts::123456789012:assumed-role/ops/ana".into())
}

fn say(simulation: &mut Simulation, asked: Order, patience: SignedDuration) -> Reply {
    let visit = |ports: Function| async move {
        let until = ports.now() + patience;
        let pause = |time| {
            let ports = ports.clone();
            async move { ports.pause(time).await }
        };
        order(&ports, &asked, &ana(), until, pause).await
    };
    simulation.visit(visit).unwrap()
}

fn of(action: RequestedAction, reason: Option<&str>) -> Order {
    Order { request: "request-1".to_owned(), reason: reason.map(Into::into), cutover: None, action }
}

fn rollback() -> Order {
    of(RequestedAction::Command { fleet: web(), command: Command::Rollback }, None)
}

fn freeze(scope: FreezeScope, expires_at: Option<Timestamp>) -> Order {
    of(RequestedAction::Freeze { scope, expires_at }, Some("incident 7"))
}

fn command_result(reply: Reply) -> CommandResult {
    match reply {
        Reply::CommandResult(command_result) => command_result,
        Reply::Refused(refusal) => panic!("{refusal:?}"),
    }
}

fn refusal(reply: Reply) -> Refusal {
    match reply {
        Reply::CommandResult(command_result) => panic!("{command_result:?}"),
        Reply::Refused(refusal) => refusal,
    }
}

const PATIENCE: SignedDuration = SignedDuration::from_secs(20);

#[test]
fn a_fleet_is_shown_as_the_loop_sees_it() {
    let mut simulation = idle();
    assert_eq!(state(&mut simulation), (State::Steady, 0));
    let Answer::Fleets(fleets) = ask(&mut simulation, Question::Fleets) else { panic!() };
    let names: Vec<&str> = fleets.fleets.iter().map(|summary| summary.fleet.as_str()).collect();
    assert_eq!((names, fleets.unread.len(), fleets.misnamed.len()), (vec!["web"], 0, 0));
}

#[test]
fn who_holds_the_lease_of_a_fleet_is_told_and_nobody_where_nobody_does() {
    let mut simulation = idle();
    let lease = |simulation: &mut Simulation| {
        let answer = ask(simulation, Question::Fleet { fleet: web() });
        let Answer::Fleet(status) = answer else { panic!("{answer:?}") };
        status.lease
    };
    assert_eq!(lease(&mut simulation), LeaseStatus::Free);
    let now = simulation.shared().lock().now;
    let until = now + SignedDuration::from_secs(40);
    let taken = simulation.shared().lock().table.acquire(&web(), "run-1", now, until);
    assert!(matches!(taken, Acquired::Held(_)));
    assert_eq!(lease(&mut simulation), LeaseStatus::Held { holder: "run-1".into(), until });
}

#[test]
fn what_is_not_there_is_said_to_be_not_there() {
    let mut simulation = idle();
    let other: FleetName = "other".parse().unwrap();
    let instance: InstanceId = "i-0ffffffffffffffff".parse().unwrap();
    let image: ImageId = "ami-0ffffffffffffffff".parse().unwrap();
    for question in [
        Question::Fleet { fleet: other.clone() },
        Question::Why { subject: Subject::Fleet(other), fleet: None },
        Question::Why { subject: Subject::Instance(instance), fleet: None },
        Question::Why { subject: Subject::Image(image), fleet: None },
    ] {
        let Answer::Refused(refusal) = ask(&mut simulation, question.clone()) else { panic!("{question:?}") };
        assert_eq!(refusal.cause, RefusalCause::NotFound, "{question:?}: {}", refusal.says);
    }
}

#[test]
fn why_of_an_instance_needs_no_fleet() {
    let mut simulation = idle();
    let instance = simulation.shared().lock().cloud.instances().keys().next().cloned().unwrap();
    let question = Question::Why { subject: Subject::Instance(instance), fleet: None };
    let Answer::Why(why) = ask(&mut simulation, question) else { panic!() };
    assert_eq!(why.fleet, web());
}

#[test]
fn a_question_for_no_line_or_too_many_is_refused() {
    let mut simulation = idle();
    for (limit, is_fine) in [(0, false), (1, true), (1_000, true), (1_001, false)] {
        let question = Question::History { fleet: web(), instance: None, before: None, limit };
        let answer = ask(&mut simulation, question);
        if is_fine {
            let Answer::History(history) = answer else { panic!("{limit}: {answer:?}") };
            assert!(history.lines.len() <= limit);
        } else {
            let Answer::Refused(refusal) = answer else { panic!("{limit}: {answer:?}") };
            assert_eq!(refusal.cause, RefusalCause::BadRequest, "{limit}: {}", refusal.says);
        }
    }
}

#[test]
fn a_command_is_followed_and_answered_with_what_came_of_it() {
    let mut simulation = idle();
    let command_result = command_result(say(&mut simulation, rollback(), PATIENCE));
    assert_eq!(command_result.result, OrderResult::NotDone);
    assert!(command_result.says.as_str().contains("no release to roll back to"), "{}", command_result.says);
    let history = history(&mut simulation, 1);
    let [line] = &history.lines[..] else { panic!("{history:?}") };
    assert_eq!((line.from.as_str(), line.to.as_str()), ("rollback", "not-done"));
    assert!(line.actor.as_str().ends_with("/ana"), "{}", line.actor);
}

#[test]
fn the_same_request_is_followed_once_and_answered_the_same() {
    let mut simulation = idle();
    let first = say(&mut simulation, rollback(), PATIENCE);
    assert_eq!(say(&mut simulation, rollback(), PATIENCE), first);
    let lines = history(&mut simulation, 500).lines;
    assert_eq!(lines.iter().filter(|line| line.from.as_str() == "rollback").count(), 1);
}

#[test]
fn an_order_that_nobody_has_followed_yet_is_pending_and_not_lost() {
    let mut simulation = idle();
    let hurried = command_result(say(&mut simulation, rollback(), SignedDuration::ZERO));
    assert_eq!(hurried.result, OrderResult::Pending);
    pass(&mut simulation, SignedDuration::from_mins(1));
    assert_eq!(command_result(say(&mut simulation, rollback(), SignedDuration::ZERO)).result, OrderResult::NotDone);
}

#[test]
fn a_freeze_holds_until_it_is_thawed_and_both_stand_in_the_history() {
    for scope in [FreezeScope::Fleet(web()), FreezeScope::Account] {
        let mut simulation = idle();
        let frozen = command_result(say(&mut simulation, freeze(scope.clone(), None), PATIENCE));
        assert_eq!(frozen.result, OrderResult::Done, "{}", frozen.says);
        assert_eq!(state(&mut simulation), (State::Frozen, 1));
        let thawed = command_result(say(&mut simulation, of(RequestedAction::Thaw { scope }, None), PATIENCE));
        assert_eq!(thawed.result, OrderResult::Done, "{}", thawed.says);
        assert_eq!(state(&mut simulation), (State::Steady, 0));
        let lines = history(&mut simulation, 2).lines;
        let actions: Vec<&str> = lines.iter().map(|line| line.from.as_str()).collect();
        assert_eq!(actions, ["thaw", "freeze"], "newest first");
        assert!(lines.iter().any(|line| line.why.as_str().contains("incident 7")), "{lines:?}");
    }
}

#[test]
fn a_freeze_without_a_reason_or_with_an_end_that_has_passed_is_refused() {
    let mut simulation = idle();
    let now = simulation.shared().lock().now;
    let scope = || FreezeScope::Fleet(web());
    let nameless = of(RequestedAction::Freeze { scope: scope(), expires_at: None }, None);
    let empty = of(RequestedAction::Freeze { scope: scope(), expires_at: None }, Some("  "));
    let over = freeze(scope(), Some(now - SignedDuration::from_mins(1)));
    for asked in [nameless, empty, over] {
        assert_eq!(refusal(say(&mut simulation, asked, PATIENCE)).cause, RefusalCause::BadRequest);
    }
    let ahead = freeze(scope(), Some(now + SignedDuration::from_mins(1)));
    assert_eq!(command_result(say(&mut simulation, ahead, PATIENCE)).result, OrderResult::Done);
}

#[test]
fn a_request_has_an_id_of_bounded_length_in_plain_characters() {
    let (longest, too_long) = ("a".repeat(64), "a".repeat(65));
    let ids = [("", false), ("a", true), (&longest, true), (&too_long, false), ("a b", false), ("a\u{7}", false)];
    let mut simulation = idle();
    for (request, is_fine) in ids {
        let reply = say(&mut simulation, Order { request: request.to_owned(), ..rollback() }, PATIENCE);
        assert_eq!(matches!(reply, Reply::CommandResult(_)), is_fine, "{request}: {reply:?}");
    }
}

#[test]
fn an_order_to_a_fleet_that_nobody_knows_is_refused() {
    let mut simulation = idle();
    let fleet: FleetName = "other".parse().unwrap();
    let asked = of(RequestedAction::Command { fleet, command: Command::Pause }, None);
    assert_eq!(refusal(say(&mut simulation, asked, PATIENCE)).cause, RefusalCause::NotFound);
}
