//! DynamoDB's error codes, call by call.

use std::collections::BTreeMap;

use driftless_planner::fact::Subject;
use driftless_reconciler::ports::{CallResult, OperatorApi as _, Store as _};

use super::*;
use crate::aws::Aws;
use crate::aws::testing::on;
use crate::wire::Again::{Call as AtOnce, NextPass};
use crate::wire::Means::{Answers, Fails};
use crate::wire::Says::{Else, Error};
use crate::wire::{Call, EVERYWHERE, Line, Wire, call, meets, words};

const QUERY: &str = "dynamodb:Query";
const BATCH_GET: &str = "dynamodb:BatchGetItem";
const BATCH_WRITE: &str = "dynamodb:BatchWriteItem";
const PUT: &str = "dynamodb:PutItem";
const DELETE: &str = "dynamodb:DeleteItem";
const UPDATE: &str = "dynamodb:UpdateItem";
const TRANSACT: &str = "dynamodb:TransactWriteItems";

/// The calls that the tests cover. Every write is conditional, absolute, or has a token, so it may be repeated. The
/// history is left out: two parallel queries read it, and the number of attempts depends on timing.
const CALLS: [Call; 18] = [
    call("fingerprints", QUERY, 3),
    call("freezes", BATCH_GET, 3),
    call("lease_state", BATCH_GET, 3),
    call("indexed", BATCH_GET, 3),
    call("deduplication", BATCH_GET, 3),
    call("index", BATCH_WRITE, 3),
    call("mark_delivered", BATCH_WRITE, 3),
    call("remember", PUT, 3),
    call("set_freeze", PUT, 3),
    call("take_turn", PUT, 3),
    call("give_turn", PUT, 3),
    call("lift_freeze", DELETE, 3),
    call("acquire", UPDATE, 3),
    call("release", UPDATE, 3),
    call("claim_request", UPDATE, 3),
    call("take_immediate_run", UPDATE, 3),
    call("store", TRANSACT, 3),
    call("commit", TRANSACT, 3),
];

fn slots(fleet: &str) -> String {
    let slots =
        json!({"pk": "ACCOUNT", "sk": "CUTOVER-SLOTS", "schema_version": 1, "version": 4, "slots_ms": {fleet: 1500}});
    json!({"Responses": {"driftless": [wire(&slots)]}}).to_string()
}

/// Stubs the reads that a method makes before the tested action: a slot is read before it is written.
fn prepared(method: &str) -> StubAws {
    match method {
        "take_turn" => StubAws::default().on(BATCH_GET.rsplit(':').next().unwrap(), 200, slots("other")),
        "give_turn" => StubAws::default().on(BATCH_GET.rsplit(':').next().unwrap(), 200, slots("app")),
        _ => StubAws::default(),
    }
}

async fn ask(aws: &Aws, method: &str) -> CallResult<String> {
    let subject = Subject::Instance(parsed("i-0aa11bb22cc33dd44"));
    match method {
        "fingerprints" => aws.fingerprints().await.map(words),
        "freezes" => aws.freezes(&app()).await.map(words),
        "lease_state" => aws.lease_state(&app()).await.map(words),
        "indexed" => aws.indexed(&[subject].into()).await.map(words),
        "index" => aws.index(&BTreeMap::from([(subject, [app()].into())]), at(0)).await.map(words),
        "mark_delivered" => aws.mark_delivered(&app(), &["app-8-0".to_owned()]).await.map(words),
        "remember" => aws.remember(&app(), "f").await.map(words),
        "set_freeze" => aws.set_freeze(&freeze(scope())).await.map(words),
        "lift_freeze" => aws.lift_freeze(&scope()).await.map(words),
        "take_turn" => aws.take_slot(&app(), 3, at(1_000)).await.map(words),
        "give_turn" => aws.give_slot(&app()).await.map(words),
        "deduplication" => aws.deduplication(&[(&app(), &report(at(1_500)))]).await.map(words),
        "take_immediate_run" => aws.take_immediate_run(at(1_000)).await.map(words),
        "acquire" => aws.acquire(&app(), "run-1", at(1_000), at(41_000)).await.map(words),
        "release" => aws.release(&lease(), None).await.map(words),
        "claim_request" => aws.claim_request(&app(), at(60_000), at(1_000)).await.map(words),
        "store" => aws.store(&app(), &report(at(1_500)), at(2_000)).await.map(words),
        "commit" => aws.commit(&lease(), Some(7), &decision(), at(1_234)).await.map(words),
        other => panic!("{other}"),
    }
}

fn scope() -> FreezeScope {
    FreezeScope::Fleet(app())
}

async fn met(methods: &[&str], lines: &[Line]) {
    let is_meant = |call: &Call| methods.is_empty() || methods.contains(&call.method);
    let calls: Vec<Call> = CALLS.into_iter().filter(is_meant).collect();
    meets(Wire::Json, &calls, lines, prepared, ask).await;
}

#[tokio::test]
async fn every_call_maps_the_errors_of_any_service() {
    met(&[], &EVERYWHERE).await;
}

#[tokio::test]
async fn every_call_maps_the_errors_of_dynamodb() {
    let lines = [
        (Error(400, "ProvisionedThroughputExceededException", "slower"), Fails(CallErrorKind::Throttled), AtOnce),
        (Error(400, "RequestLimitExceeded", "slower"), Fails(CallErrorKind::Throttled), AtOnce),
        (Error(500, "InternalServerError", "try later"), Fails(CallErrorKind::Unavailable), AtOnce),
        (Error(400, "AccessDeniedException", "is not authorized to perform"), Fails(CallErrorKind::Denied), NextPass),
        (Error(400, "UnrecognizedClientException", "invalid token"), Fails(CallErrorKind::Denied), NextPass),
        (Error(400, "ExpiredTokenException", "expired"), Fails(CallErrorKind::Denied), NextPass),
        // The table belongs to the installation, so its absence never counts as success.
        (Error(400, "ResourceNotFoundException", "no such table"), Fails(CallErrorKind::Refused), NextPass),
        (
            Error(400, "ValidationException", "Item size has exceeded the maximum"),
            Fails(CallErrorKind::Refused),
            NextPass,
        ),
    ];
    met(&[], &lines).await;
}

#[tokio::test]
async fn an_unreadable_row_is_never_treated_as_absent() {
    let unreadable = Fails(CallErrorKind::Unreadable);
    met(
        &["freezes", "indexed", "fingerprints", "acquire"],
        &[(Else(200, "<html>Welcome</html>"), unreadable, NextPass)],
    )
    .await;
    // An empty list means no freeze; a missing list is an error.
    let silent = on(&StubAws::default().on("BatchGetItem", 200, "{}")).freezes(&app()).await.unwrap_err();
    assert_eq!(told(&silent), (CallErrorKind::Unreadable, "the answer lacks Responses"));
}

#[tokio::test]
async fn a_condition_that_does_not_hold_is_an_answer() {
    let failed = Error(400, "ConditionalCheckFailedException", "The conditional request failed");
    met(&["release"], &[(failed, Answers("Lost"), NextPass)]).await;
    met(&["claim_request"], &[(failed, Answers("false"), NextPass)]).await;
    // Another commit has used this token.
    let mismatch = Error(400, "IdempotentParameterMismatchException", "another");
    met(&["commit"], &[(mismatch, Answers("Conflict"), NextPass)]).await;
    let too_large = Error(400, "ItemCollectionSizeLimitExceededException", "too large");
    met(&["remember", "mark_delivered", "acquire"], &[(too_large, Fails(CallErrorKind::Refused), NextPass)]).await;
}
