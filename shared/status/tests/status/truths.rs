//! Properties of every status document.

use driftless_planner::action::{Action, Direction};
use driftless_planner::fact::Command;
use driftless_planner::fleet::Color;
use driftless_planner::image::{Image, ImageState};
use driftless_planner::notification::{Details, Notification};
use driftless_planner::record::CandidateReason;
use driftless_status::model::State;
use driftless_status::rollback_path::{RollbackPathKind, Target};
use driftless_testkit::{Stage, fleet, image, secs, target_group, version};

use crate::worlds::{self, said};

fn rollback_path(stage: &Stage) -> (bool, RollbackPathKind) {
    let way = said(stage).rollback_path;
    (way.is_open, way.kind)
}

#[test]
fn the_rollback_is_one_write_while_the_old_color_is_warm() {
    for phase in ["baking", "warm"] {
        let stage = worlds::cutting_over(worlds::weighted(3), phase);
        assert_eq!(rollback_path(&stage), (true, RollbackPathKind::OneWrite), "{phase}");
    }
}

#[test]
fn the_rollback_target_can_be_launched_while_its_image_is_available_and_its_template_exists() {
    let stage = worlds::after_cutover();
    let to = said(&stage).rollback_path.to.expect("a rollback is possible");
    let image = |state| Image { id: to.image.clone(), state, ..image(1) };
    let (available, pending) = (image(ImageState::Available), image(ImageState::Pending));
    let template = &stage.templates[&version(1)];
    assert_eq!(Target::of(&to, Some(&available), Some(template)), Target::Launchable);
    for (image, template, words) in [
        (None, Some(template), "no longer exists, or is not shared"),
        (Some(&pending), Some(template), "is not available"),
        (Some(&available), None, "no longer exists"),
    ] {
        let target = Target::of(&to, image, template);
        let Target::Unlaunchable { why } = &target else { panic!("{target:?}") };
        assert!(why.as_str().contains(words), "{why}");
    }
}

#[test]
fn after_the_old_color_is_gone_a_rollback_has_to_launch_first() {
    let stage = worlds::after_cutover();
    assert_eq!(rollback_path(&stage), (true, RollbackPathKind::LaunchesFirst));
    assert_eq!(said(&stage).rollback_path.to.unwrap().image, driftless_testkit::image_id(1));
}

#[test]
fn a_rollback_does_what_its_description_says() {
    for (name, mut stage) in worlds::all() {
        for _ in 0..40 {
            rolls_back_as_said(name, &stage);
            stage.step(secs(30));
        }
    }
}

fn rolls_back_as_said(name: &str, stage: &Stage) {
    let way = said(stage).rollback_path;
    let mut asked = stage.clone();
    asked.say(Command::Rollback);
    let decision = asked.decide();
    let is_done = |told: &Notification| matches!(told.details, Details::CommandAnswered { is_done: true, .. });
    let is_answered = decision.notifications.iter().any(is_done);
    let goes = decision.next.cutover.as_ref().is_some_and(|cutover| {
        cutover.is_going_back() || matches!(cutover.candidate.why, CandidateReason::Rollback { .. })
    });
    let takes_back = |action: &Action| matches!(action, Action::SetWeights { direction: Direction::Back, .. });
    let writes = decision.actions.iter().filter(|action| takes_back(action)).count();
    match way.kind {
        RollbackPathKind::None => assert!(!goes, "{name}: {way:?}"),
        RollbackPathKind::UnderWay => assert!(!is_answered && (goes || decision.next.cutover.is_none()), "{name}"),
        RollbackPathKind::JustEnds => assert!(is_answered && decision.next.cutover.is_none(), "{name}"),
        RollbackPathKind::OneWrite => {
            asked.scripted.clear();
            asked.reconcile();
            let is_weighted = asked.traffic.contains_key(&target_group("green"));
            assert!(is_answered && goes, "{name}: {way:?}");
            assert!(!is_weighted || (writes, asked.weight("green")) == (1, 0), "{name}: {way:?}");
        }
        RollbackPathKind::InParts => assert!(is_answered && goes && writes <= 1, "{name}: {way:?}"),
        RollbackPathKind::AttachFirst
        | RollbackPathKind::GrowsFirst
        | RollbackPathKind::Waits
        | RollbackPathKind::Refresh
        | RollbackPathKind::ScaledToZero
        | RollbackPathKind::LaunchesFirst => assert!(is_answered && goes && writes == 0, "{name}: {way:?}"),
    }
}

#[test]
fn the_rollback_follows_the_health_of_the_old_color() {
    for (sick, kind) in
        [(0, RollbackPathKind::OneWrite), (3, RollbackPathKind::InParts), (4, RollbackPathKind::GrowsFirst)]
    {
        let mut stage = worlds::at_half();
        let blue: Vec<_> = stage.groups[0].members.iter().take(sick).map(|member| member.id.clone()).collect();
        stage.sick.extend(blue);
        let way = said(&stage).rollback_path;
        assert_eq!((way.is_open, way.kind), (true, kind), "{sick} of the old color do not serve: {way:?}");
        assert_eq!(way.waits.is_some(), sick > 0, "{way:?}");
    }
}

