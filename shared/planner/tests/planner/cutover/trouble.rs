//! What goes wrong, and what becomes of it.

use driftless_planner::fact::Command;
use driftless_planner::fleet::Color;
use driftless_planner::observation::{LaunchFailure, Lifecycle};
use driftless_planner::record::CutoverOutcome;
use driftless_planner::waiting::{GuardId, Waiting};
use driftless_testkit::{Stage, freeze, image_id, mins, secs, target_group};

use super::{color, color_mut, in_phase, is_as_before, phases, quiet, sicken, until_over, weighted_fleet};

fn waits(stage: &Stage) -> Option<&Waiting> {
    stage.record().cutover.as_ref().and_then(|cutover| cutover.waits.as_ref())
}

#[test]
fn alarms_of_both_colors_hold_the_traffic_where_it_is() {
    let mut stage = weighted_fleet(4);
    stage.tag("alarms", "web-5xx;api-5xx");
    stage.publish(2);
    stage.until_phase("baking");
    stage.ring("web-5xx", Some(Color::Green));
    stage.ring("api-5xx", Some(Color::Blue));
    stage.steps(20, mins(1));
    assert_eq!(waits(&stage).map(Waiting::guard), Some(GuardId::BothColorsAlarm));
    assert_eq!((stage.weight("green"), stage.cutover_phase()), (100, Some("baking")));
    assert!(stage.record().memory.vetoes.is_empty());
    quiet(&mut stage, "web-5xx");
    quiet(&mut stage, "api-5xx");
    assert_eq!(until_over(&mut stage), CutoverOutcome::Done);
}

#[test]
fn an_alarm_of_the_old_color_alone_does_not_stop_the_way_to_the_new_one() {
    let mut stage = in_phase(4, "shifting");
    stage.ring("web-5xx", Some(Color::Blue));
    assert_eq!(until_over(&mut stage), CutoverOutcome::Done);
}

/// No instance of green comes, for this reason.
fn without_launches(message: &str) -> Stage {
    let mut stage = weighted_fleet(4);
    stage.launches = false;
    stage.publish(2);
    stage.until_phase("scaling");
    stage.wait(secs(30));
    let failure = LaunchFailure { at: stage.now, message: message.into() };
    stage.launch_failures.insert("app-green".parse().unwrap(), failure);
    stage
}

#[test]
fn a_shortage_gives_up_without_a_veto_and_tries_again_later() {
    let mut stage = without_launches("InsufficientInstanceCapacity: no room");
    assert_eq!(until_over(&mut stage), CutoverOutcome::Aborted);
    is_as_before(&stage, 4);
    assert!(stage.record().memory.vetoes.is_empty());
    stage.launches = true;
    stage.launch_failures.clear();
    assert_eq!(stage.cutover_phase(), None);
    stage.until_phase("warm");
}

#[test]
fn a_launch_that_was_asked_for_wrongly_speaks_against_the_image_at_once() {
    let mut stage = without_launches("The image id '[ami-2]' does not exist");
    assert_eq!(until_over(&mut stage), CutoverOutcome::Aborted);
    assert!(stage.record().memory.vetoes.contains_key(&image_id(2)));
    stage.launches = true;
    is_as_before(&stage, 4);
}

#[test]
fn weights_of_another_hand_stay_and_a_person_is_asked_after_half_an_hour() {
    let mut stage = in_phase(4, "shifting");
    stage.until(|stage| stage.weight("green") == 10);
    stage.traffic.insert(target_group("green"), vec![33]);
    stage.step(mins(29));
    stage.step(secs(59));
    assert_eq!(waits(&stage).map(Waiting::guard), Some(GuardId::Traffic));
    stage.look();
    assert_eq!(stage.cutover_phase(), Some("shifting"));
    stage.wait(secs(2));
    stage.look();
    assert_eq!(stage.cutover_phase(), Some("needs-operator"));
    assert!(matches!(waits(&stage), Some(Waiting::NeedsOperator { .. })));
    assert_eq!(stage.weight("green"), 33);
    stage.say(Command::Resume);
    assert_eq!(until_over(&mut stage), CutoverOutcome::Done);
}

/// A cutover of which a person has written these weights, until it asks that person.
fn needs_operator(green: u32) -> Stage {
    let mut stage = in_phase(4, "shifting");
    stage.until(|stage| stage.weight("green") == 10);
    stage.traffic.insert(target_group("green"), vec![green]);
    stage.traffic.insert(target_group("blue"), vec![100 - green]);
    stage.until_phase("needs-operator");
    stage
}

