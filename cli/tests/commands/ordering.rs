//! The commands that change something.

use driftless_cli::api::Function;
use driftless_status::request::{OrderResult, Refusal, RefusalCause, Reply};

use crate::play::{Stage, command_result, lost, shell_words, unavailable};

#[test]
fn every_order_is_sent_and_answered_as_its_golden_file() {
    for (name, world, typed) in [
        ("freeze", "half-way", "driftless freeze app --reason 'see app-7-0'"),
        ("freeze-for", "half-way", "driftless freeze app --reason incident --for 2h"),
        ("freeze-everything", "half-way", "driftless freeze --everything --reason incident --for 2h"),
        ("thaw", "frozen", "driftless thaw app"),
        ("thaw-everything", "frozen", "driftless thaw --everything --reason 'it is over'"),
        ("pause", "half-way", "driftless pause app"),
        ("resume", "paused", "driftless resume app"),
        ("approve", "awaiting-approval", "driftless approve app --reason 'tests passed'"),
        ("reject", "awaiting-approval", "driftless reject app --reason 'tests failed'"),
        ("promote", "half-way", "driftless promote app"),
        ("abort", "half-way", "driftless abort app"),
        ("abort-nothing", "steady", "driftless abort app"),
        ("rollback", "half-way", "driftless rollback app"),
        ("rollback-closed", "steady", "driftless rollback app"),
        ("retry", "stopped", "driftless retry app"),
        ("replace", "steady", "driftless replace i-00000000000000009"),
        ("replace-drifted", "blocked", "driftless replace i-00000000000000001"),
        ("redeploy", "steady", "driftless redeploy app"),
        ("redeploy-busy", "half-way", "driftless redeploy app"),
        ("veto-coming", "half-way", "driftless veto app ami-00000000000000002 --reason 'leaks memory'"),
        ("veto-running", "steady", "driftless veto app ami-00000000000000001"),
        ("unveto", "rolled-back", "driftless unveto app ami-00000000000000002"),
        ("accept-live", "steady", "driftless accept-live app green"),
        ("accept-live-busy", "needs-operator", "driftless accept-live app green"),
        ("approve-json", "awaiting-approval", "driftless approve app --json --request ci-42"),
        ("rollback-yes", "half-way", "driftless rollback app --yes"),
    ] {
        insta::assert_snapshot!(name, Stage::of(world).play(typed).text());
    }
}

#[test]
fn an_order_ends_with_what_became_of_it() {
    for (result, says, code) in [
        (OrderResult::Done, "it continues in shifting", 0),
        (OrderResult::NotDone, "it is not paused", 1),
        (OrderResult::Pending, "the next reconcile applies it, and the history shows the result", 6),
    ] {
        let stage = Stage::of("paused").replying(vec![Ok(command_result(result, says))]);
        let played = stage.play("driftless resume app");
        assert_eq!(played.code, code);
        insta::assert_snapshot!(format!("result-{code}"), played.text());
    }
    let stage = Stage::of("paused").replying(vec![Ok(command_result(OrderResult::Pending, ""))]);
    insta::assert_snapshot!("pending-json", stage.play("driftless resume app --json").text());
}

#[test]
fn a_refused_order_says_whose_matter_it_is() {
    for (cause, says, code) in [
        (RefusalCause::BadRequest, "request is 1 to 64 letters, digits and -_.:/", 3),
        (RefusalCause::NotFound, "there is no fleet app, or no reconcile of it yet", 3),
        (RefusalCause::Unavailable, "DynamoDB GetItem: throttled: Rate exceeded", 4),
    ] {
        let reply = Reply::Refused(Refusal { cause, says: says.into() });
        let played = Stage::of("steady").replying(vec![Ok(reply)]).play("driftless retry app");
        assert_eq!(played.code, code);
        insta::assert_snapshot!(format!("refused-{cause:?}"), played.text());
    }
}

#[test]
fn a_lost_answer_is_asked_for_once_more_as_the_same_order() {
    let done = Ok(command_result(OrderResult::Done, "approved; the cutover is verifying"));
    let stage = Stage::of("steady").replying(vec![Err(lost(Function::Operator)), done]);
    let played = stage.play("driftless approve app");
    assert_eq!((played.code, played.orders.len()), (0, 2));
    assert_eq!(played.orders[0], played.orders[1]);
}

#[test]
fn an_order_that_is_lost_twice_can_be_typed_again_as_the_same() {
    let stage = Stage::of("steady").replying(vec![Err(lost(Function::Operator))]);
    let played = stage.play("driftless approve app");
    assert_eq!((played.code, played.orders.len()), (4, 2));
    insta::assert_snapshot!("lost-twice", played.text());
}

#[test]
fn a_function_that_answers_with_an_error_is_not_asked_twice() {
    let stage = Stage::of("steady").replying(vec![Err(unavailable(Function::Operator))]);
    let played = stage.play("driftless approve app");
    assert_eq!((played.code, played.orders.len()), (4, 1));
}

#[test]
fn a_closed_output_does_not_change_the_exit_code() {
    let not_done =
        || Stage::of("half-way").replying(vec![Ok(command_result(OrderResult::NotDone, "it is not paused"))]);
    for flag in ["", " --json"] {
        assert_eq!(not_done().code_for_nobody(&format!("driftless resume app{flag}")), 1);
        assert_eq!(not_done().code_for_nobody(&format!("driftless abort app{flag}")), 1);
        assert_eq!(not_done().code_for_nobody(&format!("driftless status nowhere{flag}")), 3);
        // Without the flag `watch` never ends.
        assert_eq!(Stage::of("half-way").code_for_nobody(&format!("driftless watch app{flag}")), 0);
    }
}

#[test]
fn a_hostile_reason_arrives_as_it_was_meant_and_shows_nothing_but_itself() {
    for hostile in ["it's `rm -rf ~`; $(reboot) \"now\" && exit", "--yes", "-x", "a | b > c", "\\ ' \\'"] {
        let typed = format!("driftless pause app --reason={}", driftless_planner::text::shell_quoted(hostile));
        let played = Stage::of("half-way").play(&typed);
        assert_eq!(played.orders[0].reason.as_ref().unwrap().as_str(), hostile.trim(), "{typed}");
        assert_eq!(shell_words(&typed).len(), 4);
    }
    let says = "\u{1b}[2Jgone\u{202e}\r\nexit 0\u{7}";
    let played =
        Stage::of("half-way").replying(vec![Ok(command_result(OrderResult::Done, says))]).play("driftless pause app");
    assert!(!played.out.contains(['\u{1b}', '\u{202e}', '\r', '\u{7}']), "{:?}", played.out);
}