#[test]
fn a_pause_stops_the_time_that_is_left() {
    let mut stage = worlds::cutting_over(worlds::weighted(3), "warm");
    let left = |stage: &Stage| said(stage).cutover.unwrap().phase_left_seconds.unwrap();
    let before = left(&stage);
    stage.say(Command::Pause);
    stage.reconcile();
    for _ in 0..3 {
        stage.step(secs(60));
        let said = said(&stage).cutover.unwrap();
        assert_eq!(said.phase_left_seconds, Some(before));
        assert_eq!((said.phase_ends_at, said.deadline), (None, None));
        assert!(said.paused_since.is_some());
    }
    stage.say(Command::Resume);
    stage.reconcile();
    assert_eq!(left(&stage), before);
    stage.wait(secs(10));
    assert_eq!(left(&stage), before - 10);
}

#[test]
fn asking_changes_nothing() {
    for (name, stage) in worlds::all() {
        let before = stage.record.clone();
        assert_eq!(said(&stage), said(&stage), "{name}");
        assert_eq!(stage.record, before, "{name}");
    }
}

#[test]
fn a_fleet_that_was_never_reconciled_is_shown_as_such() {
    let said = said(&Stage::new(3));
    assert_eq!(said.state, State::Unadopted);
    assert_eq!((said.release, said.record_version), (None, None));
    assert_eq!((said.rollback_path.is_open, said.rollback_path.to), (false, None));
}

#[test]
fn a_history_is_newest_first_and_says_where_older_lines_begin() {
    use driftless_planner::history::{Change, HistoryEntry};
    let entry = |second: i64, to: &str| HistoryEntry {
        at: driftless_testkit::t0() + secs(second),
        actor: "driftless".to_owned(),
        change: Change::Condition { key: to.to_owned(), is_over: false },
        why: "".into(),
    };
    let entries = [entry(0, "a"), entry(1, "b"), entry(1, "c"), entry(2, "d")];
    for (limit, shown, older_before) in
        [(3, "dcb", Some(driftless_testkit::t0() + secs(1))), (4, "dcba", None), (5, "dcba", None)]
    {
        let history = driftless_status::history::history(fleet(), entries.clone(), limit);
        let tos: String = history.lines.iter().map(|line| line.to.as_str()).collect();
        assert_eq!((tos.as_str(), history.older_before), (shown, older_before), "{limit}");
    }
}

#[test]
fn why_tells_an_instance_from_an_image_and_a_fleet() {
    use driftless_status::why::{Subject, WhyError, why};
    for (text, is_fleet) in [("app", true), ("i-00000001", false), ("ami-00000001", false), ("i-1", true)] {
        let subject: Subject = text.parse().unwrap();
        assert_eq!(matches!(subject, Subject::Fleet(_)), is_fleet, "{text}");
    }
    assert!("App".parse::<Subject>().is_err());
    let said = said(&Stage::new(3));
    let other = why(&said, &"web".parse().unwrap());
    assert!(matches!(other, Err(WhyError::OtherFleet { .. })), "{other:?}");
}

#[test]
fn every_guard_of_a_blocked_instance_is_listed_with_the_first_time_that_one_may_change() {
    use driftless_status::why::why;
    let (_, stage) = worlds::all().into_iter().find(|(name, _)| *name == "blocked").unwrap();
    let said = said(&stage);
    let answer = why(&said, &driftless_testkit::id(1).as_str().parse().unwrap()).unwrap();
    let holding: Vec<&str> =
        answer.guards.iter().filter(|guard| guard.holds.is_some()).map(|guard| guard.guard.as_str()).collect();
    assert_eq!(holding, ["window"]);
    assert_eq!(answer.guards.len(), 23);
    assert_eq!(answer.may_change_at, answer.waits.unwrap().may_change_at);
}

#[test]
fn every_check_of_an_image_is_listed_and_the_first_that_blocks_is_the_reason() {
    use driftless_status::why::why;
    let mut stage = worlds::weighted(3);
    for (number, change) in [(2, "backup"), (3, "architecture"), (4, "older")] {
        stage.publish(number);
        let image = stage.images.last_mut().unwrap();
        match change {
            "backup" => image.is_backup = true,
            "architecture" => image.architecture = "arm64".into(),
            _ => image.build = Some("0".into()),
        }
    }
    stage.reconcile();
    let said = said(&stage);
    assert_eq!(said.images.iter().map(|image| image.guards.len()).collect::<Vec<_>>(), [9; 3]);
    for (number, why_not) in
        [(2, "the image is a backup"), (3, "the architecture of the image is arm64"), (4, "the image is not newer")]
    {
        let id = driftless_testkit::image_id(number);
        let answer = why(&said, &id.as_str().parse().unwrap()).unwrap();
        assert!(answer.says.as_str().contains(why_not), "{}", answer.says);
        let refused = said.refused.iter().find(|refused| refused.image == id);
        assert!(refused.is_none_or(|refused| answer.says.as_str().contains(refused.why.as_str())), "{}", answer.says);
        assert_eq!(answer.guards.iter().filter(|guard| guard.holds.is_some()).count(), 1);
    }
}

