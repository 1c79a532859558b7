//! Each drawing as an operator sees it.

use driftless_cli::draw::{Style, WIDTH_MAX, fleet, history, summary, why};
use driftless_status::FleetStatus;
use driftless_status::summary::{FleetsSummary, Unread, summarize};
use driftless_status::why::Subject;

use crate::said;

/// All worlds in one summary, each as a fleet of its name.
pub(crate) fn all() -> FleetsSummary {
    let named = said::worlds().into_iter().map(|world| {
        let mut status = said::status(&world);
        status.fleet = world.parse().unwrap();
        status
    });
    let named: Vec<FleetStatus> = named.collect();
    let now = named[0].at;
    let unread = vec![Unread { fleet: "dark".parse().unwrap(), why: "throttled: Rate exceeded".into() }];
    summarize(named, unread, vec!["web-asg: \"Web Shop\" is not a fleet name: 1 to 40 of a-z, 0-9 and -".into()], now)
}

#[test]
fn every_world_is_drawn_as_its_golden_file() {
    for world in said::worlds() {
        let drawing = fleet(&said::status(&world), Style::plain(WIDTH_MAX));
        insta::assert_snapshot!(world, drawing);
    }
}

#[test]
fn all_fleets_are_drawn_as_their_golden_file() {
    insta::assert_snapshot!("summary", summary(&all(), Style::plain(WIDTH_MAX)));
}

#[test]
fn a_narrow_terminal_gets_a_narrow_drawing() {
    insta::assert_snapshot!("summary-narrow", summary(&all(), Style::plain(70)));
    insta::assert_snapshot!("half-way-narrow", fleet(&said::status("half-way"), Style::plain(70)));
}

#[test]
fn colors_are_drawn_as_their_golden_file() {
    insta::assert_snapshot!("half-way-colored", fleet(&said::status("half-way"), Style::colored(WIDTH_MAX)));
}

#[test]
fn answers_to_why_are_drawn_as_their_golden_files() {
    for (world, subject) in [
        ("blocked", "i-00000000000000001"),
        ("frozen", "i-00000000000000001"),
        ("policy-invalid", "i-00000000000000001"),
        ("replacement-verifying", "i-00000000000000001"),
        ("stopped", "i-00000000000000001"),
        ("breaker-open", "app"),
        ("paused", "app"),
        ("steady", "app"),
        ("rolled-back", "ami-00000000000000002"),
        ("half-way", "ami-00000000000000002"),
        ("steady", "ami-00000000000000009"),
    ] {
        let subject: Subject = subject.parse().unwrap();
        let answer = driftless_status::why::why(&said::status(world), &subject).unwrap();
        let kind = match subject {
            Subject::Fleet(_) => "fleet",
            Subject::Instance(_) => "instance",
            Subject::Image(_) => "image",
        };
        insta::assert_snapshot!(format!("why-{kind}-{world}"), why(&answer, Style::plain(WIDTH_MAX)));
    }
}

#[test]
fn histories_are_drawn_as_their_golden_files() {
    for world in ["rolled-back", "replaced"] {
        let said = said::history(world);
        let now = said.lines[0].at;
        insta::assert_snapshot!(format!("history-{world}"), history(&said, now, Style::plain(WIDTH_MAX)));
    }
}
