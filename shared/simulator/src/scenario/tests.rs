use super::{Scenario, ScenarioError};

const FLEET: &str = "fleet web: weighted, blue live, 4 instances, policy mode=act rules=approved alarms=web-5xx";

fn error(line: &str) -> ScenarioError {
    Scenario::parse(&format!("{FLEET}\n{line}\nexpect settled\n")).unwrap_err()
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
at 13m   alarm web-green-5xx rings   # the first one
within 30s expect web weight blue=100 green=0
by 20m   expect web cutover=none vetoed=ami-2 ledger=empty
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
    assert_eq!(scenario.steps[2].text, "at 13m   alarm web-green-5xx rings");
    assert_eq!(scenario.watches.len(), 1);
    assert_eq!(scenario.end.as_hours(), 1);
}

/// What a person reads: the problem, and where it is.
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
        ("at 5m", "something is missing at the end @ "),
        ("at 5m explode", r#""explode" is not an event @ explode"#),
        ("at 5m drift", "something is missing at the end @ "),
        ("at 5m drift red/1 under approved", r#""red/1" is not understood @ red/1"#),
        ("at 5m drift blue/0 under approved", r#""blue/0" is not understood @ blue/0"#),
        ("at 5m drift blue/1 red/1 under approved", r#""red/1" is not understood @ red/1"#),
        ("at 5m drift blue/1", "something is missing at the end @ "),
        ("at 5m drift 101% of blue under approved", r#""101%" is not understood @ 101%"#),
        ("at 5m publish ami-x", r#""ami-x" is not understood @ ami-x"#),
        ("at 5m publish ami-2 for api", r#""api" is not understood @ api"#),
        ("at 5m publish ami-2 now", r#""now" is one word too many @ now"#),
        ("at 5m alarm web-5xx", "something is missing at the end @ "),
        ("at 5m alarm web-5xx sings", r#""sings" is not understood @ sings"#),
        ("at 5m person dances", r#""dances" is not understood @ dances"#),
        ("at 5m person sets blue size=8", r#""size" is no bound @ at 5m person sets blue size=8"#),
        ("at 5m person sets blue min=x", r#""x" is no number @ at 5m person sets blue min=x"#),
        ("at 5m person sets blue min=1 min=2", "min is said twice @ min=2"),
        ("at 5m person sets weights blue=1", "these are not two weights @ at 5m person sets weights blue=1"),
        ("at 5m terraform destroys", r#""destroys" is not understood @ destroys"#),
        ("at 5m freeze web incident", "a freeze needs its reason @ incident"),
        ("at 5m freeze", "something is missing at the end @ "),
        ("at 5m thaw api", r#""api" is not understood @ api"#),
        ("at 5m command explode", r#""explode" is not understood @ explode"#),
        ("at 5m command veto", "something is missing at the end @ "),
        ("at 5m shortage in zone 1 for 2h", r#""1" is not understood @ 1"#),
        ("at 5m shortage", "something is missing at the end @ "),
        ("at 5m fail launches of api with \"x\" for 1m", r#""api" is not understood @ api"#),
        ("at 5m lose next two messages", r#""two" is not understood @ two"#),
        ("at 5m delay next 2 messages", "something is missing at the end @ "),
        ("at 5m crash sideways", r#""sideways" is not understood @ sideways"#),
        ("at 5m crash before explode", r#""explode" is not understood @ explode"#),
        ("at 5m stale reads", "something is missing at the end @ "),
        ("by 5m drift blue/1 under approved", r#""drift" is not understood @ drift"#),
        ("expect", "something is missing at the end @ "),
        ("expect cutover=exploding", r#""cutover=exploding" is not understood @ cutover=exploding"#),
        ("expect cutover>none", "words are compared with = or != only @ cutover>none"),
        ("expect image=", "its value is missing @ image="),
        ("expect replaced=many", r#""replaced=many" is not understood @ replaced=many"#),
        ("expect weight red=5", r#""red=5" is not understood @ red=5"#),
        ("expect waiting blue=budget", r#""blue=budget" is not understood @ blue=budget"#),
        ("expect calls explode=0", r#"there is no call "explode" @ explode=0"#),
        ("expect page rolled", r#""rolled" is not understood @ rolled"#),
        ("expect page \"rolled", "this text has no end @ \"rolled"),
        ("expect nothing", r#""nothing" is not understood @ nothing"#),
        ("fleet web: weighted, 1 instance", "fleet web is described twice @ web"),
        ("fleet Web: weighted, 1 instance", r#""Web" is not understood @ Web"#),
        ("fleet api: round, 1 instance", r#""round" is not understood @ round"#),
        ("fleet api: weighted, 4 servers", "4 of what? @ 4"),
        ("fleet api: weighted, yellow", r#""yellow" is not understood @ yellow"#),
        ("fleet api: weighted, 1 instance, policy act", r#""act" is not understood @ act"#),
        ("image ami-2: explodes", r#""explodes" is not understood @ explodes"#),
        ("image ami-2: turns bad at half", r#""half" is not understood @ half"#),
        ("alarm web-5xx: on red", r#""red" is not understood @ red"#),
        ("start tomorrow", r#""tomorrow" is not understood @ tomorrow"#),
        ("start 2026-03-29T00:30 Europe/Atlantis", r#""Europe/Atlantis" is not understood @ Europe/Atlantis"#),
        ("seed x", r#""x" is not understood @ x"#),
        ("crash", "a crash of the story needs its time @ crash"),
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
    let text = format!("{FLEET}\nby 10m expect settled\nat 9m upgrade\nexpect settled");
    let error = Scenario::parse(&text).unwrap_err();
    assert_eq!((error.line, error.problem.as_str()), (3, "9m is before 10m of the lines above"));
    let text = format!("{FLEET}\nat 10m upgrade\nwithin 2m expect settled\nend at 11m");
    assert_eq!(Scenario::parse(&text).unwrap_err().problem, "the lines above go on until 12m");
    let text = format!("{FLEET}\nby 10m expect settled\nat 10m upgrade\nend at 10m");
    assert!(Scenario::parse(&text).is_ok());
}

#[test]
fn a_scenario_that_expects_nothing_is_refused() {
    let error = Scenario::parse(&format!("{FLEET}\nat 5m upgrade\n")).unwrap_err();
    assert_eq!(error.problem, "nothing is expected: such a scenario proves nothing");
    assert_eq!(Scenario::parse("").unwrap_err().problem, "no fleet is described yet");
    assert_eq!(Scenario::parse("expect settled").unwrap_err().problem, "no fleet is described yet");
}

#[test]
fn where_there_are_several_fleets_each_line_says_which() {
    let two = format!("{FLEET}\nfleet api: no load balancer, blue live, 2 instances\n");
    let error = Scenario::parse(&format!("{two}at 5m command rollback\nexpect web settled")).unwrap_err();
    assert_eq!(error.problem, "which fleet? There are several");
    let error = Scenario::parse(&format!("{two}at 5m drift blue/1 under approved\nexpect web settled")).unwrap_err();
    assert_eq!(error.problem, r#""blue/1" is not understood"#);
    let good = "at 5m command web rollback\nat 5m drift api-blue/1 under approved\nexpect web size blue=4 api settled";
    assert!(Scenario::parse(&format!("{two}{good}")).is_ok());
}

#[test]
fn time_begins_where_the_file_says_in_its_time_zone() {
    let start = |line: &str| Scenario::parse(&format!("{line}\n{FLEET}\nexpect settled")).unwrap().start.to_string();
    assert_eq!(start("# none"), "2026-11-02T08:00:00Z");
    assert_eq!(start("start 2026-03-29T00:30"), "2026-03-29T00:30:00Z");
    assert_eq!(start("start 2026-07-01T00:30 Europe/Berlin"), "2026-06-30T22:30:00Z");
}
