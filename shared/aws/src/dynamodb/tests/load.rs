use std::collections::BTreeMap;

use driftless_planner::ids::RuleName;
use driftless_reconciler::ports::{Store as _, Stored};

use super::*;
use crate::aws::testing::on;
use crate::dynamodb::rows::{DriftingRow, FactRow, StateRow};

fn freeze_item(pk: &str, scope: FreezeScope) -> Value {
    wire(&json!({"pk": pk, "sk": "FREEZE", "schema_version": 1, "freeze": freeze(scope)}))
}

fn outbox_item(version: u64, position: u64, notifications: &[Notification]) -> Value {
    wire(&json!({
        "pk": "FLEET#app", "sk": format!("OUTBOX#{version}-{position}"), "schema_version": 1, "version": version,
        "position": position, "open_work": "open", "open_since": "1970-01-01T00:00:00.000Z",
        "notification": notifications[0], "more": notifications[1..],
    }))
}

fn numbered(id: &str) -> Notification {
    Notification { id: id.to_owned(), ..notification(0) }
}

#[tokio::test]
async fn everything_of_a_fleet_comes_with_one_query_and_one_get() {
    let fact = FactRow::of(&app(), &report(at(1_500)), Timestamp::now());
    let over = FactRow::of(&app(), &report(at(1_500)), at(0));
    let first = json!({
        "Items": [wire(&fact), wire(&FactRow { sk: "FACT#over".to_owned(), ..over }),
                  freeze_item("FLEET#app", FreezeScope::Fleet(app())), lease_item("run-1", 1, 0, 1),
                  outbox_item(10, 0, &[numbered("app-10-0"), numbered("app-10-1")])],
        "LastEvaluatedKey": {"pk": {"S": "FLEET#app"}, "sk": {"S": "OUTBOX#x"}},
    });
    let second = json!({"Items": [
        outbox_item(9, 1, &[numbered("app-9-1")]), outbox_item(9, 0, &[numbered("app-9-0")]),
        wire(&json!({"pk": "FLEET#app", "sk": "RELEASE#7", "schema_version": 5})),
        wire(&StateRow::of(&full_record()))]});
    let account = json!({"Responses": {"driftless": [
        wire(&json!({"pk": "ACCOUNT", "sk": "FLEET#app", "schema_version": 1, "fingerprint": "f"})),
        wire(&json!({"pk": "ACCOUNT", "sk": "CUTOVER-SLOTS", "schema_version": 1, "version": 4, "slots_ms": {"other": 1500}})),
        freeze_item("ACCOUNT", FreezeScope::Account)]}});
    let drifting = json!({"Items": [
        wire(&DriftingRow::of(&app(), &parsed("approved-amis"), Timestamp::now())),
        wire(&DriftingRow::of(&app(), &parsed("long-ago"), at(0)))]});
    let stub = StubAws::default()
        .on("DRIFTING#", 200, drifting.to_string())
        .on("DynamoDB_20120810.Query", 200, first.to_string())
        .on("DynamoDB_20120810.Query", 200, second.to_string())
        .on("BatchGetItem", 200, account.to_string());
    let stored = on(&stub).load(&app()).await.unwrap();
    assert_eq!(stored.record, Some(full_record()));
    assert_eq!(stored.facts, [report(at(1_500))], "what has expired is gone, deleted or not");
    assert_eq!(stored.freezes, [freeze(FreezeScope::Fleet(app())), freeze(FreezeScope::Account)]);
    let outbox: Vec<&str> = stored.outbox.iter().map(|notification| notification.id.as_str()).collect();
    assert_eq!(outbox, ["app-9-0", "app-9-1", "app-10-0", "app-10-1"], "oldest first");
    assert_eq!(stored.fingerprint.as_deref(), Some("f"));
    assert_eq!(stored.account.slots, BTreeMap::from([(parsed("other"), at(1_500))]));
    let rules: Vec<&str> = stored.account.drifting.keys().map(RuleName::as_str).collect();
    assert_eq!(rules, ["approved-amis"], "what is too old for a common cause is gone");
    for sent in stub.sent().into_iter().filter(|sent| !sent.json().to_string().contains("DRIFTING#")) {
        let body = sent.json();
        let request = body.get("RequestItems").map_or(&body, |tables| &tables["driftless"]);
        assert_eq!(request["ConsistentRead"], true, "{body}");
    }
}

#[tokio::test]
async fn a_fleet_that_was_never_seen_has_nothing() {
    let stub = StubAws::default()
        .on("DynamoDB_20120810.Query", 200, r#"{"Items":[]}"#)
        .on("DynamoDB_20120810.Query", 200, r#"{"Items":[]}"#)
        .on("BatchGetItem", 200, r#"{"Responses":{}}"#);
    assert_eq!(on(&stub).load(&app()).await.unwrap(), Stored::default());
}

#[tokio::test]
async fn a_row_that_cannot_be_read_stops_the_load() {
    let mut row = wire(&StateRow::of(&full_record()));
    row["schema_version"] = json!({"N": "2"});
    let stub = StubAws::default()
        .on("DRIFTING#", 200, r#"{"Items":[]}"#)
        .on("DynamoDB_20120810.Query", 200, json!({"Items": [row]}).to_string())
        .on("BatchGetItem", 200, r#"{"Responses":{}}"#);
    let error = on(&stub).load(&app()).await.unwrap_err();
    let expected = "item FLEET#app/STATE: schema_version is 2, this code reads 1";
    assert_eq!(told(&error), (CallErrorKind::Unreadable, expected));
}

#[tokio::test]
async fn freezes_are_read_strongly_consistent() {
    let answer = json!({"Responses": {"driftless": [freeze_item("ACCOUNT", FreezeScope::Account)]}});
    let stub = StubAws::default().on("BatchGetItem", 200, answer.to_string());
    assert_eq!(on(&stub).freezes(&app()).await.unwrap(), [freeze(FreezeScope::Account)]);
    let request = stub.only().json()["RequestItems"]["driftless"].clone();
    assert_eq!(request["ConsistentRead"], true);
    assert_eq!(request["Keys"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_freeze_is_written_where_runs_read_it_and_deleted_there() {
    for (scope, pk) in [(FreezeScope::Account, "ACCOUNT"), (FreezeScope::Fleet(app()), "FLEET#app")] {
        let stub = StubAws::default().on("PutItem", 200, "{}").on("DeleteItem", 200, "{}");
        let aws = on(&stub);
        aws.set_freeze(&freeze(scope.clone())).await.unwrap();
        aws.lift_freeze(&scope).await.unwrap();
        let sent = stub.sent();
        assert_eq!(sent[0].json()["Item"], freeze_item(pk, scope));
        assert_eq!(sent[1].json()["Key"], json!({"pk": {"S": pk}, "sk": {"S": "FREEZE"}}));
    }
}
