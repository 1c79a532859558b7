use std::collections::BTreeSet;

use driftless_reconciler::ports::{Audience, Committed, Store as _};

use super::*;
use crate::aws::testing::on;

async fn commit(stub: &StubAws, read_version: Option<u64>, decision: &Decision) -> Result<Committed, CallError> {
    on(stub).commit(&lease(), read_version, decision, at(1_234)).await
}

fn ok() -> StubAws {
    StubAws::default().on("TransactWriteItems", 200, "{}")
}

/// A stub that cancels the first transaction for these reasons and accepts the next one.
fn ok_after(reasons: &[Value]) -> StubAws {
    StubAws::default().on("TransactWriteItems", 400, cancelled(reasons)).on("TransactWriteItems", 200, "{}")
}

#[tokio::test]
async fn record_history_and_outbox_are_one_transaction_under_version_and_fence() {
    let decision = Decision {
        next: Record { version: 8, ..full_record() },
        history: vec![entry("launching"), entry("verifying")],
        notifications: vec![notification(0), notification(1)],
        ..decision()
    };
    let stub = ok();
    assert_eq!(commit(&stub, Some(7), &decision).await.unwrap(), Committed::Yes);
    let parts = parts(&stub);
    assert_eq!(parts.len(), 7);
    let state = &parts[0]["Put"];
    assert_eq!(state["ConditionExpression"], "#version = :read");
    assert_eq!(state["ExpressionAttributeNames"], json!({"#version": "version"}));
    assert_eq!(state["ExpressionAttributeValues"], json!({":read": {"N": "7"}}));
    assert_eq!(state["Item"]["version"], json!({"N": "8"}));
    let lock = &parts[1]["ConditionCheck"];
    assert_eq!(lock["ConditionExpression"], "holder = :me AND fence = :fence AND until_ms > :now");
    assert_eq!(
        lock["ExpressionAttributeValues"],
        json!({":me": {"S": "run-1"}, ":fence": {"N": "3"}, ":now": {"N": "1234"}})
    );
    assert_eq!(lock["ReturnValuesOnConditionCheckFailure"], "ALL_OLD");
    let history = &parts[3]["Put"]["Item"];
    assert_eq!(history["pk"], json!({"S": "HISTORY#app"}));
    assert_eq!(history["sk"], json!({"S": "1970-01-01T00:00:01.234Z#0000000008#001"}));
    assert_eq!(history["expires_at"], json!({"N": (1 + 400 * 24 * 3600).to_string()}));
    assert_eq!(history["entry"]["M"]["to"], json!({"S": "verifying"}));
    assert!(history.get("more").is_none());
    let outbox = &parts[5]["Put"]["Item"];
    assert_eq!(outbox["notification"]["M"]["id"], json!({"S": "app-8-1"}));
    assert_eq!((&outbox["pk"], &outbox["sk"]), (&json!({"S": "FLEET#app"}), &json!({"S": "OUTBOX#app-8-1"})));
    assert_eq!((&outbox["version"], &outbox["position"]), (&json!({"N": "8"}), &json!({"N": "1"})));
    let events = &parts[6]["Put"]["Item"];
    assert_eq!((&events["pk"], &events["sk"]), (&json!({"S": "FLEET#app"}), &json!({"S": "EVENTS#app-8-e1"})));
    assert_eq!(events["batch"]["M"]["events"]["L"].as_array().unwrap().len(), 2);
    assert_eq!(events["open_work"], json!({"S": "open"}), "the resync finds events that were not published");
    assert_eq!(outbox["open_work"], json!({"S": "open"}));
    assert_eq!(outbox["open_since"], json!({"S": "1970-01-01T00:00:01.234Z"}));
}

#[tokio::test]
async fn the_first_record_must_be_the_first() {
    let stub = ok();
    commit(&stub, None, &decision()).await.unwrap();
    assert_eq!(parts(&stub)[0]["Put"]["ConditionExpression"], "attribute_not_exists(pk)");
}

#[tokio::test]
async fn the_same_commit_has_the_same_token() {
    let token = |stub: &StubAws| stub.only().json()["ClientRequestToken"].as_str().unwrap().to_owned();
    let (first, again, later) = (ok(), ok(), ok());
    commit(&first, Some(7), &decision()).await.unwrap();
    commit(&again, Some(7), &decision()).await.unwrap();
    on(&later).commit(&lease(), Some(7), &decision(), at(1_235)).await.unwrap();
    assert_eq!(token(&first), token(&again));
    assert_ne!(token(&first), token(&later), "decided anew, it may say something else");
    assert!(token(&first).ends_with("-8-3") && token(&first).len() <= 36);
}

