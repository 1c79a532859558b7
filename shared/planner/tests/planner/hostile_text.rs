//! What strangers wrote reaches people, machines and chat as text, and nothing else.

use driftless_planner::fleet::Color;
use driftless_planner::ids::GroupName;
use driftless_planner::notification::{Condition, Details, Message, Notification, SUBJECT_LENGTH_MAX};
use driftless_planner::record::{
    CancelReason, Candidate, CandidateReason, CutoverOutcome, DriftReason, Failure, Release, StopReason,
};
use driftless_planner::text::{LENGTH_MAX, UntrustedText};
use driftless_testkit::{id, image_id, mins, t0, version};
use serde_json::Value;

use crate::support::letters::{conditions, notification};

/// What SNS takes: all bodies together, in bytes.
const SNS_LENGTH_MAX: usize = 256 * 1024;

fn hostile() -> Vec<String> {
    let texts = [
        "\u{1b}[31mred\u{7}\u{0}",
        "line\r\nPause      Nothing.\n           aws ec2 terminate-instances",
        "$(rm -rf /) `id` ; rm -rf / & | > /etc/passwd",
        "it's \"quoted\" \\ and 'again'",
        "\u{202e}desrever\u{2066}\u{61c}",
        "äöü 漢字 😀",
        "<!channel> <@U012AB3CD> <!here|here> <https://evil.example|the runbook>",
        "@here @channel @everyone",
        "[the runbook](https://evil.example) ![](https://evil.example/x.png)",
        "```\n# heading\n> quote\n*bold* _slanted_ ~gone~",
        "{\"kind\":\"ended\"}\"},",
        "%s {} {{}} ${HOME} ~root",
        "",
    ];
    let long = ["x".repeat(100_000), "😀".repeat(10_000), "<".repeat(10_000), "\"\\".repeat(10_000)];
    texts.into_iter().map(str::to_owned).chain(long).collect()
}

/// Every notification that contains external text, with this text.
fn saying(words: &str) -> Vec<Details> {
    let text = || UntrustedText::from(words);
    let candidate = |why| Candidate { image: image_id(2), base: version(7), build: Some(text()), why };
    let stopped = Details::Stopped {
        instance: id(1),
        drift: vec![DriftReason::Operator { actor: text() }],
        why: StopReason::Failures,
        failures: vec![Failure { at: t0(), why: text() }; 3],
    };
    let mut all = vec![
        Details::ReplacementStarted {
            instance: id(1),
            group: "app-blue".parse().unwrap(),
            zone: "eu-central-1a".parse().unwrap(),
            drift: vec![DriftReason::Operator { actor: text() }],
            remarks: vec![text(), text(), text()],
            deadline: t0() + mins(20),
            goes_first: false,
        },
        Details::ExtraInstanceKept { instance: id(1), why: text() },
        Details::Cancelled {
            instance: id(1),
            because: CancelReason::Protected { by: text() },
            next_attempt: Some(t0()),
        },
        Details::Cancelled { instance: id(1), because: CancelReason::Failed(text()), next_attempt: None },
        Details::RollingBack {
            candidate: candidate(CandidateReason::Redeploy { actor: text() }),
            new_color: Some(Color::Green),
            rollback_to: Release { template: version(7), image: image_id(1), since: t0(), build: Some(text()) },
            old_color: Some(Color::Blue),
            why: text(),
        },
        Details::CutoverEnded {
            candidate: candidate(CandidateReason::Image),
            outcome: CutoverOutcome::Aborted,
            why: text(),
            took: mins(1),
        },
        Details::Vetoed { image: image_id(2), by: text(), evidence: vec![text(); 5] },
        Details::CommandAnswered {
            request: words.chars().take(LENGTH_MAX).collect(),
            actor: text(),
            command: "retry".to_owned(),
            is_done: false,
            answer: text(),
        },
        stopped.clone(),
        Details::Many { count: 9, example: Box::new(stopped.clone()), others: vec![stopped.clone(), stopped] },
    ];
    for condition in conditions() {
        all.push(Details::Entered { condition: condition.clone(), detail: text() });
        all.push(Details::Lasts { condition, detail: text(), since: t0() });
    }
    all
}

/// The words of a command as a POSIX shell parses them. Anything that the shell would expand is an error.
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

