//! The dashboard widget, drawn from what the loop reads.

use std::convert::Infallible;

use driftless_api::widget;
use driftless_planner::policy::Defaults;
use driftless_reconciler::ports::Clock as _;
use driftless_simulator::executor::Simulation;
use driftless_simulator::function::Function;
use driftless_simulator::scenario::Scenario;
use driftless_status::request::Refusal;
use driftless_widget::{Frame, Parameters};
use jiff::SignedDuration;
use serde_json::json;

const FLEETS: &str = "fleet web: weighted, blue live, 3 instances, policy mode=act alarms=web-5xx\n\
                      fleet api: weighted, blue live, 2 instances, policy mode=act alarms=api-5xx\n\
                      by 6m expect web idle\n";

fn idle() -> Simulation {
    let mut simulation = Scenario::parse(FLEETS).unwrap().set_up().unwrap();
    let until = simulation.shared().lock().now + SignedDuration::from_mins(6);
    let Ok(()) = simulation.run_until(until, |_| Ok::<(), Infallible>(()));
    simulation
}

/// The page that is drawn within this time.
fn page(asked: Result<Parameters, Refusal>, patience: SignedDuration) -> String {
    let visit = |ports: Function| async move {
        let until = ports.now() + patience;
        let frame = Frame::of(&json!({"theme": "light"}), "arn:status", Some("arn:operator"));
        widget(&ports, &Defaults::default(), &frame, asked, until).await
    };
    idle().visit(visit).unwrap()
}

const PATIENCE: SignedDuration = SignedDuration::from_secs(20);

fn of(fleet: &str) -> Parameters {
    Parameters { fleet: Some(fleet.parse().unwrap()) }
}

#[test]
fn all_fleets_are_drawn_and_one_in_full_with_its_history() {
    let all = page(Ok(Parameters::default()), PATIENCE);
    assert!(all.contains("2 fleets, 2 steady") && all.contains("web") && all.contains("api"), "{all}");
    let one = page(Ok(of("web")), PATIENCE);
    assert!(one.contains("rollback") && one.contains("Last transitions") && !one.contains("api"), "{one}");
    assert!(!one.contains("could not be read"), "{one}");
}

#[test]
fn a_failed_query_is_drawn_as_an_error_page() {
    let unknown = page(Ok(of("other")), PATIENCE);
    assert!(unknown.contains("there is no fleet other"), "{unknown}");
    let unreadable = page(Err(Refusal::bad_request("unknown field `flet`")), PATIENCE);
    assert!(unreadable.contains("unknown field `flet`"), "{unreadable}");
    let late = page(Ok(Parameters::default()), SignedDuration::ZERO);
    assert!(late.contains("web</b> could not be read: the function ran out of time"), "{late}");
}
