//! `driftless watch`: from responses to lines.

use driftless_cli::api::Function;
use driftless_cli::commands::watch::Watching;
use driftless_cli::draw::{Style, WIDTH_MAX};

use crate::play::{Stage, lost, unavailable};
use crate::said;

const CUTOVER: [&str; 8] =
    ["steady", "scaling", "verifying", "half-way", "baking", "warm", "retiring", "after-cutover"];

#[test]
fn a_cutover_is_followed_to_its_end_with_a_line_for_each_change() {
    let mut worlds = CUTOVER.to_vec();
    worlds.remove(0);
    worlds.insert(3, "half-way");
    let played = Stage::through(&worlds).play("driftless watch app --until-idle --every 3s");
    assert_eq!((played.code, played.slept.len()), (0, worlds.len() - 1));
    insta::assert_snapshot!("watch", played.text());
}

#[test]
fn a_replacement_is_followed_too() {
    let worlds = ["debouncing", "launching", "verifying", "retiring", "single-group"];
    insta::assert_snapshot!(
        "watch-replacement",
        Stage::through(&worlds).play("driftless watch app --until-idle").text()
    );
}

#[test]
fn on_a_terminal_the_screen_is_drawn_anew_and_keeps_the_last_changes() {
    let mut watching = Watching::default();
    for world in ["scaling", "verifying", "half-way"] {
        watching.take(said::status(world));
    }
    insta::assert_snapshot!("watch-screen", watching.screen(None, Style::plain(WIDTH_MAX)));
    let mut stage = Stage::through(&["half-way", "after-cutover"]);
    stage.rows = Some(200);
    let played = stage.play("driftless watch app --until-idle");
    assert_eq!(played.out.matches("\u{1b}[H\u{1b}[J").count(), 2);
}

#[test]
fn nothing_new_is_no_line() {
    let mut watching = Watching::default();
    assert!(!watching.take(said::status("half-way")).is_empty());
    let mut later = said::status("half-way");
    later.cutover.as_mut().unwrap().phase_left_seconds = Some(72);
    assert_eq!(watching.take(later), Vec::<String>::new());
}

#[test]
fn an_answer_that_fails_to_come_does_not_end_it() {
    let mut stage = Stage::through(&["half-way", "half-way", "after-cutover"]);
    stage.statuses.insert(1, Err(unavailable(Function::Status)));
    let played = stage.play("driftless watch app --until-idle");
    assert_eq!(played.code, 0);
    assert!(played.aside.contains("Rate Exceeded"), "{}", played.text());
}

#[test]
fn repeated_failures_are_counted_and_not_repeated() {
    let mut stage = Stage::through(&["half-way", "after-cutover"]);
    for _ in 0..39 {
        // A lost connection is tried twice before it counts.
        stage.statuses.insert(1, Err(lost(Function::Status)));
        stage.statuses.insert(1, Err(lost(Function::Status)));
    }
    insta::assert_snapshot!("watch-outage", stage.play("driftless watch app --until-idle").text());
    let mut stage = Stage::through(&["half-way", "after-cutover"]);
    stage.statuses.splice(1..1, (0..3).map(|_| Err(unavailable(Function::Status))));
    stage.rows = Some(200);
    let played = stage.play("driftless watch app --until-idle");
    assert!(played.out.contains("3 queries failed since 12:10:03Z, retrying: "), "{}", played.text());
}

#[test]
fn for_machines_each_answer_is_a_line() {
    let played = Stage::through(&["half-way", "after-cutover"]).play("driftless watch app --until-idle --json");
    let read: Vec<driftless_status::FleetStatus> =
        played.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(read, [said::status("half-way"), said::status("after-cutover")]);
}

#[test]
fn a_hostile_fleet_shows_nothing_but_itself() {
    let mut watching = Watching::default();
    let lines = watching.take(said::status("hostile")).join("\n");
    let screen = watching.screen(Some("\u{1b}[2J"), Style::plain(WIDTH_MAX));
    assert!(!format!("{lines}{screen}").contains(['\u{1b}', '\u{7}', '\u{202e}']));
}
