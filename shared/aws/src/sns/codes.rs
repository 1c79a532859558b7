//! SNS's error codes. No error loses a message: the outbox keeps what was not published.

use driftless_reconciler::ports::{Alerts as _, Audience, CallErrorKind, CallResult};

use super::PUBLISH;
use super::tests::message;
use crate::aws::Aws;
use crate::stub::StubAws;
use crate::wire::Again::{Call as AtOnce, NextPass};
use crate::wire::Means::Fails;
use crate::wire::Says::Error;
use crate::wire::{EVERYWHERE, Line, Wire, call, meets};

async fn ask(aws: &Aws, _: &str) -> CallResult<String> {
    aws.publish(&message(), Audience::OnCall).await.map(|()| "published".to_owned())
}

async fn met(lines: &[Line]) {
    meets(Wire::Query, &[call("publish", PUBLISH, 3)], lines, |_| StubAws::default(), ask).await;
}

#[tokio::test]
async fn the_call_maps_the_errors_of_any_service() {
    met(&EVERYWHERE).await;
}

#[tokio::test]
async fn the_call_maps_the_errors_of_sns() {
    let lines = [
        (Error(400, "Throttling", "Rate exceeded"), Fails(CallErrorKind::Throttled), AtOnce),
        (Error(500, "InternalError", "try later"), Fails(CallErrorKind::Unavailable), AtOnce),
        (Error(403, "AuthorizationError", "not authorized"), Fails(CallErrorKind::Denied), NextPass),
        (Error(403, "InvalidSecurity", "no"), Fails(CallErrorKind::Denied), NextPass),
        // The topic belongs to the installation, so its absence never counts as success.
        (Error(404, "NotFound", "Topic does not exist"), Fails(CallErrorKind::Refused), NextPass),
    ];
    met(&lines).await;
    let refused = ["InvalidParameter", "ParameterValueInvalid", "EndpointDisabled", "PlatformApplicationDisabled"];
    met(&refused.map(|code| (Error(400, code, "because"), Fails(CallErrorKind::Refused), NextPass))).await;
}

#[tokio::test]
async fn a_key_that_does_not_let_us_is_a_denial_and_one_that_is_busy_is_not() {
    let denied = ["KMSAccessDenied", "KMSDisabled", "KMSInvalidState", "KMSNotFound", "KMSOptInRequired"];
    met(&denied.map(|code| (Error(400, code, "the key"), Fails(CallErrorKind::Denied), NextPass))).await;
    met(&[(Error(400, "KMSThrottling", "slower"), Fails(CallErrorKind::Throttled), NextPass)]).await;
}