#[test]
fn what_a_person_resumes_goes_on_from_the_weights_that_are_there_and_takes_no_traffic_away() {
    // The steps of the policy are 10, 50 and 100: it goes on with the first that takes none away.
    for (weight, first_written) in [(1, 10), (9, 10), (11, 50), (49, 50), (50, 100), (51, 100), (80, 100), (99, 100)] {
        let mut stage = needs_operator(weight);
        stage.say(Command::Resume);
        let mut written = weight;
        for _ in 0..400 {
            let before = stage.weight("green");
            stage.step(secs(5));
            let now = stage.weight("green");
            assert!(now >= before, "{weight}: from {before} to {now}");
            if now != before && written == weight {
                written = now;
            }
        }
        assert_eq!(written, first_written, "{weight}");
        assert_eq!(stage.weight("green"), 100, "{weight}");
    }
}

#[test]
fn what_a_person_resumes_has_a_deadline_and_goes_back_when_it_runs_out() {
    let mut stage = needs_operator(30);
    stage.say(Command::Resume);
    sicken(&mut stage, Color::Green, 1);
    stage.look();
    let cutover = stage.record().cutover.clone().unwrap();
    assert_eq!(stage.cutover_phase(), Some("shifting"));
    assert!(cutover.deadline() < stage.now + mins(120), "{:?}", cutover.deadline());
    stage.until_phase("rolling-back");
    assert_eq!(until_over(&mut stage), CutoverOutcome::RolledBack);
}

#[test]
fn a_new_color_of_which_fewer_than_half_serve_loses_its_traffic_at_once() {
    for (sick, phase) in [(2, "shifting"), (3, "rolling-back")] {
        let mut stage = in_phase(4, "shifting");
        stage.until(|stage| stage.weight("green") == 10);
        sicken(&mut stage, Color::Green, sick);
        stage.step(secs(1));
        assert_eq!(stage.cutover_phase(), Some(phase), "{sick}");
    }
}

#[test]
fn traffic_goes_back_at_once_if_the_old_color_is_the_healthier_one_and_else_in_proportion() {
    for (sick_old, sick_new, left) in [(0, 4, 0), (1, 3, 0), (3, 3, 50), (3, 4, 0), (4, 3, 100)] {
        let mut stage = in_phase(4, "warm");
        sicken(&mut stage, Color::Blue, sick_old);
        sicken(&mut stage, Color::Green, sick_new);
        stage.look();
        assert_eq!(stage.cutover_phase(), Some("rolling-back"));
        assert_eq!(stage.weight("green"), left, "{sick_old} of 4 old and {sick_new} of 4 new are sick");
        let is_short = 4 - sick_old < 4;
        assert_eq!(stage.record().conditions.contains_key("rollback-below-floor"), is_short);
        stage.sick.clear();
        assert_eq!(until_over(&mut stage), CutoverOutcome::RolledBack);
        is_as_before(&stage, 4);
    }
}

#[test]
fn a_minimum_that_another_hand_wrote_stays_when_all_is_put_back() {
    let mut stage = in_phase(4, "baking");
    color_mut(&mut stage, Color::Blue).min = 3;
    stage.ring("web-5xx", Some(Color::Green));
    stage.look();
    assert_eq!(until_over(&mut stage), CutoverOutcome::RolledBack);
    assert_eq!(color(&stage, Color::Blue).min, 3);
    assert_eq!(stage.record().ledger, []);
}

#[test]
fn all_turns_taken_it_waits_for_one() {
    let mut stage = weighted_fleet(3);
    for other in ["one", "two", "three"] {
        stage.account.turns.insert(other.parse().unwrap(), stage.now);
    }
    stage.publish(2);
    stage.steps(5, mins(1));
    assert_eq!(stage.cutover_phase(), Some("queued"));
    assert_eq!(waits(&stage).map(Waiting::guard), Some(GuardId::Turn));
    stage.account.turns.remove(&"two".parse().unwrap());
    assert_eq!(until_over(&mut stage), CutoverOutcome::Done);
    assert!(phases(&stage).contains(&"preflight"));
}

#[test]
fn an_alarm_that_rings_already_stops_the_preflight() {
    let mut stage = weighted_fleet(3);
    stage.ring("web-5xx", None);
    stage.publish(2);
    stage.steps(5, mins(1));
    assert_eq!(waits(&stage).map(Waiting::guard), Some(GuardId::Preflight));
    assert_eq!(stage.acted.iter().filter(|outcome| outcome.action.group().is_some()).count(), 0);
    quiet(&mut stage, "web-5xx");
    stage.until_phase("scaling");
}

