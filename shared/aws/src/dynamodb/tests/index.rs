use std::collections::{BTreeMap, BTreeSet};

use driftless_planner::fact::Subject;
use driftless_reconciler::ports::Store as _;

use super::*;
use crate::aws::testing::on;

fn instance(number: u32) -> Subject {
    Subject::Instance(parsed(&format!("i-{number:017x}")))
}

fn index_item(sk: &str, expires_at: i64) -> Value {
    json!({
        "pk": {"S": "ACCOUNT"}, "sk": {"S": sk}, "schema_version": {"N": "1"}, "fleets": {"L": [{"S": "app"}]},
        "expires_at": {"N": expires_at.to_string()},
    })
}

#[tokio::test]
async fn subjects_are_looked_up_together_and_old_entries_are_misses() {
    let later = Timestamp::now().as_second() + 60;
    let answer = json!({
        "Responses": {"driftless": [index_item("INDEX#instance#i-00000000000000001", later),
                                    index_item("INDEX#instance#i-00000000000000002", 1)]},
        "UnprocessedKeys": {"driftless": {"Keys": [{"pk": {"S": "ACCOUNT"}, "sk": {"S": "INDEX#group#app-blue"}}]}},
    });
    let rest = json!({"Responses": {"driftless": [index_item("INDEX#group#app-blue", later)]}});
    let stub = StubAws::default().on("BatchGetItem", 200, answer.to_string()).on("BatchGetItem", 200, rest.to_string());
    let group = Subject::Group(parsed("app-blue"));
    let subjects = BTreeSet::from([instance(1), instance(2), group.clone(), Subject::Fleet(app())]);
    let fleets = on(&stub).indexed(&subjects).await.unwrap();
    assert_eq!(fleets, BTreeMap::from([(instance(1), BTreeSet::from([app()])), (group, BTreeSet::from([app()]))]));
    let first = stub.sent()[0].json()["RequestItems"]["driftless"].clone();
    assert_eq!(first["Keys"].as_array().unwrap().len(), 3);
    assert_eq!(first["ConsistentRead"], false);
}

#[tokio::test]
async fn keys_that_are_never_processed_are_throttled() {
    let answer = json!({
        "Responses": {},
        "UnprocessedKeys": {"driftless": {"Keys": [{"pk": {"S": "ACCOUNT"}, "sk": {"S": "INDEX#group#app-blue"}}]}},
    });
    let stub = (0..9).fold(StubAws::default(), |stub, _| stub.on("BatchGetItem", 200, answer.to_string()));
    let subjects = BTreeSet::from([Subject::Group(parsed("app-blue"))]);
    let error = on(&stub).indexed(&subjects).await.unwrap_err();
    assert_eq!(told(&error), (CallErrorKind::Throttled, "1 items were not processed in 5 rounds"));
    assert_eq!(stub.sent().len(), 5);
}

#[tokio::test]
async fn entries_are_written_by_25() {
    let entries: BTreeMap<Subject, BTreeSet<FleetName>> =
        (0..26).map(|number| (instance(number), BTreeSet::from([app()]))).collect();
    let stub = StubAws::default().on("BatchWriteItem", 200, "{}").on("BatchWriteItem", 200, "{}");
    on(&stub).index(&entries, at(1_000)).await.unwrap();
    let sizes: Vec<usize> =
        stub.sent().iter().map(|sent| sent.json()["RequestItems"]["driftless"].as_array().unwrap().len()).collect();
    assert_eq!(sizes, [25, 1]);
    let first = stub.sent()[0].json()["RequestItems"]["driftless"][0]["PutRequest"]["Item"].clone();
    assert_eq!(first, index_item("INDEX#instance#i-00000000000000000", 1 + 30 * 24 * 3600));
}

#[tokio::test]
async fn an_instance_without_a_fleet_is_indexed_for_an_hour() {
    let stub = StubAws::default().on("BatchWriteItem", 200, "{}");
    on(&stub).index(&BTreeMap::from([(instance(0), BTreeSet::new())]), at(1_000)).await.unwrap();
    let item = stub.only().json()["RequestItems"]["driftless"][0]["PutRequest"]["Item"].clone();
    assert_eq!((&item["fleets"], &item["expires_at"]), (&json!({"L": []}), &json!({"N": (1 + 3_600).to_string()})));
}

