use driftless_reconciler::ports::{Acquired, Released, Store as _};

use super::*;
use crate::aws::testing::on;

fn conflict() -> String {
    json!({"__type": "com.amazonaws.dynamodb.v20120810#TransactionConflictException", "message": "ongoing"}).to_string()
}

async fn acquire(stub: &StubAws) -> Result<Acquired, CallError> {
    on(stub).acquire(&app(), "run-1", at(1_000), at(41_000)).await
}

#[tokio::test]
async fn a_lease_is_taken_when_it_is_free_over_or_ours() {
    let mut item = lease_item("run-1", 4, 9, 41_000);
    item["next_request_ms"] = json!({"N": "60000"});
    let stub = StubAws::default().on("UpdateItem", 200, json!({"Attributes": item}).to_string());
    let expected = Lease {
        fleet: app(),
        holder: "run-1".to_owned(),
        fence: 4,
        requests: 9,
        next_request: Some(at(60_000)),
        until: at(41_000),
    };
    assert_eq!(acquire(&stub).await.unwrap(), Acquired::Held(expected));
    let sent = stub.only().json();
    assert_eq!(sent["Key"], json!({"pk": {"S": "FLEET#app"}, "sk": {"S": "LEASE"}}));
    assert_eq!(
        sent["UpdateExpression"],
        "SET holder = :me, until_ms = :until, schema_version = :schema, fence = if_not_exists(fence, :zero) + :one"
    );
    assert_eq!(
        sent["ConditionExpression"],
        "(attribute_not_exists(schema_version) OR schema_version = :schema) AND \
         (attribute_not_exists(holder) OR until_ms <= :now OR holder = :me)"
    );
    assert_eq!(sent["ReturnValues"], "ALL_NEW");
    assert_eq!(sent["ReturnValuesOnConditionCheckFailure"], "ALL_OLD");
    let values = &sent["ExpressionAttributeValues"];
    assert_eq!(values[":me"], json!({"S": "run-1"}));
    assert_eq!((&values[":now"], &values[":until"]), (&json!({"N": "1000"}), &json!({"N": "41000"})));
}

#[tokio::test]
async fn a_lease_without_counted_requests_starts_at_zero() {
    let mut item = lease_item("run-1", 1, 0, 41_000);
    item.as_object_mut().unwrap().remove("request_count");
    let stub = StubAws::default().on("UpdateItem", 200, json!({"Attributes": item}).to_string());
    let Acquired::Held(lease) = acquire(&stub).await.unwrap() else { panic!("held") };
    assert_eq!((lease.requests, lease.next_request), (0, None));
}

#[tokio::test]
async fn a_lease_of_another_holder_returns_its_end() {
    let item = lease_item("run-0", 3, 0, 39_000);
    let stub = StubAws::default().on("UpdateItem", 400, condition_failed(Some(&item)));
    assert_eq!(acquire(&stub).await.unwrap(), Acquired::Busy { until: at(39_000) });
}

#[tokio::test]
async fn a_lease_of_another_shape_is_left_alone() {
    let mut item = lease_item("run-0", 3, 0, 500);
    item["schema_version"] = json!({"N": "9"});
    let stub = StubAws::default().on("UpdateItem", 400, condition_failed(Some(&item)));
    let error = acquire(&stub).await.unwrap_err();
    let expected = "item FLEET#app/LEASE: schema_version is 9, this code reads 1";
    assert_eq!(told(&error), (CallErrorKind::Unreadable, expected));
}

#[tokio::test]
async fn a_write_that_meets_a_transaction_is_repeated() {
    let item = json!({"Attributes": lease_item("run-1", 4, 9, 41_000)}).to_string();
    let stub = StubAws::default().on("UpdateItem", 400, conflict()).on("UpdateItem", 200, item);
    assert!(matches!(acquire(&stub).await.unwrap(), Acquired::Held(_)));
    assert_eq!(stub.sent().len(), 2);
}

#[tokio::test]
async fn conflicts_without_end_are_busy() {
    let stub = (0..20).fold(StubAws::default(), |stub, _| stub.on("UpdateItem", 400, conflict()));
    let error = acquire(&stub).await.unwrap_err();
    assert_eq!(error.kind, CallErrorKind::Busy);
    assert_eq!(stub.sent().len(), 8);
}