#[test]
fn no_replacement_starts_from_preparing_to_baking() {
    for phase in ["preparing", "scaling", "verifying", "shifting", "baking"] {
        let mut stage = in_phase(4, phase);
        let of_live = if phase == "baking" { Color::Green } else { Color::Blue };
        let drifted = color(&stage, of_live).members[0].id.clone();
        stage.drift_under(drifted.clone(), driftless_testkit::RULE);
        // Both colors break it: no evidence against the release.
        let other = color(&stage, of_live.other()).members.first().map(|member| member.id.clone());
        if let Some(other) = other {
            stage.drift_under(other, driftless_testkit::RULE);
        }
        stage.step(secs(1));
        let known = stage.record().replacements.get(&drifted).map(|work| work.phase().clone());
        if stage.cutover_phase() == Some(phase) {
            stage.wait(mins(5));
            let decision = stage.decide();
            let waiting = decision.waiting.get(&drifted);
            assert_eq!(waiting, Some(&Waiting::CutoverUnderWay), "{phase}: {known:?}");
        }
    }
}

#[test]
fn a_rule_is_no_evidence_once_the_old_color_has_nobody_to_compare_with() {
    for (old, phase) in [
        (Lifecycle::InService, Some("aborting")),
        (Lifecycle::Pending, Some("shifting")),
        (Lifecycle::Terminating, Some("shifting")),
    ] {
        let mut stage = in_phase(1, "verifying");
        let of_new = color(&stage, Color::Green).members[0].id.clone();
        stage.drift_under(of_new, driftless_testkit::RULE);
        stage.now += mins(6);
        let blue = color(&stage, Color::Blue).name.clone();
        let blue = stage.groups.iter_mut().find(|group| group.name == blue).unwrap();
        blue.members[0].lifecycle = old;
        stage.look();
        assert_eq!(stage.cutover_phase(), phase);
    }
}

#[test]
fn a_cutover_waits_for_the_replacements_under_way() {
    let mut stage = weighted_fleet(4);
    stage.drift(1);
    stage.debounce();
    assert_eq!(stage.phase(1), "launching");
    stage.publish(2);
    stage.step(secs(1));
    assert_eq!(waits(&stage), Some(&Waiting::ReplacementsUnderWay { surges: 1 }));
    assert_eq!(until_over(&mut stage), CutoverOutcome::Done);
}

#[test]
fn an_alarm_that_is_deleted_in_the_middle_holds_the_traffic() {
    let mut stage = in_phase(4, "baking");
    let alarm = stage.alarms.remove(&"web-5xx".parse().unwrap()).unwrap();
    stage.steps(30, mins(1));
    assert!(matches!(waits(&stage), Some(Waiting::GuardAlarmMissing { .. })));
    assert_eq!((stage.weight("green"), stage.cutover_phase()), (100, Some("baking")));
    stage.alarms.insert("web-5xx".parse().unwrap(), alarm);
    assert_eq!(until_over(&mut stage), CutoverOutcome::Done);
}

#[test]
fn what_too_few_serve_for_is_said() {
    let mut stage = in_phase(4, "shifting");
    stage.until(|stage| stage.weight("green") == 10);
    sicken(&mut stage, Color::Green, 1);
    stage.step(secs(1));
    assert_eq!(waits(&stage), Some(&Waiting::ColorBelowFloor { serving: 3, floor: 4 }));
    sicken(&mut stage, Color::Green, 4);
    sicken(&mut stage, Color::Blue, 4);
    stage.step(secs(1));
    assert_eq!(waits(&stage), Some(&Waiting::RollbackBelowFloor { serving: 0, floor: 4 }));
}

#[test]
fn the_last_that_serve_are_not_let_go_however_bad_their_image() {
    for (serving_of_old, phase) in [(0, Some("aborting")), (1, None), (2, None)] {
        let mut stage = weighted_fleet(4);
        stage.tag("approval", "manual");
        stage.publish(2);
        stage.until_phase("awaiting-approval");
        sicken(&mut stage, Color::Blue, 4 - serving_of_old);
        stage.say(Command::Abort);
        stage.steps(20, secs(15));
        assert_eq!(stage.cutover_phase(), phase, "{serving_of_old} of the old color serve");
        if serving_of_old == 0 {
            let new = color(&stage, Color::Green).members.len();
            assert_eq!((waits(&stage), new), (Some(&Waiting::OldColorDown { left: 4 }), 4));
            assert!(stage.kinds().contains(&"entered old-color-down".to_owned()), "{:?}", stage.kinds());
            stage.sick.clear();
        }
        assert_eq!(until_over(&mut stage), CutoverOutcome::Aborted);
        assert_eq!(color(&stage, Color::Green).members.len(), 0);
    }
}

