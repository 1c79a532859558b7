use driftless_reconciler::ports::Store as _;
use futures_util::future::join_all;

use super::*;
use crate::aws::testing::on;

#[tokio::test]
async fn a_fact_and_its_wake_are_one_transaction() {
    let canned = Canned::default().on("TransactWriteItems", 200, "{}");
    on(&canned).file(&app(), &report(at(1_500)), at(2_000)).await.unwrap();
    let parts = parts(&canned);
    assert_eq!(parts.len(), 2);
    let put = &parts[0]["Put"];
    assert_eq!(put["ConditionExpression"], "attribute_not_exists(pk) OR observed_at_ms < :new");
    assert_eq!(put["ExpressionAttributeValues"], json!({":new": {"N": "1500"}}));
    assert_eq!(put["Item"]["pk"], json!({"S": "FLEET#app"}));
    assert_eq!(put["Item"]["fact"]["M"]["kind"], json!({"S": "compliance"}));
    let count = &parts[1]["Update"];
    assert_eq!(count["Key"], json!({"pk": {"S": "FLEET#app"}, "sk": {"S": "LOCK"}}));
    assert_eq!(count["UpdateExpression"], "SET schema_version = if_not_exists(schema_version, :schema) ADD wakes :one");
    assert!(count.get("ConditionExpression").is_none(), "a held lease does not keep facts out");
}

#[tokio::test]
async fn a_fact_that_is_not_newer_changes_nothing() {
    let canned = Canned::default().on("TransactWriteItems", 400, cancelled(&[failed(), fine()]));
    on(&canned).file(&app(), &report(at(1_500)), at(2_000)).await.unwrap();
    assert_eq!(canned.sent().len(), 1);
}

#[tokio::test]
async fn facts_that_meet_on_one_fleet_are_tried_again() {
    let met = json!({"Code": "TransactionConflict", "Message": "Transaction is ongoing for the item"});
    let canned = Canned::default()
        .on("TransactWriteItems", 400, cancelled(&[fine(), met.clone()]))
        .on("TransactWriteItems", 400, cancelled(&[fine(), met]))
        .on("TransactWriteItems", 200, "{}");
    on(&canned).file(&app(), &report(at(1_500)), at(2_000)).await.unwrap();
    let sent = canned.sent();
    assert_eq!(sent.len(), 3);
    // A cancelled transaction is over; each attempt is one of its own.
    assert_ne!(sent[0].json()["ClientRequestToken"], sent[1].json()["ClientRequestToken"]);
}

#[tokio::test]
async fn a_cancelled_fact_says_why() {
    let cases = [
        // To the SDK they are answers, so the write itself is patient.
        ("ThrottlingError", CallErrorKind::Throttled, 8),
        ("ProvisionedThroughputExceeded", CallErrorKind::Throttled, 8),
        ("TransactionConflict", CallErrorKind::Busy, 8),
        ("ValidationError", CallErrorKind::Refused, 1),
        ("ItemCollectionSizeLimitExceeded", CallErrorKind::Refused, 1),
        ("ACodeOfTomorrow", CallErrorKind::Refused, 1),
    ];
    join_all(cases.map(async |(code, kind, attempts)| {
        let reason = json!({"Code": code, "Message": "because"});
        let canned = Canned::default().always("TransactWriteItems", Reply::new(400, cancelled(&[fine(), reason])));
        let error = on(&canned).file(&app(), &report(at(0)), at(0)).await.unwrap_err();
        assert_eq!((error.kind, error.message.as_str()), (kind, format!("{code}: because").as_str()));
        assert_eq!(canned.sent().len(), attempts, "{code}");
    }))
    .await;
}