#[tokio::test]
async fn a_record_or_a_lease_that_changed_is_a_conflict() {
    for reasons in [
        vec![failed(), fine()],
        vec![fine(), failed()],
        vec![fine(), json!({"Code": "ConditionalCheckFailed", "Item": lease_item("run-2", 4, 5, 90_000)})],
    ] {
        let stub = StubAws::default().on("TransactWriteItems", 400, cancelled(&reasons));
        assert_eq!(commit(&stub, Some(7), &decision()).await.unwrap(), Committed::Conflict);
        assert_eq!(stub.sent().len(), 1);
    }
}

#[tokio::test]
async fn a_commit_that_meets_a_fact_on_its_way_is_repeated_under_its_token() {
    let met = json!({"Code": "TransactionConflict", "Message": "ongoing"});
    let stub = ok_after(&[fine(), met]);
    assert_eq!(commit(&stub, Some(7), &decision()).await.unwrap(), Committed::Yes);
    let sent = stub.sent();
    assert_eq!(sent[0].json(), sent[1].json());
}

#[tokio::test]
async fn consumed_facts_go_only_if_none_came_since() {
    let consumed = vec!["compliance#i-1#r".to_owned(), "compliance#i-1#r".to_owned()];
    let decision = Decision { consumed, ..decision() };
    let stub = ok();
    commit(&stub, Some(7), &decision).await.unwrap();
    let first = parts(&stub);
    assert_eq!(first.len(), 3, "one part for one item");
    assert_eq!(first[2]["Delete"]["Key"]["sk"], json!({"S": "FACT#compliance#i-1#r"}));
    assert_eq!(
        first[1]["ConditionCheck"]["ConditionExpression"],
        "holder = :me AND fence = :fence AND until_ms > :now AND \
         (request_count = :requests OR (attribute_not_exists(request_count) AND :requests = :zero))"
    );

    // The lease is ours, but a request was counted: the commit succeeds and the facts stay.
    let reason = json!({"Code": "ConditionalCheckFailed", "Item": lease_item("run-1", 3, 6, 40_000)});
    let stub = ok_after(&[fine(), reason, fine()]);
    assert_eq!(commit(&stub, Some(7), &decision).await.unwrap(), Committed::Yes);
    let sent = stub.sent();
    assert_ne!(sent[0].json()["ClientRequestToken"], sent[1].json()["ClientRequestToken"]);
    let second = sent[1].json()["TransactItems"].as_array().unwrap().clone();
    assert_eq!(second.len(), 2);
    assert!(!second[1]["ConditionCheck"]["ConditionExpression"].as_str().unwrap().contains("request_count"));
}

#[tokio::test]
async fn a_lease_that_ended_is_a_conflict_just_at_its_end() {
    let decision = Decision { consumed: vec!["f".to_owned()], ..decision() };
    for (until, attempts) in [(1_233, 1), (1_234, 1), (1_235, 2)] {
        let reason = json!({"Code": "ConditionalCheckFailed", "Item": lease_item("run-1", 3, 6, until)});
        let stub = ok_after(&[fine(), reason, fine()]);
        commit(&stub, Some(7), &decision).await.unwrap();
        assert_eq!(stub.sent().len(), attempts, "{until}");
    }
}