#[test]
fn a_fleet_that_wants_nobody_waits_for_nobody() {
    let mut stage = weighted_fleet(4);
    stage.tag("approval", "manual");
    stage.publish(2);
    stage.until_phase("awaiting-approval");
    let blue = color_mut(&mut stage, Color::Blue);
    (blue.min, blue.desired) = (0, 0);
    blue.members.clear();
    stage.say(Command::Abort);
    assert_eq!(until_over(&mut stage), CutoverOutcome::Aborted);
}

#[test]
fn a_cutover_that_needs_a_persons_word_waits_for_it_and_says_until_when() {
    let mut stage = weighted_fleet(4);
    stage.tag("approval", "manual");
    stage.publish(2);
    stage.until_phase("awaiting-approval");
    let cutover = stage.record().cutover.clone().unwrap();
    let until = cutover.deadline();
    assert_eq!(waits(&stage), Some(&Waiting::AwaitingApproval { until }));
    assert_eq!(until, cutover.since() + mins(24 * 60));
}

#[test]
fn what_goes_back_is_not_resumed_by_whoever_speaks_later_in_the_same_look() {
    for command in [Command::Abort, Command::Reject, Command::Rollback, Command::Veto { image: image_id(2) }] {
        let mut stage = needs_operator(30);
        stage.say(command.clone());
        stage.say(Command::Resume);
        stage.look();
        assert_eq!(stage.cutover_phase(), Some("rolling-back"), "{command:?}");
        assert_eq!(until_over(&mut stage), CutoverOutcome::RolledBack, "{command:?}");
    }
}

#[test]
fn what_is_resumed_and_paused_in_one_look_stands_still() {
    let mut stage = needs_operator(30);
    stage.say(Command::Resume);
    stage.say(Command::Pause);
    stage.steps(10, secs(30));
    assert_eq!((stage.cutover_phase(), stage.weight("green")), (Some("shifting"), 30));
    assert!(matches!(waits(&stage), Some(Waiting::Paused { .. })));
}

#[test]
fn a_pause_from_before_does_not_hold_what_a_person_resumes() {
    let mut stage = needs_operator(30);
    stage.say(Command::Pause);
    stage.look();
    stage.say(Command::Resume);
    stage.look();
    assert_eq!(stage.record().cutover.as_ref().unwrap().paused(), None);
    assert_eq!(waits(&stage), None);
}

#[test]
fn who_resumes_while_the_groups_cannot_be_read_is_told_so_and_nothing_changes() {
    let mut stage = needs_operator(30);
    let groups = std::mem::take(&mut stage.groups);
    stage.say(Command::Resume);
    let decision = stage.decide();
    assert!(!decision.next.answered.last().unwrap().is_done);
    assert_eq!(decision.next.cutover.as_ref().unwrap().phase().name(), "needs-operator");
    stage.groups = groups;
}

#[test]
fn a_deadline_that_the_first_version_stored_as_never_is_not_moved_beyond_time() {
    let mut stage = needs_operator(30);
    stage.say(Command::Resume);
    stage.look();
    let mut stored = serde_json::to_value(stage.record()).unwrap();
    stored["cutover"]["deadline"] = serde_json::to_value(jiff::Timestamp::MAX).unwrap();
    stage.record = Some(serde_json::from_value(stored).unwrap());
    stage.say(Command::Pause);
    stage.step(secs(30));
    stage.say(Command::Resume);
    stage.step(secs(30));
    assert_eq!(stage.record().cutover.as_ref().unwrap().deadline(), jiff::Timestamp::MAX);
}

#[test]
fn a_freeze_holds_no_rollback_and_no_abort_before_everything_is_put_back() {
    let mut rolled_back = in_phase(4, "baking");
    rolled_back.freezes.push(freeze(rolled_back.now, None));
    rolled_back.ring("web-5xx", Some(Color::Green));
    assert_eq!(until_over(&mut rolled_back), CutoverOutcome::RolledBack);
    is_as_before(&rolled_back, 4);

    let mut aborted = in_phase(4, "verifying");
    aborted.freezes.push(freeze(aborted.now, None));
    aborted.say(Command::Abort);
    assert_eq!(until_over(&mut aborted), CutoverOutcome::Aborted);
    is_as_before(&aborted, 4);
}
