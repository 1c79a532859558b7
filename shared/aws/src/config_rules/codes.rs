//! AWS Config's error codes.

use driftless_reconciler::ports::{CallErrorKind, CallResult, Compliance as _};

use super::GET_DETAILS;
use crate::aws::Aws;
use crate::stub::StubAws;
use crate::wire::Again::{Call as AtOnce, NextPass};
use crate::wire::Means::{Answers, Fails};
use crate::wire::Says::{Else, Error};
use crate::wire::{EVERYWHERE, Line, Wire, call, meets};

async fn ask(aws: &Aws, _: &str) -> CallResult<String> {
    aws.non_compliant(&"approved-amis".parse().unwrap()).await.map(|answer| format!("{answer:?}"))
}

async fn met(lines: &[Line]) {
    meets(Wire::Json, &[call("non_compliant", GET_DETAILS, 3)], lines, |_| StubAws::default(), ask).await;
}

#[tokio::test]
async fn the_call_maps_the_errors_of_any_service() {
    met(&EVERYWHERE).await;
}

#[tokio::test]
async fn the_call_maps_the_errors_of_config() {
    let lines = [
        // A typo in a policy. It is reported with the fleet; a failed call would hide the other rules of the policy.
        (Error(400, "NoSuchConfigRuleException", "no such rule"), Answers("NoSuchRule"), NextPass),
        (Error(400, "Throttling", "Rate exceeded"), Fails(CallErrorKind::Throttled), AtOnce),
        (Error(400, "AccessDeniedException", "is not authorized to perform"), Fails(CallErrorKind::Denied), NextPass),
        (Error(400, "UnrecognizedClientException", "invalid token"), Fails(CallErrorKind::Denied), NextPass),
        (Error(400, "InvalidNextTokenException", "too old"), Fails(CallErrorKind::Refused), NextPass),
        (Error(400, "InvalidParameterValueException", "no"), Fails(CallErrorKind::Refused), NextPass),
        (Else(200, "<html>Welcome</html>"), Fails(CallErrorKind::Unreadable), NextPass),
    ];
    met(&lines).await;
}
