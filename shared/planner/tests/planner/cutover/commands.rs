//! What people say, and what becomes of it.

use driftless_planner::fact::Command;
use driftless_planner::fleet::Color;
use driftless_planner::notification::News;
use driftless_planner::record::{ANSWERED_MAX, CutoverOutcome};
use driftless_planner::waiting::Waiting;
use driftless_testkit::{image_id, mins, secs};

use super::{in_phase, is_as_before, until_over, weighted_fleet};

#[test]
fn manual_approval_is_waited_for_and_a_day_is_enough() {
    let mut stage = weighted_fleet(3);
    stage.tag("approval", "manual");
    stage.publish(2);
    stage.until_phase("awaiting-approval");
    let since = stage.record().cutover.as_ref().unwrap().since();
    let mut late = stage.clone();
    late.now = since + mins(24 * 60);
    late.look();
    assert_eq!(late.cutover_phase(), Some("aborting"));
    assert_eq!(until_over(&mut late), CutoverOutcome::Aborted);
    is_as_before(&late, 3);
    stage.say(Command::Approve);
    stage.step(secs(1));
    assert_eq!(stage.cutover_phase(), Some("shifting"));
    assert!(stage.answer().0);
}

#[test]
fn a_verdict_on_one_cutover_says_nothing_of_the_next() {
    for verdict in [Command::Approve, Command::Reject] {
        let mut stage = weighted_fleet(3);
        stage.tag("approval", "check");
        stage.say_of(Some("app-0".to_owned()), verdict.clone());
        stage.step(secs(1));
        assert!(!stage.answer().0 && stage.answer().1.contains("not under way"), "{:?}", stage.answer());
        stage.publish(2);
        stage.until_phase("awaiting-approval");
        let checked = stage.record().cutover.as_ref().unwrap().id.clone();
        // While the check runs a newer image takes its place.
        stage.publish(3);
        stage.step(secs(15));
        stage.until_phase("awaiting-approval");
        let newer = stage.record().cutover.as_ref().unwrap().id.clone();
        assert_ne!(checked, newer);
        stage.say_of(Some(checked.clone()), verdict.clone());
        stage.step(secs(1));
        let (is_done, says) = stage.answer();
        assert!(!is_done && says.contains(&checked) && says.contains(&newer), "{says}");
        assert_eq!(stage.cutover_phase(), Some("awaiting-approval"));
        stage.say_of(Some(newer), verdict);
        stage.step(secs(1));
        assert!(stage.answer().0, "{:?}", stage.answer());
        assert_ne!(stage.cutover_phase(), Some("awaiting-approval"));
    }
}

/// The template version that was written for the one is not taken for the other's.
#[test]
fn two_cutovers_of_one_second_are_two() {
    let mut stage = weighted_fleet(3);
    let mut ids = Vec::new();
    for number in 2..=4 {
        stage.publish(number);
        while stage.record().cutover.as_ref().is_none_or(|cutover| cutover.template.is_none()) {
            stage.step(secs(0));
        }
        let begun = stage.record().cutover.clone().unwrap();
        assert_eq!(stage.templates[&begun.template.unwrap()].image, Some(begun.candidate.image));
        ids.push(begun.id);
        stage.say(Command::Abort);
        while stage.record().cutover.is_some() {
            stage.step(secs(0));
        }
    }
    let second = stage.now.as_second();
    assert_eq!(ids, [0, 1, 2].map(|later| format!("app-{}", second + later)));
}

#[test]
fn abort_before_traffic_undoes_it_and_holds_the_image_back() {
    for phase in ["queued", "preflight", "preparing", "scaling", "verifying"] {
        let mut stage = weighted_fleet(3);
        stage.publish(2);
        if ["queued", "preflight"].contains(&phase) {
            for other in ["one", "two", "three"] {
                stage.account.turns.insert(other.parse().unwrap(), stage.now);
            }
            stage.steps(2, secs(15));
        } else {
            stage.until_phase(phase);
        }
        stage.say(Command::Abort);
        stage.look();
        stage.account.turns.retain(|name, _| name.as_str() == "app");
        assert!(stage.answer().0, "{phase}: {:?}", stage.answer());
        assert_eq!(until_over(&mut stage), CutoverOutcome::Aborted, "{phase}");
        is_as_before(&stage, 3);
        stage.steps(5, mins(60));
        assert_eq!(stage.record().cutover, None, "{phase}: held back");
        stage.say(Command::Retry);
        stage.look();
        stage.until_phase("scaling");
    }
}

