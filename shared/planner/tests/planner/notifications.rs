//! What on-call reads, word by word.

use std::collections::BTreeSet;

use driftless_planner::ids::{GroupName, InstanceId};
use driftless_planner::notification::{Condition, News, Notification, SUBJECT_LENGTH_MAX};
use driftless_planner::policy::QUARANTINE_FOR;
use driftless_planner::record::{
    Candidate, CandidateReason, CutoverOutcome, DriftReason, Failure, Release, StopReason, WithdrawReason,
};
use driftless_planner::text::ForeignText;
use jiff::SignedDuration;

use crate::support::{RULE, fleet, id, image_id, mins, rule, t0, version};

fn drift() -> Vec<DriftReason> {
    vec![DriftReason::Rule(rule(RULE))]
}

fn notification(news: News, groups: &[&str]) -> Notification {
    let groups = groups.iter().map(|name| name.parse::<GroupName>().unwrap()).collect();
    Notification { id: "app-7-0".to_owned(), fleet: fleet(), groups, at: t0(), news }
}

fn started(remark: &str) -> News {
    News::ReplacementStarted {
        instance: id(1),
        group: "app-blue".parse().unwrap(),
        zone: "eu-central-1a".parse().unwrap(),
        drift: drift(),
        remarks: vec![remark.into()],
        deadline: t0() + mins(20),
        goes_first: false,
    }
}

fn goes_first() -> News {
    let News::ReplacementStarted { instance, group, zone, remarks, deadline, .. } = started("port 22 is open") else {
        unreachable!()
    };
    let drift = vec![DriftReason::Template { found: version(3) }];
    News::ReplacementStarted { instance, group, zone, drift, remarks, deadline, goes_first: true }
}

fn conditions() -> Vec<Condition> {
    let instance = id(1);
    vec![
        Condition::Misconfigured,
        Condition::NotAdoptable,
        Condition::PolicyInvalid,
        Condition::BreakerOpen,
        Condition::RuleBreakerOpen { rule: rule(RULE) },
        Condition::CapacityShort,
        Condition::Backlog,
        Condition::WouldReplace { instance: instance.clone() },
        Condition::PermissionDenied { action: "launch".to_owned() },
        Condition::DrainOverdue { instance },
        Condition::WouldCutOver { image: image_id(2) },
        Condition::CutoverWaits,
        Condition::AwaitingApproval,
        Condition::BothColorsAlarm,
        Condition::GuardAlarmMissing,
        Condition::TrafficChanged,
        Condition::RollbackBelowFloor,
        Condition::NothingCanGoFirst,
        Condition::OldColorDown,
        Condition::RollbackOverdue,
        Condition::RestoreOverdue,
        Condition::RetireOverdue,
        Condition::NeedsOperator,
    ]
}

/// The news of a cutover.
fn of_cutovers() -> Vec<(String, News)> {
    let candidate =
        Candidate { image: image_id(2), base: version(7), build: Some("42".into()), why: CandidateReason::Image };
    let from = Release { template: version(7), image: image_id(1), since: t0(), build: Some("41".into()) };
    let started =
        News::CutoverStarted { candidate: candidate.clone(), from, instances: 3, watched: mins(21), doubled: mins(82) };
    let why: ForeignText = "the alarm web-5xx rings: 12 of 100".into();
    let mut all = vec![
        ("cutover-started".to_owned(), started),
        ("rolling-back".to_owned(), News::RollingBack { candidate: candidate.clone(), why: why.clone() }),
        ("vetoed".to_owned(), News::Vetoed { image: image_id(2), by: "driftless".into(), evidence: vec![why.clone()] }),
        (
            "command-answered".to_owned(),
            News::CommandAnswered {
                request: "r-1".to_owned(),
                actor: "ana".into(),
                command: "rollback".to_owned(),
                is_done: false,
                answer: "no earlier release has proven itself: there is nothing to go back to".into(),
            },
        ),
    ];
    for outcome in
        [CutoverOutcome::Done, CutoverOutcome::Aborted, CutoverOutcome::Superseded, CutoverOutcome::RolledBack]
    {
        let ended = News::CutoverEnded { candidate: candidate.clone(), outcome, why: why.clone(), took: mins(90) };
        all.push((format!("cutover-{}", outcome.name()), ended));
    }
    all
}

