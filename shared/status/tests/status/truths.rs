//! What must be so of every status.

use driftless_planner::decide::Input;
use driftless_planner::explain;
use driftless_planner::explain::Answer;
use driftless_status::model::State;
use driftless_status::way_back::WayBackKind;

use crate::support::{Stage, fleet, secs};
use crate::worlds::{self, said, step};

fn way_back(stage: &Stage) -> (bool, WayBackKind) {
    let way = said(stage).way_back;
    (way.is_open, way.kind)
}

#[test]
fn an_explanation_decides_the_same_and_its_first_verdict_that_holds_is_what_is_waited_for() {
    for (name, mut stage) in worlds::all() {
        for _ in 0..40 {
            let fleet = fleet();
            let input = Input {
                fleet: &fleet,
                record: stage.record.as_ref(),
                facts: &stage.facts,
                outcomes: &stage.outcomes,
                freezes: &stage.freezes,
                seen: &stage.observation(),
                defaults: &stage.defaults,
                now: stage.now,
            };
            let explained = explain(input);
            assert_eq!(explained.decision, stage.decide(), "{name}");
            for (id, verdicts) in &explained.verdicts {
                let held = verdicts.iter().find_map(|verdict| match &verdict.answer {
                    Answer::Holds(waiting) => Some(waiting),
                    Answer::Agrees | Answer::NotAsked => None,
                });
                assert_eq!(held, explained.decision.waiting.get(id), "{name} {id}: {verdicts:#?}");
                for verdict in verdicts {
                    if let Answer::Holds(waiting) = &verdict.answer {
                        assert_eq!(verdict.guard, waiting.guard(), "{name}");
                    }
                }
            }
            step(&mut stage, secs(30));
        }
    }
}

#[test]
fn the_way_back_is_one_write_while_the_old_color_is_warm() {
    for phase in ["baking", "warm"] {
        let stage = worlds::cutting_over(worlds::weighted(3), phase);
        assert_eq!(way_back(&stage), (true, WayBackKind::OneWrite), "{phase}");
    }
}

#[test]
fn after_the_old_color_is_gone_a_rollback_has_to_launch_first() {
    let stage = worlds::after_cutover();
    assert_eq!(way_back(&stage), (true, WayBackKind::LaunchesFirst));
    assert_eq!(said(&stage).way_back.to.unwrap().image, crate::support::image_id(1));
}

#[test]
fn what_the_way_back_says_is_what_a_rollback_does() {
    use driftless_planner::fact::Command;
    for (name, mut stage) in worlds::all() {
        let way = said(&stage).way_back;
        let before = stage.told.len();
        stage.say(Command::Rollback);
        let decision = stage.decide();
        stage.commit(&decision);
        let answers = stage.told[before..].iter().any(|told| {
            matches!(told.news, driftless_planner::notification::News::CommandAnswered { is_done: true, .. })
        });
        let goes = stage.record().cutover.as_ref().is_some_and(|cutover| {
            cutover.is_going_back()
                || matches!(cutover.candidate.why, driftless_planner::record::CandidateReason::Rollback { .. })
        });
        match way.kind {
            WayBackKind::None => assert!(!goes, "{name}: {way:?}"),
            WayBackKind::UnderWay => assert!(goes && !answers, "{name}"),
            WayBackKind::JustEnds => assert!(answers && stage.record().cutover.is_none(), "{name}"),
            WayBackKind::OneWrite
            | WayBackKind::AttachFirst
            | WayBackKind::InParts
            | WayBackKind::GrowsFirst
            | WayBackKind::Refresh
            | WayBackKind::LetGo
            | WayBackKind::LaunchesFirst => assert!(answers && goes, "{name}: {way:?}"),
        }
    }
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
fn a_fleet_that_nobody_looked_at_is_said_to_be_so() {
    let said = said(&Stage::new(3));
    assert_eq!(said.state, State::Unadopted);
    assert_eq!((said.release, said.record_version), (None, None));
    assert_eq!((said.way_back.is_open, said.way_back.to), (false, None));
}

#[test]
fn a_history_is_newest_first_and_says_where_older_lines_begin() {
    use driftless_planner::decision::JournalEntry;
    let entry = |second: i64, to: &str| JournalEntry {
        at: crate::support::t0() + secs(second),
        instance: None,
        from: String::new(),
        to: to.to_owned(),
        why: "".into(),
        actor: "driftless".to_owned(),
        evidence: None,
    };
    let entries = [entry(0, "a"), entry(1, "b"), entry(1, "c"), entry(2, "d")];
    for (limit, shown, older_before) in
        [(3, "dcb", Some(crate::support::t0() + secs(1))), (4, "dcba", None), (5, "dcba", None)]
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
fn every_guard_of_a_blocked_instance_is_told_with_the_first_time_that_one_may_change() {
    use driftless_status::why::why;
    let (_, stage) = worlds::all().into_iter().find(|(name, _)| *name == "blocked").unwrap();
    let said = said(&stage);
    let answer = why(&said, &crate::support::id(1).as_str().parse().unwrap()).unwrap();
    let holding: Vec<&str> =
        answer.guards.iter().filter(|guard| guard.holds.is_some()).map(|guard| guard.guard.as_str()).collect();
    assert_eq!(holding, ["window"]);
    assert_eq!(answer.guards.len(), 22);
    assert_eq!(answer.may_change_at, answer.waits.unwrap().may_change_at);
}
