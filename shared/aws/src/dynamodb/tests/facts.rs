use std::collections::BTreeMap;

use driftless_planner::fact::{Command, CommandFact};
use driftless_reconciler::ports::{Store as _, StoreResult};
use futures_util::future::join_all;

use super::*;
use crate::aws::testing::on;

fn word(at: Timestamp) -> Fact {
    Fact::Command(CommandFact {
        request: "one".to_owned(),
        fleet: app(),
        actor: "ana".into(),
        at,
        reason: None,
        cutover: None,
        command: Command::Retry,
    })
}

#[tokio::test]
async fn a_fact_that_cannot_wait_and_its_request_are_one_transaction() {
    let stub = StubAws::default().on("TransactWriteItems", 200, "{}");
    assert_eq!(on(&stub).store(&app(), &word(at(1_500)), at(2_000)).await.unwrap(), StoreResult::Stored);
    let parts = parts(&stub);
    assert_eq!(parts.len(), 2);
    let put = &parts[0]["Put"];
    assert_eq!(put["ConditionExpression"], "attribute_not_exists(pk) OR observed_at_ms < :new");
    assert_eq!(put["ExpressionAttributeValues"], json!({":new": {"N": "1500"}}));
    assert_eq!(put["Item"]["pk"], json!({"S": "FLEET#app"}));
    assert_eq!(put["Item"]["fact"]["M"]["kind"], json!({"S": "command"}));
    let count = &parts[1]["Update"];
    assert_eq!(count["Key"], json!({"pk": {"S": "FLEET#app"}, "sk": {"S": "LEASE"}}));
    assert_eq!(
        count["UpdateExpression"],
        "SET schema_version = if_not_exists(schema_version, :schema) ADD request_count :one"
    );
    assert!(count.get("ConditionExpression").is_none(), "a held lease does not keep facts out");
}

#[tokio::test]
async fn a_fact_that_can_wait_is_stored_with_what_outlives_it() {
    let stub = StubAws::default().on("TransactWriteItems", 200, "{}");
    assert_eq!(on(&stub).store(&app(), &report(at(1_500)), at(2_000)).await.unwrap(), StoreResult::Stored);
    let parts = parts(&stub);
    assert_eq!(parts.len(), 2);
    let deduplication = &parts[0]["Put"];
    assert_eq!(deduplication["ConditionExpression"], "attribute_not_exists(pk) OR observed_at_ms < :new");
    assert_eq!(deduplication["ExpressionAttributeValues"], json!({":new": {"N": "1500"}}));
    // Not in the partition that each pass reads whole.
    assert_eq!(deduplication["Item"]["pk"], json!({"S": "DEDUPLICATION#app"}));
    assert_eq!(deduplication["Item"]["expires_at"], json!({"N": (2 + 2 * 24 * 3_600).to_string()}));
    let fact = &parts[1]["Put"];
    assert!(fact.get("ConditionExpression").is_none(), "the other part has it");
    assert_eq!(fact["Item"]["pk"], json!({"S": "FLEET#app"}));
    assert_eq!(fact["Item"]["fact"]["M"]["kind"], json!({"S": "compliance"}));
}

#[tokio::test]
async fn a_fact_that_is_not_newer_changes_nothing() {
    for (fact, expected) in [(word(at(1_500)), StoreResult::Stored), (report(at(1_500)), StoreResult::Known)] {
        let stub = StubAws::default().on("TransactWriteItems", 400, cancelled(&[failed(), fine()]));
        assert_eq!(on(&stub).store(&app(), &fact, at(2_000)).await.unwrap(), expected);
        assert_eq!(stub.sent().len(), 1);
    }
}

#[tokio::test]
async fn deduplication_marks_and_pending_requests_are_one_read() {
    let fact = report(at(1_500));
    let deduplication = json!({
        "pk": {"S": "DEDUPLICATION#app"}, "sk": {"S": fact.key()}, "schema_version": {"N": "1"},
        "observed_at_ms": {"N": "1400"}, "expires_at": {"N": "9"},
    });
    let mut lock = lease_item("run-1", 4, 9, 41_000);
    lock["next_request_ms"] = json!({"N": "60000"});
    let answer = json!({"Responses": {"driftless": [deduplication, lock]}, "UnprocessedKeys": {}});
    let stub = StubAws::default().on("BatchGetItem", 200, answer.to_string());
    // DynamoDB would refuse a repeated key.
    let deduplication = on(&stub).deduplication(&[(&app(), &fact), (&app(), &fact)]).await.unwrap();
    assert_eq!(deduplication.observed_at, BTreeMap::from([((app(), fact.key()), at(1_400))]));
    assert_eq!(deduplication.next_requests, BTreeMap::from([(app(), at(60_000))]));
    let asked = &stub.only().json()["RequestItems"]["driftless"];
    assert_eq!(asked["Keys"].as_array().unwrap().len(), 2);
    assert_eq!(asked["ConsistentRead"], false);
}

#[tokio::test]
async fn an_immediate_run_is_counted_and_refused_when_none_is_left() {
    let stub = StubAws::default().on("UpdateItem", 200, "{}").on("UpdateItem", 400, condition_failed(None));
    let aws = on(&stub);
    assert!(aws.take_immediate_run(at(119_999)).await.unwrap());
    assert!(!aws.take_immediate_run(at(120_000)).await.unwrap());
    let keys: Vec<Value> = stub.sent().iter().map(|sent| sent.json()["Key"]["sk"]["S"].clone()).collect();
    assert_eq!(keys, ["IMMEDIATE-RUNS#1", "IMMEDIATE-RUNS#2"]);
    assert_eq!(stub.sent()[0].json()["ConditionExpression"], "attribute_not_exists(run_count) OR run_count < :max");
}

#[tokio::test]
async fn facts_that_meet_on_one_fleet_are_tried_again() {
    let met = json!({"Code": "TransactionConflict", "Message": "Transaction is ongoing for the item"});
    let stub = StubAws::default()
        .on("TransactWriteItems", 400, cancelled(&[fine(), met.clone()]))
        .on("TransactWriteItems", 400, cancelled(&[fine(), met]))
        .on("TransactWriteItems", 200, "{}");
    on(&stub).store(&app(), &report(at(1_500)), at(2_000)).await.unwrap();
    let sent = stub.sent();
    assert_eq!(sent.len(), 3);
    // A cancelled transaction is final; each attempt needs its own token.
    assert_ne!(sent[0].json()["ClientRequestToken"], sent[1].json()["ClientRequestToken"]);
}

#[tokio::test]
async fn a_cancelled_fact_says_why() {
    let cases = [
        // The SDK does not retry these, so the write itself does.
        ("ThrottlingError", CallErrorKind::Throttled, 8),
        ("ProvisionedThroughputExceeded", CallErrorKind::Throttled, 8),
        ("TransactionConflict", CallErrorKind::Busy, 8),
        ("ValidationError", CallErrorKind::Refused, 1),
        ("ItemCollectionSizeLimitExceeded", CallErrorKind::Refused, 1),
        ("ACodeOfTomorrow", CallErrorKind::Refused, 1),
    ];
    join_all(cases.map(async |(code, kind, attempts)| {
        let reason = json!({"Code": code, "Message": "because"});
        let stub = StubAws::default().always("TransactWriteItems", Reply::new(400, cancelled(&[fine(), reason])));
        let error = on(&stub).store(&app(), &report(at(0)), at(0)).await.unwrap_err();
        assert_eq!((error.kind, error.message.as_str()), (kind, format!("{code}: because").as_str()));
        assert_eq!(stub.sent().len(), attempts, "{code}");
    }))
    .await;
}