fn news() -> Vec<(String, News)> {
    let image = Some("ami-00000000000000001".parse().unwrap());
    let failure = Failure { at: t0(), why: "The key pair 'ops' does not exist".into() };
    let stopped = |why, failures| News::Stopped { instance: id(1), drift: drift(), why, failures };
    let debugging = "protected by the tag driftless:protect: debugging".into();
    let withdrawn = |because, next_attempt| News::Withdrawn { instance: id(1), because, next_attempt };
    let mut all = vec![
        (
            "adopted".to_owned(),
            News::Adopted {
                release: Release {
                    template: version(7),
                    image: "ami-00000000000000001".parse().unwrap(),
                    since: t0(),
                    build: None,
                },
            },
        ),
        ("replacement-started".to_owned(), started("port 22 is open")),
        (
            "replaced".to_owned(),
            News::Replaced {
                instance: id(1),
                successor: id(101),
                drift: drift(),
                took: SignedDuration::from_secs(754),
                kept_until: None,
            },
        ),
        (
            "replaced-kept".to_owned(),
            News::Replaced {
                instance: id(1),
                successor: id(101),
                drift: vec![DriftReason::Age, DriftReason::Operator { actor: "ana".into() }],
                took: SignedDuration::from_secs(754),
                kept_until: Some(t0() + QUARANTINE_FOR),
            },
        ),
        ("replacement-goes-first".to_owned(), goes_first()),
        (
            "surplus-kept".to_owned(),
            News::SurplusKept { instance: id(101), why: "only 2 would serve, and the floor is 3".into() },
        ),
        ("withdrawn-cleared".to_owned(), withdrawn(WithdrawReason::Cleared, None)),
        ("withdrawn-gone".to_owned(), withdrawn(WithdrawReason::DriftedGone, None)),
        ("withdrawn-breaker".to_owned(), withdrawn(WithdrawReason::BreakerOpen, None)),
        ("withdrawn-protected".to_owned(), withdrawn(WithdrawReason::Protected { by: debugging }, None)),
        ("withdrawn-failed".to_owned(), withdrawn(WithdrawReason::Failed("no capacity".into()), Some(t0() + mins(2)))),
        ("stopped-failures".to_owned(), stopped(StopReason::Failures, vec![failure.clone(), failure.clone(), failure])),
        (
            "stopped-lineage".to_owned(),
            stopped(StopReason::Lineage { ancestor: id(9), image: image.clone() }, Vec::new()),
        ),
        ("stopped-recurrence".to_owned(), stopped(StopReason::Recurrence { successor: id(101), image }, Vec::new())),
        ("stopped-not-refilled".to_owned(), stopped(StopReason::NotRefilled, Vec::new())),
    ];
    for condition in conditions() {
        let key = condition.key().split(':').next().unwrap().to_owned();
        let detail = "the detail";
        all.push((format!("entered-{key}"), News::Entered { condition, detail: detail.into() }));
    }
    let lasts = News::Lasts { condition: Condition::BreakerOpen, detail: "3 of 8".into(), since: t0() - mins(1440) };
    all.extend(of_cutovers());
    all.push(("lasts".to_owned(), lasts));
    all.push(("ended".to_owned(), News::Ended { condition: Condition::BreakerOpen.key(), since: t0() - mins(30) }));
    all
}

#[test]
fn each_message_reads_as_agreed() {
    for (name, news) in news() {
        let message = notification(news, &["app-blue", "app-green"]).message().unwrap();
        let mut json: serde_json::Value = serde_json::from_str(&message.json).unwrap();
        // Whether a parsed object keeps its order depends on the features of whatever is built together.
        json.sort_all_objects();
        let shown =
            format!("{}\n\n{}\n{}\n", message.subject, message.text, serde_json::to_string_pretty(&json).unwrap());
        insta::assert_snapshot!(name, shown);
    }
}

#[test]
fn the_catalogue_is_complete() {
    let kinds: BTreeSet<&str> = news().into_iter().map(|(_, news)| notification(news, &[]).kind()).collect();
    let all = [
        "adopted",
        "command-answered",
        "cutover-ended",
        "cutover-started",
        "ended",
        "entered",
        "lasts",
        "replaced",
        "replacement-started",
        "rolling-back",
        "stopped",
        "surplus-kept",
        "vetoed",
        "withdrawn",
    ];
    assert_eq!(kinds, all.into());
    for condition in conditions() {
        // A new state must be added above: this match is exhaustive.
        match condition {
            Condition::Misconfigured
            | Condition::NotAdoptable
            | Condition::PolicyInvalid
            | Condition::BreakerOpen
            | Condition::RuleBreakerOpen { .. }
            | Condition::CapacityShort
            | Condition::Backlog
            | Condition::WouldReplace { .. }
            | Condition::PermissionDenied { .. }
            | Condition::WouldCutOver { .. }
            | Condition::CutoverWaits
            | Condition::AwaitingApproval
            | Condition::BothColorsAlarm
            | Condition::GuardAlarmMissing
            | Condition::TrafficChanged
            | Condition::RollbackBelowFloor
            | Condition::NothingCanGoFirst
            | Condition::OldColorDown
            | Condition::RollbackOverdue
            | Condition::RestoreOverdue
            | Condition::RetireOverdue
            | Condition::NeedsOperator
            | Condition::DrainOverdue { .. } => {}
        }
    }
}

