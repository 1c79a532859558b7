//! EventBridge's error codes. No error loses an event: the outbox keeps what was not published.

use driftless_reconciler::ports::{Bus as _, CallErrorKind, CallResult};

use super::PUT;
use super::tests::event;
use crate::aws::Aws;
use crate::stub::StubAws;
use crate::wire::Again::{Call as AtOnce, NextPass};
use crate::wire::Means::Fails;
use crate::wire::Says::Error;
use crate::wire::{EVERYWHERE, Line, Wire, call, meets};

async fn ask(aws: &Aws, _: &str) -> CallResult<String> {
    aws.put(&[event(0)]).await.map(|refused| format!("{} were not taken", refused.len()))
}

async fn met(lines: &[Line]) {
    meets(Wire::Json, &[call("put", PUT, 3)], lines, |_| StubAws::default(), ask).await;
}

#[tokio::test]
async fn the_call_maps_the_errors_of_any_service() {
    met(&EVERYWHERE).await;
}

#[tokio::test]
async fn the_call_maps_the_errors_of_eventbridge() {
    let lines = [
        (Error(500, "InternalException", "try later"), Fails(CallErrorKind::Unavailable), AtOnce),
        (Error(400, "AccessDeniedException", "not authorized"), Fails(CallErrorKind::Denied), NextPass),
        (Error(400, "UnrecognizedClientException", "who"), Fails(CallErrorKind::Denied), NextPass),
        // The bus belongs to the installation, so its absence never counts as success.
        (Error(400, "ResourceNotFoundException", "no such bus"), Fails(CallErrorKind::Refused), NextPass),
        (Error(400, "ValidationException", "because"), Fails(CallErrorKind::Refused), NextPass),
        (Error(413, "RequestEntityTooLarge", "because"), Fails(CallErrorKind::Refused), NextPass),
    ];
    met(&lines).await;
}
