//! SQS's error codes. After a failed send, the message that caused it is delivered again.

use aws_sdk_sqs::types::BatchResultErrorEntry;
use driftless_reconciler::ports::{CallErrorKind, CallResult, RequestQueue as _};
use jiff::SignedDuration;

use super::tests::{request, sender};
use super::{SEND, SEND_BATCH, entry_error};
use crate::aws::Aws;
use crate::stub::StubAws;
use crate::wire::Again::{Call as AtOnce, NextPass};
use crate::wire::Means::Fails;
use crate::wire::Says::{Else, Error};
use crate::wire::{EVERYWHERE, Line, Wire, call, meets};

const KEY_DENIED: [&str; 6] = [
    "KMS.AccessDeniedException",
    "KMS.DisabledException",
    "KMS.InvalidKeyUsageException",
    "KMS.InvalidStateException",
    "KMS.NotFoundException",
    "KMS.OptInRequired",
];

async fn ask(aws: &Aws, _: &str) -> CallResult<String> {
    aws.send(&request("app"), SignedDuration::ZERO).await.map(|()| "sent".to_owned())
}

async fn met(lines: &[Line]) {
    meets(Wire::CompatibleJson, &[call("send", SEND, 3)], lines, |_| StubAws::default(), ask).await;
}

#[tokio::test]
async fn the_call_maps_the_errors_of_any_service() {
    met(&EVERYWHERE).await;
}

#[tokio::test]
async fn the_call_maps_the_errors_of_sqs() {
    let lines = [
        (Error(400, "RequestThrottled", "Rate exceeded"), Fails(CallErrorKind::Throttled), AtOnce),
        (Error(403, "AccessDenied", "no access to the queue"), Fails(CallErrorKind::Denied), NextPass),
        (Error(400, "AccessDeniedException", "not authorized"), Fails(CallErrorKind::Denied), NextPass),
        (Error(403, "InvalidSecurity", "no"), Fails(CallErrorKind::Denied), NextPass),
        // The queue belongs to the installation, so its absence never counts as success.
        (
            Error(400, "AWS.SimpleQueueService.NonExistentQueue", "no such queue"),
            Fails(CallErrorKind::Refused),
            NextPass,
        ),
        (Error(400, "AWS.SimpleQueueService.UnsupportedOperation", "no"), Fails(CallErrorKind::Unsupported), NextPass),
        (Error(400, "InvalidMessageContents", "no"), Fails(CallErrorKind::Refused), NextPass),
        (Error(404, "InvalidAddress", "no"), Fails(CallErrorKind::Refused), NextPass),
        (Else(200, "<html>Welcome</html>"), Fails(CallErrorKind::Unreadable), NextPass),
    ];
    met(&lines).await;
}

#[tokio::test]
async fn a_key_that_does_not_let_us_is_a_denial_and_one_that_is_busy_is_not() {
    met(&KEY_DENIED.map(|code| (Error(400, code, "the key"), Fails(CallErrorKind::Denied), NextPass))).await;
    met(&[(Error(400, "KMS.ThrottlingException", "slower"), Fails(CallErrorKind::Throttled), NextPass)]).await;
}

#[test]
fn an_entry_of_a_batch_fails_as_a_call_would() {
    let denied = KEY_DENIED.map(|code| (code, true, CallErrorKind::Denied));
    for (code, is_our_fault, expected) in denied.into_iter().chain([
        ("KMS.ThrottlingException", true, CallErrorKind::Throttled),
        ("RequestThrottled", true, CallErrorKind::Throttled),
        ("AccessDenied", true, CallErrorKind::Denied),
        ("InvalidMessageContents", true, CallErrorKind::Refused),
        ("InternalError", false, CallErrorKind::Unavailable),
        ("ACodeOfTomorrow", false, CallErrorKind::Unavailable),
        ("ACodeOfTomorrow", true, CallErrorKind::Refused),
    ]) {
        let failed = BatchResultErrorEntry::builder().id("0").code(code).sender_fault(is_our_fault).message("because");
        let error = entry_error(&failed.build().unwrap());
        assert_eq!((error.kind, error.message.as_str()), (expected, format!("{code}: because").as_str()));
    }
}

#[tokio::test]
async fn a_message_that_the_answer_does_not_name_was_not_sent() {
    let sent = r#"{"Id":"1","MessageId":"m","MD5OfMessageBody":"d"}"#;
    let strange = r#"{"Id":"no number","SenderFault":false,"Code":"InternalError","Message":"oops"}"#;
    let stub =
        StubAws::default().on("SendMessageBatch", 200, format!(r#"{{"Successful":[{sent}],"Failed":[{strange}]}}"#));
    let results = sender(&stub).send_all(&[request("a"), request("b"), request("c")]).await;
    let kinds: Vec<_> =
        results.iter().map(|result| result.as_ref().err().map(|error| (error.operation, error.kind))).collect();
    let unreadable = Some((SEND_BATCH, CallErrorKind::Unreadable));
    assert_eq!(kinds, [unreadable, None, unreadable]);
}