#[tokio::test]
async fn fleets_with_open_work_come_from_the_sparse_index() {
    let item = |pk: &str, sk: &str, since: &str| json!({"pk": {"S": pk}, "sk": {"S": sk}, "open_work": {"S": "open"}, "open_since": {"S": since}});
    let (older, newer) = ("1970-01-01T00:00:01.000Z", "1970-01-01T00:00:02.000Z");
    let first = json!({
        "Items": [item("FLEET#app", "FACT#x", older), item("FLEET#app", "STATE", newer), item("ODD", "STATE", newer)],
        "LastEvaluatedKey": item("FLEET#app", "STATE", newer),
    });
    let second = json!({"Items": [item("FLEET#odd", "STATE", "soon"), item("FLEET#web", "STATE", "waiting")]});
    let stub = StubAws::default().on("DynamoDB_20120810.Query", 200, first.to_string()).on(
        "DynamoDB_20120810.Query",
        200,
        second.to_string(),
    );
    let slots = json!({
        "pk": {"S": "ACCOUNT"}, "sk": {"S": "CUTOVER-SLOTS"}, "schema_version": {"N": "1"}, "version": {"N": "1"},
        "slots_ms": {"M": {"idle": {"N": "0"}}},
    });
    let slots = json!({"Responses": {"driftless": [slots]}});
    let stub = stub.on("BatchGetItem", 200, slots.to_string());
    let fleets = on(&stub).open_fleets().await.unwrap();
    let expected = BTreeMap::from([
        (app(), Some(at(1000))),
        // A slot without other work is open work too.
        (parsed("idle"), Some(at(0))),
        (parsed("odd"), None),
        (parsed("web"), None),
    ]);
    assert_eq!(fleets, expected);
    let sent = stub.sent().into_iter().map(|sent| sent.json());
    let sent = sent.into_iter().find(|sent| sent["IndexName"].is_string()).unwrap();
    assert_eq!(
        (&sent["IndexName"], &sent["KeyConditionExpression"]),
        (&json!("open-work"), &json!("open_work = :open"))
    );
}

#[tokio::test]
async fn fingerprints_are_remembered_with_the_account() {
    let stub = StubAws::default().on("PutItem", 200, "{}");
    on(&stub).remember(&app(), "f").await.unwrap();
    let item = stub.only().json()["Item"].clone();
    let stub = StubAws::default().on("DynamoDB_20120810.Query", 200, json!({"Items": [item]}).to_string());
    assert_eq!(on(&stub).fingerprints().await.unwrap(), BTreeMap::from([(app(), "f".to_owned())]));
    let sent = stub.only().json();
    assert_eq!(sent["KeyConditionExpression"], "pk = :pk AND begins_with(sk, :sk)");
    assert_eq!(sent["ExpressionAttributeValues"], json!({":pk": {"S": "ACCOUNT"}, ":sk": {"S": "FLEET#"}}));
}

#[tokio::test]
async fn slots_are_taken_until_none_is_left_and_returned() {
    let row = |fleets: &[&str], version: u32| {
        let slots: serde_json::Map<String, Value> =
            fleets.iter().map(|fleet| ((*fleet).to_owned(), json!({"N": "0"}))).collect();
        let item = json!({
            "pk": {"S": "ACCOUNT"}, "sk": {"S": "CUTOVER-SLOTS"}, "schema_version": {"N": "1"},
            "version": {"N": version.to_string()}, "slots_ms": {"M": slots},
        });
        json!({"Responses": {"driftless": [item]}}).to_string()
    };
    let full = StubAws::default().on("BatchGetItem", 200, row(&["one", "two"], 3));
    assert!(!on(&full).take_slot(&app(), 2, at(5)).await.unwrap());
    let mine = StubAws::default().on("BatchGetItem", 200, row(&["app", "two"], 3));
    assert!(on(&mine).take_slot(&app(), 2, at(5)).await.unwrap(), "whoever has one keeps it");
    // Another write came in between: the slots are read again.
    let free = StubAws::default()
        .on("BatchGetItem", 200, row(&["one"], 3))
        .on("PutItem", 400, condition_failed(None))
        .on("BatchGetItem", 200, row(&["one"], 4))
        .on("PutItem", 200, "{}");
    assert!(on(&free).take_slot(&app(), 2, at(5)).await.unwrap());
    let written = free.sent().last().unwrap().json();
    assert_eq!(written["ConditionExpression"], "attribute_not_exists(pk) OR #version = :read");
    assert_eq!(written["Item"]["version"], json!({"N": "5"}));
    let back = StubAws::default().on("BatchGetItem", 200, row(&["app", "two"], 7)).on("PutItem", 200, "{}");
    on(&back).give_slot(&app()).await.unwrap();
    assert_eq!(back.sent()[1].json()["Item"]["slots_ms"], json!({"M": {"two": {"N": "0"}}}));
    let none = StubAws::default().on("BatchGetItem", 200, r#"{"Responses":{}}"#);
    on(&none).give_slot(&app()).await.unwrap();
}