#[test]
fn a_command_that_stays_on_file_after_its_commit_is_followed_once() {
    let mut stage = weighted_fleet(3);
    stage.publish(2);
    assert_eq!(until_over(&mut stage), CutoverOutcome::Done);
    stage.say(Command::Rollback);
    let filed = stage.facts.clone();
    let told = stage.told.len();
    for _ in 0..3 {
        // It was filed while the run held the lease: what is consumed stays until the next lease.
        stage.facts.clone_from(&filed);
        stage.look();
    }
    assert!(stage.record().cutover.is_some(), "a second rollback would have undone the first one");
    let answers = stage.told.iter().skip(told).filter(|told| matches!(told.news, News::CommandAnswered { .. })).count();
    assert_eq!(answers, 1);
    assert!(stage.facts.is_empty(), "it is consumed at each look all the same");
}

#[test]
fn a_command_whose_message_comes_again_long_after_it_was_followed_is_followed_once() {
    let mut stage = weighted_fleet(3);
    stage.say(Command::Rollback);
    let filed = stage.facts.clone();
    let told = stage.told.len();
    stage.look();
    // Its function died after the commit: by the time that the message is seen again, the fact is off file.
    stage.wait(secs(180));
    stage.look();
    stage.facts.clone_from(&filed);
    stage.look();
    let answers = stage.told.iter().skip(told).filter(|told| matches!(told.news, News::CommandAnswered { .. })).count();
    assert_eq!(answers, 1);
}

#[test]
fn so_many_requests_are_remembered_and_the_oldest_are_forgotten_first() {
    let mut stage = weighted_fleet(3);
    for _ in 0..=ANSWERED_MAX {
        stage.say(Command::Rollback);
        stage.look();
    }
    stage.look();
    let newest = stage.record().answered.last().cloned();
    assert_eq!(stage.record().answered.len(), ANSWERED_MAX);
    stage.say(Command::Rollback);
    stage.look();
    stage.look();
    let newest = newest.unwrap();
    assert_eq!(stage.record().answer_to(&newest.request), Some(&newest));
    assert!(!newest.is_done && newest.answer.as_str().contains("nothing to go back to"), "{newest:?}");
}

#[test]
fn a_pause_stops_the_clocks_until_resume() {
    let mut stage = in_phase(3, "baking");
    stage.say(Command::Pause);
    stage.steps(10, mins(30));
    assert_eq!(stage.cutover_phase(), Some("baking"));
    let waits = stage.record().cutover.as_ref().unwrap().waits.clone();
    assert_eq!(waits, Some(Waiting::Paused { actor: "ana".into() }));
    stage.say(Command::Resume);
    stage.step(secs(15));
    assert_eq!(stage.cutover_phase(), Some("baking"), "its clock goes on from where it stood");
    assert_eq!(until_over(&mut stage), CutoverOutcome::Done);
}

#[test]
fn a_veto_of_what_has_traffic_takes_it_back() {
    let mut stage = in_phase(3, "baking");
    stage.say(Command::Veto { image: image_id(2) });
    stage.look();
    assert_eq!(stage.weight("green"), 0);
    assert_eq!(until_over(&mut stage), CutoverOutcome::RolledBack);
}

#[test]
fn accept_live_settles_what_load_balancer_and_record_disagree_on() {
    let mut stage = weighted_fleet(3);
    stage.weigh(&[("blue", 0), ("green", 100)]);
    stage.look();
    assert!(stage.record().conditions.contains_key("misconfigured"));
    stage.say(Command::AcceptLive { color: Color::Green });
    stage.look();
    assert!(stage.answer().0);
    assert!(!stage.record().conditions.contains_key("misconfigured"));
    assert_eq!(stage.record().live, Some(Color::Green));
}
