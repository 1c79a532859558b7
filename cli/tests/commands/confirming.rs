//! Commands that ask first: without a confirmation they are not sent.

use driftless_cli::api::{Function, OperatorApiError};
use driftless_status::request::OrderResult;

use crate::play::{Stage, command_result, unavailable};

const DESTRUCTIVE: [&str; 10] = [
    "driftless reject app",
    "driftless promote app",
    "driftless abort app",
    "driftless rollback app",
    "driftless redeploy app",
    "driftless replace i-00000000000000001",
    "driftless veto app ami-00000000000000002",
    "driftless accept-live app blue",
    "driftless freeze --everything --reason incident",
    "driftless thaw --everything",
];

/// A cutover at half of the traffic, and a function `operator` that applies every command.
fn obeyed() -> Stage {
    Stage::of("half-way").replying(vec![Ok(command_result(OrderResult::Done, "it continues in shifting"))])
}

#[test]
fn without_a_terminal_nothing_destructive_is_done_unless_it_was_confirmed() {
    for typed in DESTRUCTIVE {
        let played = obeyed().nobody().play(typed);
        assert_eq!((played.code, played.orders.len()), (2, 0), "{}", played.text());
        assert!(played.aside.contains("--yes confirms it"), "{}", played.text());
        let played = obeyed().nobody().play(&format!("{typed} --yes"));
        assert_eq!((played.code, played.orders.len()), (0, 1), "{}", played.text());
    }
}

#[test]
fn a_command_that_the_operator_declines_is_not_sent() {
    for typed in DESTRUCTIVE {
        let mut stage = Stage::of("half-way");
        stage.person = Some(false);
        let played = stage.play(typed);
        assert_eq!((played.code, played.orders.len()), (1, 0), "{}", played.text());
    }
}

#[test]
fn what_is_as_easily_taken_back_is_not_confirmed() {
    for typed in [
        "driftless freeze app --reason incident",
        "driftless thaw app",
        "driftless pause app",
        "driftless resume app",
        "driftless approve app",
        "driftless retry app",
        "driftless unveto app ami-00000000000000002",
    ] {
        let played = obeyed().nobody().play(typed);
        assert_eq!((played.code, played.orders.len(), played.questions.len()), (0, 1, 0), "{}", played.text());
    }
}

#[test]
fn a_machine_is_refused_in_its_own_language() {
    let played = Stage::of("half-way").nobody().play("driftless rollback app --json");
    insta::assert_snapshot!("unconfirmed-json", played.text());
}

#[test]
fn a_rollback_works_while_nothing_can_be_read() {
    let broken = || {
        let mut stage = Stage::of("half-way");
        stage.statuses = vec![Err(unavailable(Function::Status))];
        stage
    };
    let played = broken().play("driftless rollback app");
    assert_eq!((played.code, played.orders.len()), (0, 1));
    insta::assert_snapshot!("rollback-blind", played.text());
    let played = broken().nobody().play("driftless rollback app --yes");
    assert_eq!((played.code, played.orders.len(), played.questions.len()), (0, 1, 0));
}

#[test]
fn an_operator_without_permission_to_read_confirms_a_command_without_a_preview() {
    let denied = || {
        let mut stage = Stage::of("half-way");
        let why = "not authorized to perform lambda:InvokeFunctionUrl".to_owned();
        stage.statuses = vec![Err(OperatorApiError::Denied { function: Function::Status, why })];
        stage
    };
    let played = denied().play("driftless rollback app");
    assert_eq!((played.code, played.orders.len()), (0, 1));
    assert!(played.aside.contains("its effect cannot be shown"), "{}", played.text());
    assert_eq!(denied().play("driftless replace i-00000000000000001 --yes").code, 3, "its fleet cannot be found");
    assert_eq!(denied().play("driftless replace i-00000000000000001 --fleet app --yes").code, 0);
    assert_eq!(denied().play("driftless rollback app --yes").code, 0);
}