#[tokio::test]
async fn however_much_a_decision_says_it_fits_one_transaction() {
    let decision = Decision {
        history: vec![entry("blocked"); 1_001],
        notifications: (0..41).map(notification).collect(),
        consumed: (0..300).map(|number| format!("fact-{number}")).collect(),
        ..decision()
    };
    let stub = ok();
    assert_eq!(commit(&stub, Some(7), &decision).await.unwrap(), Committed::Yes);
    let parts = parts(&stub);
    assert_eq!(parts.len(), 100);
    // The first entry of a row has its own field.
    let count = |name: &str| -> usize {
        let rows = parts.iter().map(|part| &part["Put"]["Item"]).filter(|item| item.get(name).is_some());
        rows.map(|item| 1 + item["more"]["L"].as_array().map_or(0, Vec::len)).sum()
    };
    assert_eq!((count("entry"), count("notification")), (1_001, 41));
    let keys: BTreeSet<String> = parts
        .iter()
        .map(|part| {
            let item = part["Put"]["Item"].as_object().or(part["Delete"]["Key"].as_object());
            item.or(part["ConditionCheck"]["Key"].as_object())
                .map(|item| format!("{}{}", item["pk"], item["sk"]))
                .unwrap()
        })
        .collect();
    assert_eq!(keys.len(), 100, "no two parts on one item");
    // Two notifications a row; the last one names it.
    assert!(keys.contains(r#"{"S":"FLEET#app"}{"S":"OUTBOX#app-8-1"}"#));
    assert!(keys.contains(r#"{"S":"FLEET#app"}{"S":"OUTBOX#app-8-40"}"#));
}

#[tokio::test]
async fn delivered_notifications_leave_the_outbox() {
    let rest = json!({"UnprocessedItems": {"driftless": [
        {"DeleteRequest": {"Key": {"pk": {"S": "FLEET#app"}, "sk": {"S": "OUTBOX#app-8-1"}}}}]}});
    let stub = StubAws::default().on("BatchWriteItem", 200, rest.to_string()).on("BatchWriteItem", 200, "{}");
    on(&stub).mark_delivered(&app(), &["app-8-0".to_owned(), "app-8-1".to_owned()]).await.unwrap();
    let sent = stub.sent();
    let deletes = |position: usize| sent[position].json()["RequestItems"]["driftless"].as_array().unwrap().clone();
    let names: Vec<Value> = deletes(0).iter().map(|delete| delete["DeleteRequest"]["Key"]["sk"]["S"].clone()).collect();
    assert_eq!(
        names,
        ["OUTBOX#app-8-0", "PARTIALLY-DELIVERED#app-8-0", "OUTBOX#app-8-1", "PARTIALLY-DELIVERED#app-8-1"]
    );
    assert_eq!(deletes(1).len(), 1, "what was not processed is asked for again");
    on(&StubAws::default()).mark_delivered(&app(), &[]).await.unwrap();
}

#[tokio::test]
async fn published_events_leave_the_outbox_of_their_fleet_or_of_the_account() {
    for (scope, partition) in [(FreezeScope::Account, "ACCOUNT"), (FreezeScope::Fleet(app()), "FLEET#app")] {
        let stub = StubAws::default().on("BatchWriteItem", 200, "{}");
        on(&stub).mark_published(&scope, &["app-8-e1".to_owned()]).await.unwrap();
        let key = stub.only().json()["RequestItems"]["driftless"][0]["DeleteRequest"]["Key"].clone();
        assert_eq!((&key["pk"], &key["sk"]), (&json!({"S": partition}), &json!({"S": "EVENTS#app-8-e1"})));
    }
}

#[tokio::test]
async fn a_partial_delivery_is_marked_and_expires() {
    let stub = StubAws::default().on("BatchWriteItem", 200, "{}");
    on(&stub).mark_partially_delivered(&app(), "app-8-0", Audience::OnCall, at(1_234)).await.unwrap();
    let sent = stub.only().json();
    let item = &sent["RequestItems"]["driftless"][0]["PutRequest"]["Item"];
    assert_eq!((&item["pk"], &item["sk"]), (&json!({"S": "FLEET#app"}), &json!({"S": "PARTIALLY-DELIVERED#app-8-0"})));
    assert_eq!((&item["id"], &item["delivered_to"]), (&json!({"S": "app-8-0"}), &json!({"S": "on-call"})));
    assert_eq!(item["expires_at"], json!({"N": (1 + 60 * 24 * 3600).to_string()}));
    assert!(item.get("open_work").is_none(), "the notification itself is the work");
}

#[tokio::test]
async fn a_commit_without_an_answer_is_unavailable() {
    let stub = (0..3).fold(StubAws::default(), |stub, _| stub.on("TransactWriteItems", 500, "{}"));
    let error = commit(&stub, Some(7), &decision()).await.unwrap_err();
    assert_eq!(error.kind, CallErrorKind::Unavailable);
    let tokens: BTreeSet<String> =
        stub.sent().iter().map(|sent| sent.json()["ClientRequestToken"].to_string()).collect();
    assert_eq!((stub.sent().len(), tokens.len()), (3, 1));
}
