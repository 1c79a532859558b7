use std::collections::BTreeSet;

use super::aliases::{ALIASES, Place, documented_subject};
use super::{Scenario, ScenarioError};

const FLEET: &str = "fleet web: weighted, blue live, 4 instances, policy mode=act rules=approved alarms=web-5xx";

fn error(line: &str) -> ScenarioError {
    Scenario::parse(&format!("{FLEET}\n{line}\nexpect idle\n")).unwrap_err()
}

#[test]
fn a_whole_scenario_is_read() {
    let text = r#"
# An image that hurts at half the traffic is rolled back, and vetoed.
fleet web: weighted, blue live, 4 instances, max 9, policy mode=act rules=approved alarms=web-5xx traffic=10,50,100
image ami-2 build 2: turns bad at 50%
alarm web-green-5xx: on green, window 1m
at 0m    publish ami-2 for web
by 12m   expect web cutover=shifting weight green=50
at 13m   alarm web-green-5xx in-alarm   # the first one
within 30s expect web weight blue=100 green=0
by 20m   expect web cutover=none vetoed=ami-2 borrowed-settings=0
expect   failed-requests=0
expect   page "rolled back"
never    weight green>50
end at 1h
"#;
    let scenario = Scenario::parse(text).unwrap();
    assert_eq!(scenario.story(), ["An image that hurts at half the traffic is rolled back, and vetoed."]);
    assert_eq!(scenario.fleets.len(), 1);
    assert_eq!(scenario.fleets[0].policy["traffic"], "10,50,100");
    assert_eq!(scenario.steps.len(), 7);
    assert_eq!(scenario.steps[2].text, "at 13m   alarm web-green-5xx in-alarm");
    assert_eq!(scenario.watches.len(), 1);
    assert_eq!(scenario.end.as_hours(), 1);
}

/// The problem that the parser reports for a line, and the words that the error marks.
fn complaint(line: &str) -> String {
    let error = error(line);
    assert_eq!(error.line, 2, "{error}");
    assert!(!error.expected.is_empty() && !error.example.is_empty());
    let marked: String = error.text.chars().skip(error.column).take(error.length).collect();
    format!("{} @ {marked}", error.problem)
}

