//! Every error says what to do next.

use driftless_cli::api::{Function, OperatorApiError};
use driftless_status::request::{Refusal, RefusalCause, Reply};

use crate::play::{Stage, lost, unavailable};

#[test]
fn every_error_says_what_to_do_and_has_its_code() {
    let denied = "User: arn:aws:sts::123456789012:assumed-role/oncall/ana is not authorized to perform: \
                  lambda:GetFunctionUrlConfig on resource: \
                  arn:aws:lambda:eu-central-1:123456789012:function:driftless-operator";
    let forbidden = "Forbidden. For troubleshooting Function URL authorization issues, see: \
                     https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html";
    let expired = "The security token included in the request is expired";
    let no_files = "Too many open files (os error 24)";
    let no_field = "missing field `fleet` at line 1 column 24";
    for (name, error, code) in [
        ("no-runtime", OperatorApiError::NoRuntime { why: no_files.to_owned() }, 4),
        ("no-credentials", OperatorApiError::NoCredentials { why: expired.to_owned() }, 3),
        ("no-region", OperatorApiError::NoRegion, 2),
        ("no-stack", OperatorApiError::NoStack { stack: "driftless".to_owned(), region: "eu-central-1".to_owned() }, 3),
        ("denied-status", OperatorApiError::Denied { function: Function::Status, why: forbidden.to_owned() }, 3),
        ("denied-operator", OperatorApiError::Denied { function: Function::Operator, why: denied.to_owned() }, 3),
        ("unavailable", unavailable(Function::Status), 4),
        ("lost", lost(Function::Status), 4),
        ("unreadable", OperatorApiError::Unreadable { function: Function::Status, why: no_field.to_owned() }, 4),
    ] {
        let mut stage = Stage::of("steady");
        stage.statuses = vec![Err(error)];
        let played = stage.play("driftless status app");
        assert_eq!(played.code, code, "{name}");
        insta::assert_snapshot!(name, played.text());
    }
}

#[test]
fn a_mistyped_fleet_gets_the_one_that_is_near_or_those_that_there_are() {
    for (name, typed) in [
        ("near-fleet", "driftless status apq"),
        ("near-fleet-json", "driftless why apq --json"),
        ("no-near-fleet", "driftless history checkout"),
    ] {
        let played = Stage::of("steady").play(typed);
        assert_eq!(played.code, 3, "{typed}");
        insta::assert_snapshot!(name, played.text());
    }
    let refusal = Refusal { cause: RefusalCause::NotFound, says: "there is no fleet apq".into() };
    let ordered = Stage::of("steady").replying(vec![Ok(Reply::Refused(refusal))]).play("driftless rollback apq --yes");
    assert_eq!(ordered.code, 3);
    assert!(ordered.aside.contains("did you mean app?"), "{}", ordered.text());
}

#[test]
fn where_the_fleets_cannot_be_listed_the_refusal_stands_alone() {
    let refusal = Refusal { cause: RefusalCause::NotFound, says: "there is no fleet apq".into() };
    let mut stage = Stage::of("steady").replying(vec![Ok(Reply::Refused(refusal))]);
    stage.statuses = vec![Err(unavailable(Function::Status))];
    let played = stage.play("driftless pause apq");
    assert_eq!((played.code, played.questions.len()), (3, 1), "{}", played.text());
    assert!(played.aside.contains("there is no fleet apq"), "{}", played.text());
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
    stage.statuses = vec![Err(OperatorApiError::Unavailable { function: Function::Status, why })];
    assert!(!stage.play("driftless status app").aside.contains(['\u{1b}', '\u{7}']));
}
