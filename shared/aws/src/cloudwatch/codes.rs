//! CloudWatch's error codes.

use driftless_planner::alarm::AlarmState;
use driftless_reconciler::ports::{Alarms as _, CallErrorKind, CallResult};

use super::{DESCRIBE_ALARMS, in_words};
use crate::aws::Aws;
use crate::stub::StubAws;
use crate::wire::Again::{Call as AtOnce, NextPass};
use crate::wire::Means::Fails;
use crate::wire::Says::{Else, Error};
use crate::wire::{Call, EVERYWHERE, Line, Wire, call, meets};

const CALLS: [Call; 2] = [call("alarms", DESCRIBE_ALARMS, 3), call("ringing", DESCRIBE_ALARMS, 3)];

async fn ask(aws: &Aws, method: &str) -> CallResult<String> {
    match method {
        "alarms" => aws.alarms(&["web-5xx".parse().unwrap()].into()).await.map(|answer| format!("{answer:?}")),
        "ringing" => aws.in_alarm().await.map(|answer| format!("{answer:?}")),
        other => panic!("{other}"),
    }
}

async fn met(lines: &[Line]) {
    meets(Wire::CompatibleCbor, &CALLS, lines, |_| StubAws::default(), ask).await;
}

#[tokio::test]
async fn every_call_maps_the_errors_of_any_service() {
    met(&EVERYWHERE).await;
}

#[tokio::test]
async fn every_call_maps_the_errors_of_cloudwatch() {
    let lines = [
        (Error(400, "Throttling", "Rate exceeded"), Fails(CallErrorKind::Throttled), AtOnce),
        (Error(500, "InternalServiceError", "try later"), Fails(CallErrorKind::Unavailable), AtOnce),
        (Error(403, "AccessDenied", "is not authorized to perform"), Fails(CallErrorKind::Denied), NextPass),
        (Error(400, "AccessDeniedException", "is not authorized to perform"), Fails(CallErrorKind::Denied), NextPass),
        (Error(400, "InvalidNextToken", "too old"), Fails(CallErrorKind::Refused), NextPass),
        (Else(200, "<html>Welcome</html>"), Fails(CallErrorKind::Unreadable), NextPass),
    ];
    met(&lines).await;
}

#[test]
fn a_state_that_is_new_is_not_guessed_at() {
    for (state, expected) in
        [("OK", AlarmState::Ok), ("ALARM", AlarmState::Alarm), ("INSUFFICIENT_DATA", AlarmState::InsufficientData)]
    {
        assert_eq!(in_words(&state.into()).unwrap(), expected);
    }
    for state in ["DROWSY", ""] {
        let error = in_words(&state.into()).unwrap_err();
        assert_eq!(error.kind, CallErrorKind::Unreadable);
        assert_eq!(error.message.as_str(), format!("StateValue is {state}").trim());
    }
}