#[test]
fn each_error_names_the_problem_and_marks_the_words_that_are_wrong() {
    for (line, expected) in [
        ("soon drift blue/1", r#""soon" is not understood @ soon"#),
        ("at soon drift blue/1", r#""soon" is not understood @ soon"#),
        ("at 5", r#""5" is not understood @ 5"#),
        ("at 5m", "the line ends too early @ "),
        ("at 5m explode", r#""explode" is not an event @ explode"#),
        ("at 5m drift", "the line ends too early @ "),
        ("at 5m drift red/1 under approved", r#""red/1" is not understood @ red/1"#),
        ("at 5m drift blue/0 under approved", r#""blue/0" is not understood @ blue/0"#),
        ("at 5m drift blue/1 red/1 under approved", r#""red/1" is not understood @ red/1"#),
        ("at 5m drift blue/1", "the line ends too early @ "),
        ("at 5m drift 101% of blue under approved", r#""101%" is not understood @ 101%"#),
        ("at 5m publish ami-x", r#""ami-x" is not understood @ ami-x"#),
        ("at 5m publish ami-2 for api", r#""api" is not understood @ api"#),
        ("at 5m publish ami-2 now", r#""now" is unexpected here @ now"#),
        ("at 5m alarm web-5xx", "the line ends too early @ "),
        ("at 5m alarm web-5xx sings", r#""sings" is not understood @ sings"#),
        ("at 5m operator dances", r#""dances" is not understood @ dances"#),
        ("at 5m operator sets blue size=8", r#""size" is not min, max or desired @ at 5m operator sets blue size=8"#),
        ("at 5m operator sets blue min=x", r#""x" is not a number @ at 5m operator sets blue min=x"#),
        ("at 5m operator sets blue min=1 min=2", "min is given twice @ min=2"),
        (
            "at 5m operator sets weights blue=1",
            "two weights are expected, blue= and green= @ at 5m operator sets weights blue=1",
        ),
        ("at 5m terraform destroys", r#""destroys" is not understood @ destroys"#),
        ("at 5m freeze web incident", "a freeze needs a reason between quotes @ incident"),
        ("at 5m freeze", "the line ends too early @ "),
        ("at 5m thaw api", r#""api" is not understood @ api"#),
        ("at 5m command explode", r#""explode" is not understood @ explode"#),
        ("at 5m command veto", "the line ends too early @ "),
        ("at 5m shortage in zone 1 for 2h", r#""1" is not understood @ 1"#),
        ("at 5m shortage", "the line ends too early @ "),
        ("at 5m fail launches of api with \"x\" for 1m", r#""api" is not understood @ api"#),
        ("at 5m lose next two messages", r#""two" is not understood @ two"#),
        ("at 5m delay next 2 messages", "the line ends too early @ "),
        ("at 5m crash sideways", r#""sideways" is not understood @ sideways"#),
        ("at 5m crash before explode", r#""explode" is not understood @ explode"#),
        ("at 5m stale reads", "the line ends too early @ "),
        ("by 5m drift blue/1 under approved", r#""drift" is not understood @ drift"#),
        ("expect", "the line ends too early @ "),
        ("expect cutover=exploding", r#""cutover=exploding" is not understood @ cutover=exploding"#),
        ("expect cutover>none", "names are compared with = or != only @ cutover>none"),
        ("expect image=", "the value is missing @ image="),
        ("expect replaced=many", r#""replaced=many" is not understood @ replaced=many"#),
        ("expect weight red=5", r#""red=5" is not understood @ red=5"#),
        ("expect blocked blue=budget", r#""blue=budget" is not understood @ blue=budget"#),
        ("expect calls explode=0", r#"there is no call "explode" @ explode=0"#),
        ("expect page rolled", r#""rolled" is not understood @ rolled"#),
        ("expect page \"rolled", "the text has no closing quote @ \"rolled"),
        ("expect nothing", r#""nothing" is not understood @ nothing"#),
        ("fleet web: weighted, 1 instance", "fleet web is described twice @ web"),
        ("fleet Web: weighted, 1 instance", r#""Web" is not understood @ Web"#),
        ("fleet api: round, 1 instance", r#""round" is not understood @ round"#),
        ("fleet api: weighted, 4 servers", "4 what? Instances, or instances in standby @ 4"),
        ("fleet api: weighted, yellow", r#""yellow" is not understood @ yellow"#),
        ("fleet api: weighted, 1 instance, policy act", r#""act" is not understood @ act"#),
        ("image ami-2: explodes", r#""explodes" is not understood @ explodes"#),
        ("image ami-2: turns bad at half", r#""half" is not understood @ half"#),
        ("alarm web-5xx: on red", r#""red" is not understood @ red"#),
        ("start tomorrow", r#""tomorrow" is not understood @ tomorrow"#),
        ("start 2026-03-29T00:30 Europe/Atlantis", r#""Europe/Atlantis" is not understood @ Europe/Atlantis"#),
        ("seed x", r#""x" is not understood @ x"#),
        ("crash", "a crash at one call needs a time @ crash"),
        ("end 3h", r#""3h" is not understood @ 3h"#),
    ] {
        assert_eq!(complaint(line), expected, "{line}");
    }
}

#[test]
fn an_error_shows_the_line_what_was_expected_and_an_example() {
    assert_eq!(
        error("at 5m thaw api").to_string(),
        "line 2: \"api\" is not understood\n    at 5m thaw api\n               ^^^\n  expected: a fleet or `everything`\n  \
         example:  at 2h thaw web"
    );
}

#[test]
fn lines_stand_in_the_order_of_time() {
    let text = format!("{FLEET}\nby 10m expect idle\nat 9m upgrade\nexpect idle");
    let error = Scenario::parse(&text).unwrap_err();
    assert_eq!((error.line, error.problem.as_str()), (3, "9m is before 10m, the time of the line above"));
    let text = format!("{FLEET}\nat 10m upgrade\nwithin 2m expect idle\nend at 11m");
    assert_eq!(Scenario::parse(&text).unwrap_err().problem, "the lines above last until 12m");
    let text = format!("{FLEET}\nby 10m expect idle\nat 10m upgrade\nend at 10m");
    assert!(Scenario::parse(&text).is_ok());
}

#[test]
fn a_scenario_that_expects_nothing_is_refused() {
    let error = Scenario::parse(&format!("{FLEET}\nat 5m upgrade\n")).unwrap_err();
    assert_eq!(error.problem, "the scenario has no expectation, so it cannot fail");
    assert_eq!(Scenario::parse("").unwrap_err().problem, "no fleet is described above");
    assert_eq!(Scenario::parse("expect idle").unwrap_err().problem, "no fleet is described above");
}

#[test]
fn where_there_are_several_fleets_each_line_says_which() {
    let two = format!("{FLEET}\nfleet api: no load balancer, blue live, 2 instances\n");
    let error = Scenario::parse(&format!("{two}at 5m command rollback\nexpect web idle")).unwrap_err();
    assert_eq!(error.problem, "the scenario has several fleets: name one");
    let error = Scenario::parse(&format!("{two}at 5m drift blue/1 under approved\nexpect web idle")).unwrap_err();
    assert_eq!(error.problem, r#""blue/1" is not understood"#);
    let good = "at 5m command web rollback\nat 5m drift api-blue/1 under approved\nexpect web size blue=4 api idle";
    assert!(Scenario::parse(&format!("{two}{good}")).is_ok());
}

#[test]
fn time_begins_where_the_file_says_in_its_time_zone() {
    let start = |line: &str| Scenario::parse(&format!("{line}\n{FLEET}\nexpect idle")).unwrap().start.to_string();
    assert_eq!(start("# none"), "2026-11-02T08:00:00Z");
    assert_eq!(start("start 2026-03-29T00:30"), "2026-03-29T00:30:00Z");
    assert_eq!(start("start 2026-07-01T00:30 Europe/Berlin"), "2026-06-30T22:30:00Z");
}

/// What a scenario means: everything but the text of its lines.
fn meaning(text: &str) -> String {
    let Scenario { story: _, start, seed, fleets, images, alarms, crashes_everywhere, steps, watches, end } =
        Scenario::parse(text).unwrap_or_else(|error| panic!("{error}"));
    let steps: Vec<_> = steps.iter().map(|step| (step.line, step.when, &step.what)).collect();
    let watches: Vec<_> = watches.iter().map(|watch| (watch.line, &watch.terms, watch.holds)).collect();
    format!("{:?}", (start, seed, fleets, images, alarms, crashes_everywhere, steps, watches, end))
}

/// A scenario with one or two lines that contain this name at this place.
fn with_name(place: Place, name: &str) -> String {
    let line = match place {
        Place::Event => format!("at 5m {name} terminates blue/1"),
        Place::AlarmState => format!("alarm web-5xx: on blue, {name}\nat 5m alarm web-5xx {name}"),
        Place::Image => format!("image ami-2 build 2: {name}"),
        Place::Expectation => match name {
            "settled" | "idle" => format!("expect {name}"),
            "serving" | "healthy" => format!("always {name} blue>=1"),
            "waiting" | "blocked" => format!("at 5m expect {name} blue/1=budget blue/2!=window"),
            _ => format!("expect {name}=empty"),
        },
        Place::Call => format!("at 5m crash before {name}\nat 6m before {name}: thaw web\nexpect calls {name}=0"),
        Place::CutoverPhase => format!("expect cutover={name}"),
        Place::ReplacementPhase => format!("expect replacement blue/1={name}"),
        Place::Condition => format!("expect condition!={name}"),
        Place::Guard => format!("expect blocked blue/1={name}"),
        Place::Subject => format!("expect page \"web: {name}\"\nexpect no message \"{name}\""),
    };
    format!("{FLEET}\n{line}\nexpect cutover=none\n")
}

#[test]
fn each_earlier_name_means_the_same_as_its_documented_name() {
    for (place, earlier, documented) in ALIASES {
        let (earlier, documented) = (with_name(*place, earlier), with_name(*place, documented));
        assert_ne!(earlier, documented);
        assert_eq!(meaning(&earlier), meaning(&documented));
    }
}

#[test]
fn a_scenario_in_documented_names_is_the_same_as_one_in_earlier_names() {
    let earlier = r#"
fleet web: weighted, blue live, 4 instances, policy mode=act rules=approved alarms=web-5xx
image ami-2 build 2: born drifted
alarm web-green-5xx: on green, lacks data
alarm web-blue-5xx: on blue, rings
at 5m    person sets blue desired=5
at 6m    alarm web-blue-5xx stops
at 7m    before empty: person sets weights blue=50 green=50
at 8m    crash after set-aside
by 9m    expect web replacement blue/1=proving blue/2!=withdrawing waiting blue/3=budget
by 10m   expect replacement blue/1=vacating blue/2=refilling cutover=retiring-old
by 11m   expect waiting blue/1=floor blue/2!=successor blue/2=turn blue/3=lineage blue/4!=color-floor blue/1!=rollback-floor
then     expect condition=rollback-below-floor condition!=cutover-waits condition!=nothing-can-go-first condition!=old-color-down
then     expect page "another hand moved its traffic"
always   serving blue>=3 green=0
never    ledger>4 calls empty=2
expect   ledger=empty settled no message "another hand"
"#;
    let documented = r#"
fleet web: weighted, blue live, 4 instances, policy mode=act rules=approved alarms=web-5xx
image ami-2 build 2: never compliant
alarm web-green-5xx: on green, insufficient-data
alarm web-blue-5xx: on blue, in-alarm
at 5m    operator sets blue desired=5
at 6m    alarm web-blue-5xx ok
at 7m    before scale-to-zero: operator sets weights blue=50 green=50
at 8m    crash after enter-standby
by 9m    expect web replacement blue/1=verifying blue/2!=cancelling blocked blue/3=budget
by 10m   expect replacement blue/1=terminating blue/2=launching-after cutover=retiring
by 11m   expect blocked blue/1=min-healthy blue/2!=launch-pending blue/2=slot blue/3=repeat-drift blue/4!=color-min-healthy blue/1!=rollback-min-healthy
then     expect condition=rollback-below-minimum condition!=cutover-blocked condition!=terminate-first-blocked condition!=old-color-unhealthy
then     expect page "outside Driftless moved its traffic"
always   healthy blue>=3 green=0
never    borrowed-settings>4 calls scale-to-zero=2
expect   borrowed-settings=empty idle no message "outside Driftless"
"#;
    let names = |text: &str, which: fn(&(Place, &'static str, &'static str)) -> &'static str| -> Vec<&'static str> {
        ALIASES.iter().map(which).filter(|name| !text.contains(name)).collect()
    };
    assert_eq!(names(earlier, |row| row.1), [""; 0], "each earlier name is in it");
    assert_eq!(names(documented, |row| row.2), [""; 0], "each documented name is in it");
    assert_eq!(meaning(earlier), meaning(documented));
}

#[test]
fn a_phase_that_a_cutover_and_a_replacement_share_is_renamed_only_where_it_was_another_word() {
    let cutover = meaning(&with_name(Place::CutoverPhase, "verifying"));
    assert!(cutover.contains("verifying") && !cutover.contains("proving"));
    assert!(Scenario::parse(&with_name(Place::CutoverPhase, "proving")).is_err());
    let replacement = meaning(&with_name(Place::ReplacementPhase, "retiring"));
    assert!(replacement.contains("\"retiring\""));
}

#[test]
fn a_quoted_subject_is_compared_in_documented_words() {
    assert_eq!(documented_subject("web: another hand moved its traffic"), "web: outside Driftless moved its traffic");
    assert_eq!(documented_subject("web: rolling back from ami-2"), "web: rolling back from ami-2");
}

#[test]
fn no_earlier_name_is_documented_for_something_else_of_its_place() {
    let documented: BTreeSet<_> =
        ALIASES.iter().map(|(place, _, documented)| (format!("{place:?}"), documented)).collect();
    for (place, earlier, _) in ALIASES {
        assert!(!documented.contains(&(format!("{place:?}"), earlier)), "{earlier}");
        assert_eq!(ALIASES.iter().filter(|(of, name, _)| of == place && name == earlier).count(), 1, "{earlier}");
    }
}

/// The title of a place on the documentation page.
const fn title(place: Place) -> &'static str {
    match place {
        Place::Event => "event",
        Place::AlarmState => "alarm state",
        Place::Image => "image",
        Place::Expectation => "expectation",
        Place::Call => "call",
        Place::CutoverPhase => "`cutover=`",
        Place::ReplacementPhase => "`replacement <instance>=`",
        Place::Condition => "`condition=`",
        Place::Guard => "`blocked <instance>=`",
        Place::Subject => "`page` and `message`",
    }
}

#[test]
fn the_page_of_scenarios_lists_each_earlier_name() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/scenarios.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (_, listed) = page.split_once("## Earlier names").unwrap();
    let rows: Vec<&str> =
        listed.lines().filter(|line| line.contains('`')).filter(|line| line.starts_with('|')).collect();
    let row = |(place, earlier, documented): &(Place, &str, &str)| {
        format!("| {} | `{earlier}` | `{documented}` |", title(*place))
    };
    assert_eq!(rows, ALIASES.iter().map(row).collect::<Vec<_>>());
}