fn commands(notification: &Notification) -> Vec<String> {
    let json: Value = serde_json::from_str(&notification.message().unwrap().json).unwrap();
    let commands = json["commands"].as_array().unwrap().iter();
    commands.map(|suggestion| suggestion["command"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn no_word_of_a_stranger_reaches_a_suggested_command() {
    let verbs = [
        "abort", "adopt", "approve", "doctor", "freeze", "history", "pause", "promote", "resume", "retry", "rollback",
        "status", "unveto", "veto", "why",
    ];
    for words in hostile() {
        for (details, harmless) in saying(&words).into_iter().zip(saying("port 22 is open")) {
            let suggested = commands(&notification(details, &["app-blue"]));
            assert_eq!(suggested, commands(&notification(harmless, &["app-blue"])));
            for command in suggested {
                let typed = shell_words(&command);
                assert_eq!(typed[0], "driftless");
                assert!(verbs.contains(&typed[1].as_str()), "{command}");
                assert!(command.len() < 200, "{command}");
            }
        }
    }
}

#[test]
fn the_text_keeps_its_lines_whatever_strangers_write() {
    let shape = |details: Details| {
        let text = notification(details, &["app-blue"]).message().unwrap().text;
        assert!(!text.chars().any(|character| character.is_control() && character != '\n'), "{text:?}");
        assert!(!text.contains(['\u{202e}', '\u{2066}', '\u{61c}']), "{text:?}");
        text.lines().map(|line| line.chars().take(11).collect::<String>()).collect::<Vec<_>>()
    };
    for words in hostile() {
        for (details, harmless) in saying(&words).into_iter().zip(saying("x")) {
            assert_eq!(shape(details), shape(harmless));
        }
    }
}

#[test]
fn the_subject_stays_one_short_line_of_ascii() {
    for words in hostile() {
        for details in saying(&words) {
            let subject = notification(details, &[]).message().unwrap().subject;
            assert!(subject.len() <= SUBJECT_LENGTH_MAX, "{subject}");
            assert!(subject.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{subject}");
        }
    }
}

#[test]
fn the_body_for_machines_says_what_was_meant_and_fits() {
    for words in hostile() {
        for details in saying(&words) {
            let notification = notification(details, &["app-blue"]);
            let Message { text, json, .. } = notification.message().unwrap();
            // People read by two ways of delivery and machines by four, and each way has a body of its own.
            let bodies = serde_json::to_string(&[&text, &text, &json, &json, &json, &json]).unwrap();
            assert!(bodies.len() < SNS_LENGTH_MAX, "{} bytes of {}", bodies.len(), notification.kind());
            let json: Value = serde_json::from_str(&json).unwrap();
            assert_eq!(serde_json::from_value::<Details>(json["details"].clone()).unwrap(), notification.details);
        }
    }
}

/// Every text of a JSON value.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(values) => values.iter().flat_map(texts).collect(),
        Value::Object(fields) => fields.values().flat_map(texts).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

#[test]
fn in_chat_nobody_is_mentioned_nothing_is_linked_and_all_fits() {
    for words in hostile() {
        for details in saying(&words) {
            let groups = ["<!channel>", "[a](https://evil.example)"];
            let chat = notification(details, &groups).message().unwrap().chat;
            let chat: Value = serde_json::from_str(&chat).unwrap();
            for text in texts(&chat) {
                assert!(
                    !text.contains(['<', '>', '@']) && !["](", "][", "]:"].iter().any(|link| text.contains(link)),
                    "{text}"
                );
            }
            for step in chat["content"]["nextSteps"].as_array().unwrap() {
                let step = step.as_str().unwrap();
                assert_eq!(step.matches('`').count(), 2, "{step}");
                assert!(step.chars().count() <= 350, "{step}");
            }
            let length = |text: &Value| text.as_str().unwrap().chars().count();
            let description = &chat["content"]["description"];
            assert!(!description.as_str().unwrap().contains('`'), "{description}");
            assert!(length(description) < 3_000 && length(&chat["content"]["title"]) <= 150, "{chat}");
            assert!(
                length(&chat["metadata"]["summary"]) <= 250 && length(&chat["metadata"]["threadId"]) <= 128,
                "{chat}"
            );
        }
    }
}

#[test]
fn a_state_of_which_strangers_chose_the_name_is_harmless_too() {
    for words in hostile() {
        let action = Condition::PermissionDenied { action: words.chars().take(LENGTH_MAX).collect() };
        for details in [
            Details::Ended { condition: action.key(), since: t0() },
            Details::Entered { condition: action, detail: "x".into() },
        ] {
            let message = notification(details, &[]).message().unwrap();
            assert!(!message.text.chars().any(|character| character.is_control() && character != '\n'));
            let chat: Value = serde_json::from_str(&message.chat).unwrap();
            assert!(texts(&chat).iter().all(|text| !text.contains(['<', '>', '@'])), "{chat}");
            let thread = chat["metadata"]["threadId"].as_str().unwrap();
            assert!(thread.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte)), "{thread}");
        }
    }
}

#[test]
fn a_group_name_with_control_characters_is_no_group_name() {
    assert!("a\nb".parse::<GroupName>().is_err());
    assert!("a\u{1b}b".parse::<GroupName>().is_err());
}
