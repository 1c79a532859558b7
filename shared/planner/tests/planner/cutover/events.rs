//! What a pipeline learns of a cutover.

use driftless_planner::fact::Command;
use driftless_planner::record::CutoverOutcome;
use driftless_testkit::{Stage, image_id, secs};
use serde_json::{Value, json};

use super::{until_over, weighted_fleet};
use crate::events::{details, envelope, hold, is_meant, patterns};

/// A fleet whose cutovers wait for a verdict, with one that does.
fn awaiting() -> Stage {
    let mut stage = weighted_fleet(3);
    for group in &mut stage.groups {
        group.tags.insert("driftless:approval".to_owned(), "check".to_owned());
    }
    stage.events.clear();
    stage.publish(2);
    stage.until_phase("awaiting-approval");
    stage
}

fn meant(stage: &Stage, pattern: usize) -> Vec<Value> {
    let mut details = details(&stage.events);
    details.retain(|detail| is_meant(&patterns()[pattern], &envelope(detail)));
    details
}

#[test]
fn a_cutover_that_awaits_a_verdict_says_so_once_with_all_that_a_check_needs() {
    let stage = awaiting();
    let awaited = meant(&stage, 2);
    let [event] = &awaited[..] else { panic!("{awaited:#?}") };
    let cutover = stage.record().cutover.as_ref().unwrap();
    assert_eq!((&event["fleet"], &event["subject"]), (&json!("app"), &json!(cutover.id)));
    assert_eq!((&event["image"], &event["machine"]), (&json!(image_id(2)), &json!("cutover")));
    let told = &event["cutover"];
    assert_eq!((&told["id"], &told["image"]), (&json!(cutover.id), &json!(image_id(2))));
    assert_eq!((&told["approval"], &told["phase"]), (&json!("check"), &json!("awaiting-approval")));
    assert_eq!(told["deadline"], json!(cutover.deadline()));
    assert_eq!((&told["old_group"], &told["new_group"]), (&json!("app-blue"), &json!("app-green")));
    assert!(told["target_group"].as_str().unwrap().contains("green"), "{told}");
    assert_eq!(told["rollback_to"], json!(image_id(1)));
}

#[test]
fn every_end_of_a_cutover_is_an_event_that_names_it() {
    for (verdict, outcome, word) in
        [(Command::Approve, CutoverOutcome::Done, "done"), (Command::Reject, CutoverOutcome::Aborted, "aborted")]
    {
        let mut stage = awaiting();
        let id = stage.record().cutover.as_ref().unwrap().id.clone();
        stage.say(verdict);
        assert_eq!(until_over(&mut stage), outcome);
        stage.step(secs(15));
        let ends = meant(&stage, 1);
        let [end] = &ends[..] else { panic!("{ends:#?}") };
        assert_eq!((&end["to"], &end["subject"]), (&json!(word), &json!(id)));
        assert_eq!((&end["image"], &end["cutover"]), (&json!(image_id(2)), &Value::Null));
        // From its beginning to its end it is one subject.
        let all = details(&stage.events);
        hold(&format!("of-a-cutover-{word}"), &all);
        let of_cutovers = all.iter().filter(|detail| detail["machine"] == "cutover");
        assert!(of_cutovers.clone().count() > 4);
        assert!(
            of_cutovers.clone().all(|detail| detail["subject"] == json!(id) && detail["image"] == json!(image_id(2))),
            "{all:#?}"
        );
    }
}