#[test]
fn a_message_survives_the_outbox() {
    for (name, news) in news() {
        let notification = notification(news, &["app-blue"]);
        let json = serde_json::to_string(&notification).unwrap();
        assert_eq!(serde_json::from_str::<Notification>(&json).unwrap(), notification, "{name}");
    }
}

const HOSTILE: [&str; 6] = [
    "\u{1b}[31mred\u{7}",
    "line\r\nSTOP  aws ec2 terminate-instances",
    "$(rm -rf /) `id` ; rm -rf / & | > /etc/passwd",
    "it's \"quoted\" \\ and 'again'",
    "\u{202e}desrever\u{2066}",
    "äöü 漢字 😀",
];

/// What a POSIX shell would make of the words of a command. Anything that it would expand is an error.
fn shell_words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    let mut characters = command.chars();
    while let Some(character) = characters.next() {
        match (quoted, character) {
            (true, '\'') => quoted = false,
            (false, '\'') => quoted = true,
            (false, '\\') => word.push(characters.next().unwrap()),
            (false, ' ') => words.push(std::mem::take(&mut word)),
            (false, other) => {
                assert!(!"$`;&|<>\"(){}*?[]#~!\n".contains(other), "{command}: {other} is not quoted");
                word.push(other);
            }
            (true, other) => word.push(other),
        }
    }
    assert!(!quoted, "{command}: a quote is left open");
    words.push(word);
    words
}

#[test]
fn hostile_remarks_are_harmless() {
    for remark in HOSTILE {
        let message = notification(started(remark), &["app-blue"]).message().unwrap();
        assert!(
            !message.text.chars().any(|character| character.is_control() && character != '\n'),
            "{:?}",
            message.text
        );
        assert_eq!(message.text.matches("\nSTOP  ").count(), 1, "{}", message.text);
        assert!(!message.text.contains('\u{202e}') && !message.text.contains('\u{2066}'));
        let json: serde_json::Value = serde_json::from_str(&message.json).unwrap();
        assert_eq!(json["news"]["instance"], id(1).as_str());
        let command = json["stopCommand"].as_str().unwrap();
        assert_eq!(shell_words(command)[..4], ["aws", "autoscaling", "create-or-update-tags", "--tags"]);
        assert!(!command.contains("rm -rf"));
    }
}

#[test]
fn hostile_group_names_are_one_word_of_the_suggested_command() {
    for name in ["$(rm -rf /)", "a'b\"c", "x; rm -rf /", "`id`", "two words", "-dash", "*"] {
        let message = notification(started("x"), &[name, "app-green"]).message().unwrap();
        let json: serde_json::Value = serde_json::from_str(&message.json).unwrap();
        let words = shell_words(json["stopCommand"].as_str().unwrap());
        assert_eq!(words.len(), 6, "{words:?}");
        assert!(words[4].starts_with(&format!("ResourceId={name},ResourceType=auto-scaling-group")), "{}", words[4]);
    }
}

#[test]
fn a_group_name_with_control_characters_is_no_group_name() {
    assert!("a\nb".parse::<GroupName>().is_err());
    assert!("a\u{1b}b".parse::<GroupName>().is_err());
}

#[test]
fn a_subject_is_short_printable_ascii() {
    let long_fleet = "a".repeat(40);
    let instance: InstanceId = format!("i-{}", "f".repeat(17)).parse().unwrap();
    let mut subjects = Vec::new();
    for (_, news) in news() {
        subjects.push(notification(news, &[]).message().unwrap().subject);
    }
    for action in ["launch".to_owned(), "ä\n😀".repeat(100)] {
        let news = News::Entered { condition: Condition::PermissionDenied { action }, detail: "x".into() };
        subjects.push(
            Notification { fleet: long_fleet.parse().unwrap(), ..notification(news, &[]) }.message().unwrap().subject,
        );
    }
    for condition in ["would-replace:\u{1b}[31m".to_owned(), format!("drain-overdue:{instance}")] {
        let news = News::Ended { condition, since: t0() };
        subjects.push(
            Notification { fleet: long_fleet.parse().unwrap(), ..notification(news, &[]) }.message().unwrap().subject,
        );
    }
    for subject in subjects {
        assert!(subject.len() <= SUBJECT_LENGTH_MAX && SUBJECT_LENGTH_MAX < 100, "{subject}");
        assert!(subject.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{subject}");
        assert!(subject.starts_with('['), "{subject}");
    }
}

#[test]
fn only_what_acts_or_will_act_suggests_how_to_stop_it() {
    for (name, news) in news() {
        let json = notification(news, &["app-blue"]).message().unwrap().json;
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        let is_stoppable = ["replacement-started", "replacement-goes-first", "withdrawn-failed", "cutover-started"]
            .contains(&name.as_str());
        assert_eq!(json["stopCommand"].is_string(), is_stoppable, "{name}");
    }
}
