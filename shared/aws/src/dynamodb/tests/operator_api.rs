//! The history for operators, and freezes with their history entries.

use driftless_reconciler::ports::{HistoryPage, LeaseHolder, LeaseState, OperatorApi};

use super::*;
use crate::aws::testing::on;
use crate::dynamodb::rows::HistoryRow;

fn line(to: &str, milliseconds: i64) -> HistoryEntry {
    let change = Change::Condition { key: to.to_owned(), is_over: false };
    HistoryEntry { at: at(milliseconds), change, ..entry("blocked") }
}

fn page(lines: &[HistoryEntry], is_cut: bool) -> String {
    let items: Vec<Value> = lines.iter().map(|line| wire(&HistoryRow::alone(&FreezeScope::Account, line))).collect();
    let last = is_cut.then(|| json!({"pk": {"S": "HISTORY#app"}, "sk": {"S": "x"}}));
    json!({"Items": items, "LastEvaluatedKey": last}).to_string()
}

#[tokio::test]
async fn the_switch_is_thrown_before_the_history_says_so() {
    for (scope, partition, of_events) in
        [(FreezeScope::Account, "HISTORY#ACCOUNT", "ACCOUNT"), (FreezeScope::Fleet(app()), "HISTORY#app", "FLEET#app")]
    {
        let stub = StubAws::default()
            .on("PutItem", 200, "{}")
            .on("TransactWriteItems", 200, "{}")
            .on("DeleteItem", 200, "{}")
            .on("TransactWriteItems", 200, "{}");
        let aws = on(&stub);
        aws.freeze(&freeze(scope.clone()), &line("done", 1_000)).await.unwrap();
        aws.thaw(&scope, &line("done", 2_000)).await.unwrap();
        let sent = stub.sent();
        assert_eq!(sent[0].json()["Item"]["sk"]["S"], "FREEZE");
        assert_eq!(sent[2].json()["Key"]["sk"]["S"], "FREEZE");
        for (sent, sort_key) in [(&sent[1], "1970-01-01T00:00:01.000Z#"), (&sent[3], "1970-01-01T00:00:02.000Z#")] {
            let parts = sent.json()["TransactItems"].clone();
            let (item, event) = (&parts[0]["Put"]["Item"], &parts[1]["Put"]["Item"]);
            assert_eq!(item["pk"]["S"], partition);
            assert!(item["sk"]["S"].as_str().unwrap().starts_with(sort_key), "{item}");
            assert_eq!(event["pk"]["S"], of_events);
            assert!(event["sk"]["S"].as_str().unwrap().starts_with("EVENTS#"), "{event}");
            // An event of the account is no fleet's work.
            assert_eq!(event.get("open_work").is_some(), of_events == "FLEET#app", "{event}");
        }
    }
}

#[tokio::test]
async fn the_newest_lines_of_fleet_and_account_are_one_story() {
    let stub = StubAws::default()
        .on("HISTORY#app", 200, page(&[line("third", 3_000), line("first", 1_000)], false))
        .on("HISTORY#ACCOUNT", 200, page(&[line("second", 2_000)], false));
    let history = on(&stub).history(&app(), Some(at(4_000))).await.unwrap();
    let expected = [line("first", 1_000), line("second", 2_000), line("third", 3_000)];
    assert_eq!(history, HistoryPage { entries: expected.to_vec(), is_cut: false });
    for sent in stub.sent() {
        let body = sent.json();
        assert_eq!(body["ScanIndexForward"], false, "{body}");
        assert_eq!(body["ExpressionAttributeValues"][":before"]["S"], "1970-01-01T00:00:04.000Z", "{body}");
    }
}

#[tokio::test]
async fn entries_before_the_cut_of_one_history_are_left_out_of_the_other() {
    let stub = StubAws::default()
        .on("HISTORY#app", 200, page(&[line("third", 3_000), line("second", 2_000)], true))
        .on("HISTORY#ACCOUNT", 200, page(&[line("at the cut", 2_000), line("before it", 1_999)], false));
    let history = on(&stub).history(&app(), None).await.unwrap();
    let words: Vec<String> = history.entries.iter().map(|entry| entry.to().into_owned()).collect();
    assert_eq!(words, ["second", "at the cut", "third"]);
    assert!(history.is_cut);
}

#[tokio::test]
async fn the_pending_request_and_the_lease_holder_are_read_without_a_write() {
    let mut requested = lease_item("run-1", 3, 5, 40_000);
    requested["next_request_ms"] = json!({"N": "60000"});
    let mut free = lease_item("run-1", 3, 5, 40_000);
    for field in ["holder", "until_ms"] {
        free.as_object_mut().unwrap().remove(field);
    }
    let held = Some(LeaseHolder { holder: "run-1".into(), until: at(40_000) });
    for (items, expected) in [
        (vec![requested], LeaseState { next_request: Some(at(60_000)), held: held.clone() }),
        (vec![lease_item("run-1", 3, 5, 40_000)], LeaseState { next_request: None, held }),
        (vec![free], LeaseState::default()),
        (vec![], LeaseState::default()),
    ] {
        let answer = json!({"Responses": {"driftless": items}}).to_string();
        let stub = StubAws::default().on("BatchGetItem", 200, answer);
        assert_eq!(on(&stub).lease_state(&app()).await.unwrap(), expected);
        stub.only();
    }
}
