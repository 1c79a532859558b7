//! An error says what to do next.

use driftless_cli::desk::{DeskError, Function};

use crate::play::{Stage, lost, unavailable};

#[test]
fn every_error_says_what_to_do_and_has_its_code() {
    let why = || "as AWS said it".to_owned();
    for (name, error, code) in [
        ("no-runtime", DeskError::NoRuntime { why: why() }, 4),
        ("no-credentials", DeskError::NoCredentials { why: why() }, 3),
        ("no-region", DeskError::NoRegion, 2),
        ("no-stack", DeskError::NoStack { stack: "driftless".to_owned(), region: "eu-central-1".to_owned() }, 3),
        ("denied-status", DeskError::Denied { function: Function::Status, why: why() }, 3),
        ("denied-operator", DeskError::Denied { function: Function::Operator, why: why() }, 3),
        ("unavailable", unavailable(Function::Status), 4),
        ("lost", lost(Function::Status), 4),
        ("unreadable", DeskError::Unreadable { function: Function::Status, why: why() }, 4),
    ] {
        let mut stage = Stage::of("steady");
        stage.statuses = vec![Err(error)];
        let played = stage.play("driftless status app");
        assert_eq!(played.code, code, "{name}");
        insta::assert_snapshot!(name, played.text());
    }
}

#[test]
fn a_question_that_was_lost_is_asked_once_more() {
    let mut stage = Stage::of("steady");
    stage.statuses.insert(0, Err(lost(Function::Status)));
    let played = stage.play("driftless status app");
    assert_eq!((played.code, played.questions.len()), (0, 2));
}

#[test]
fn what_aws_says_does_nothing_to_a_terminal() {
    let mut stage = Stage::of("steady");
    let why = "\u{1b}]0;owned\u{7}".to_owned();
    stage.statuses = vec![Err(DeskError::Unavailable { function: Function::Status, why })];
    assert!(!stage.play("driftless status app").aside.contains(['\u{1b}', '\u{7}']));
}