#[test]
fn every_check_of_a_preflight_is_listed() {
    let mut stage = worlds::weighted(3);
    stage.go_into_alarm("web-5xx", Some(Color::Blue));
    stage.publish(2);
    stage.until(|stage| stage.record().cutover.as_ref().is_some_and(|cutover| cutover.waits.is_some()));
    let cutover = said(&stage).cutover.unwrap();
    assert_eq!(cutover.phase, "preflight");
    let holding: Vec<(&str, &str)> = cutover
        .guards
        .iter()
        .filter(|guard| guard.holds.is_some())
        .map(|guard| (guard.guard.as_str(), guard.asks.as_str()))
        .collect();
    assert_eq!(holding, [("preflight", "every guard alarm exists and none is in ALARM")]);
    assert_eq!(cutover.guards.len(), 15);
    assert_eq!(cutover.waits.as_ref(), cutover.guards.iter().find_map(|guard| guard.holds.as_ref()));
}

#[test]
fn a_rollback_that_launches_first_says_what_blocks_it() {
    let frozen = {
        let mut stage = worlds::after_cutover();
        stage.freezes.push(driftless_testkit::freeze(stage.now, None));
        stage
    };
    let invalid = {
        let mut stage = worlds::after_cutover();
        stage.tag("budget", "many");
        stage
    };
    let observed = {
        let mut stage = worlds::after_cutover();
        stage.tag("mode", "observe");
        stage
    };
    for (stage, kind, why) in [
        (frozen, RollbackPathKind::LaunchesFirst, "frozen by ana"),
        (invalid, RollbackPathKind::None, "the policy is invalid"),
        (observed, RollbackPathKind::None, "driftless:mode is observe"),
    ] {
        let way = said(&stage).rollback_path;
        assert_eq!((way.is_open, way.kind), (false, kind), "{way:?}");
        let waits = way.waits.map(|waits| waits.why.to_string()).unwrap_or_default();
        assert!(format!("{}{waits}", way.says).contains(why), "{}", way.says);
    }
}

#[test]
fn a_rollback_that_cannot_begin_yet_is_shown() {
    let mut stage = worlds::after_cutover();
    stage.tag("mode", "observe");
    assert_eq!(said(&stage).requested, None);
    stage.say(Command::Rollback);
    stage.reconcile();
    assert_eq!(said(&stage).requested, Some("rollback, by ana".into()));
}

#[test]
fn every_available_command_is_carried_out_as_described() {
    let mut seen = std::collections::BTreeSet::new();
    for (name, stage) in worlds::all() {
        for order in said(&stage).orders {
            let mut stage = stage.clone();
            stage.say(order.command.clone());
            let decision = stage.decide();
            let mut answers = decision.notifications.iter().filter_map(|told| {
                let Details::CommandAnswered { is_done, answer, .. } = &told.details else { return None };
                Some((*is_done, answer.clone()))
            });
            let answer = answers.next_back();
            assert_eq!(answer, Some((true, order.answer.clone())), "{name}: {order:?}");
            let mut word = serde_json::to_value(&order.command).unwrap();
            seen.insert(word["command"].take().as_str().unwrap().to_owned());
        }
    }
    let all = ["abort", "approve", "pause", "promote", "resume", "retry", "rollback"];
    assert_eq!(seen.iter().map(String::as_str).collect::<Vec<_>>(), all);
}

#[test]
fn no_available_command_would_change_nothing() {
    for (name, stage) in worlds::all() {
        let status = said(&stage);
        let is_open = |command: Command| status.orders.iter().any(|open| open.command == command);
        let cutover = status.cutover.as_ref();
        let is_paused = cutover.is_some_and(|cutover| cutover.paused_by.is_some());
        assert!(!(is_paused && is_open(Command::Pause)), "{name}");
        assert_eq!(
            is_open(Command::Resume),
            status.go_on.as_ref().is_some_and(|go_on| go_on.contains(" resume ")),
            "{name}"
        );
        assert!(!(is_open(Command::Abort) && is_open(Command::Rollback)), "{name}: two words for the same");
        assert!(!is_open(Command::Rollback) || status.rollback_path.command.is_some(), "{name}");
        if cutover.is_some_and(|cutover| cutover.phase == "awaiting-approval") {
            assert!(is_open(Command::Approve), "{name}");
        }
    }
}