#[tokio::test]
async fn a_lease_is_released_if_no_request_was_counted() {
    for (next_request, update) in [
        (None, "REMOVE holder, until_ms, next_request_ms"),
        (Some(at(60_000)), "SET next_request_ms = :next REMOVE holder, until_ms"),
    ] {
        let stub = StubAws::default().on("UpdateItem", 200, "{}");
        assert_eq!(on(&stub).release(&lease(), next_request).await.unwrap(), Released::Free);
        let sent = stub.only().json();
        assert_eq!(sent["UpdateExpression"], update);
        assert_eq!(
            sent["ConditionExpression"],
            "(attribute_not_exists(schema_version) OR schema_version = :schema) AND holder = :me AND fence = :fence \
             AND (request_count = :requests OR (attribute_not_exists(request_count) AND :requests = :zero))"
        );
        let values = &sent["ExpressionAttributeValues"];
        assert_eq!((&values[":fence"], &values[":requests"]), (&json!({"N": "3"}), &json!({"N": "5"})));
        assert_eq!(values.get(":next").is_some(), next_request.is_some(), "DynamoDB refuses values that are not used");
    }
}

#[tokio::test]
async fn a_lease_with_new_requests_is_distinguished_from_a_lost_one() {
    let requested = Lease { requests: 6, ..lease() };
    for (item, expected) in [
        (Some(lease_item("run-1", 3, 6, 40_000)), Released::Requested(requested)),
        (Some(lease_item("run-1", 4, 5, 40_000)), Released::Lost),
        (Some(lease_item("run-2", 3, 5, 40_000)), Released::Lost),
        (None, Released::Lost),
    ] {
        let stub = StubAws::default().on("UpdateItem", 400, condition_failed(item.as_ref()));
        assert_eq!(on(&stub).release(&lease(), None).await.unwrap(), expected);
    }
}

#[tokio::test]
async fn a_request_is_claimed_unless_an_earlier_one_is_on_its_way() {
    let stub = StubAws::default().on("UpdateItem", 200, "{}");
    assert!(on(&stub).claim_request(&app(), at(60_000), at(1_000)).await.unwrap());
    let sent = stub.only().json();
    assert_eq!(sent["UpdateExpression"], "SET next_request_ms = :at, schema_version = :schema");
    assert_eq!(
        sent["ConditionExpression"],
        "(attribute_not_exists(schema_version) OR schema_version = :schema) AND \
         (attribute_not_exists(next_request_ms) OR next_request_ms > :at OR next_request_ms <= :now)"
    );
    let item = lease_item("run-0", 1, 0, 1);
    let stub = StubAws::default().on("UpdateItem", 400, condition_failed(Some(&item)));
    assert!(!on(&stub).claim_request(&app(), at(60_000), at(1_000)).await.unwrap());
}

#[tokio::test]
async fn a_request_that_was_claimed_without_an_answer_is_ours_to_send() {
    for (lost, known, is_ours) in [
        (Some(Reply::Lost), 60_000, true),
        (Some(Reply::TimedOut), 60_000, true),
        (Some(Reply::new(503, "")), 60_000, true),
        // Refused before it took effect.
        (Some(Reply::new(400, crate::stub::json_error("ThrottlingException", "slower"))), 60_000, false),
        // An earlier request is on the queue, whatever happened to our claim.
        (Some(Reply::Lost), 59_000, false),
        (None, 60_000, false),
    ] {
        let mut item = lease_item("run-0", 1, 0, 1);
        item["next_request_ms"] = json!({"N": known.to_string()});
        let stub = lost.clone().into_iter().fold(StubAws::default(), |stub, reply| stub.once("UpdateItem", reply));
        let stub = stub.on("UpdateItem", 400, condition_failed(Some(&item)));
        let claimed = on(&stub).claim_request(&app(), at(60_000), at(1_000)).await.unwrap();
        assert_eq!(claimed, is_ours, "{lost:?} {known}");
    }
}
