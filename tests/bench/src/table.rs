//! The table of the stub AWS. In the learning phase it stores writes, so that a fleet is managed and becomes idle as in
//! production; then it is frozen, so that every event finds the same state.
//!
//! In a frozen table all conditions are met, since no item changes.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use serde_json::{Map, Value, json};

use crate::condition::is_met;
use crate::stub::{Answer, Asked};

type Item = Map<String, Value>;

/// How DynamoDB names what it refuses.
const EXCEPTIONS: &str = "com.amazonaws.dynamodb.v20120810#";

/// Which writes are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keeps {
    Everything,
    /// Facts and leases only: a stored fact stays, whatever `reconcile` does.
    Reports,
    #[default]
    Nothing,
}

/// The table.
#[derive(Debug, Clone, Default)]
pub struct Table {
    /// By partition key and sort key.
    items: BTreeMap<(String, String), Item>,
    /// Which writes are kept.
    pub keeps: Keeps,
}

impl Table {
    /// The answer to a call of DynamoDB.
    pub fn answer(&mut self, asked: &Asked) -> anyhow::Result<Answer> {
        let fields = &asked.fields;
        if let Some(refusal) = self.refusal(asked)? {
            return Ok(Answer { status: 400, ..Answer::json(&refusal) });
        }
        Ok(Answer::json(&match asked.action.as_str() {
            "GetItem" => self.get(field(fields, "Key")?)?.map_or_else(|| json!({}), |item| json!({"Item": item})),
            "BatchGetItem" => self.batch_get(fields)?,
            "Query" => self.query(fields)?,
            "PutItem" => {
                self.put(field(fields, "Item")?)?;
                json!({})
            }
            "DeleteItem" => {
                self.delete(field(fields, "Key")?)?;
                json!({})
            }
            "UpdateItem" => {
                let item = self.update(fields)?;
                if fields.get("ReturnValues").is_some() { json!({"Attributes": item}) } else { json!({}) }
            }
            "BatchWriteItem" => self.batch_write(fields)?,
            "TransactWriteItems" => self.transact(fields)?,
            other => bail!("dynamodb:{other} is not in the stub"),
        }))
    }

    /// Why a write is refused: a condition of it does not hold. None: it is not.
    fn refusal(&self, asked: &Asked) -> anyhow::Result<Option<Value>> {
        const FAILED: &str = "The conditional request failed";
        if self.keeps != Keeps::Everything {
            return Ok(None);
        }
        let fields = &asked.fields;
        match asked.action.as_str() {
            "PutItem" | "UpdateItem" | "DeleteItem" => {
                let (holds, shown) = self.holds(fields)?;
                let name = format!("{EXCEPTIONS}ConditionalCheckFailedException");
                Ok((!holds).then(|| json!({"__type": name, "message": FAILED, "Item": shown})))
            }
            "TransactWriteItems" => {
                let mut reasons = Vec::new();
                let mut holds_all = true;
                for part in field(fields, "TransactItems")?.as_array().context("no parts")? {
                    let part = part.as_object().and_then(|part| part.values().next()).context("an empty part")?;
                    let (holds, shown) = self.holds(part)?;
                    holds_all &= holds;
                    reasons.push(if holds {
                        json!({"Code": "None"})
                    } else {
                        json!({"Code": "ConditionalCheckFailed", "Message": FAILED, "Item": shown})
                    });
                }
                let refusal = json!({
                    "__type": format!("{EXCEPTIONS}TransactionCanceledException"), "CancellationReasons": reasons,
                    "message": "Transaction cancelled, please refer cancellation reasons for specific reasons",
                });
                Ok((!holds_all).then_some(refusal))
            }
            _ => Ok(None),
        }
    }

    /// Whether a write's condition holds, and the item that it is about, if the write wants to see it.
    fn holds(&self, write: &Value) -> anyhow::Result<(bool, Option<&Item>)> {
        let key = write.get("Key").or_else(|| write.get("Item")).context("a write without a key")?;
        let item = self.get(key)?;
        let wanted = write.get("ReturnValuesOnConditionCheckFailure");
        Ok((is_met(write, item)?, item.filter(|_| wanted.is_some_and(|wanted| wanted == "ALL_OLD"))))
    }

    fn get(&self, key: &Value) -> anyhow::Result<Option<&Item>> {
        Ok(self.items.get(&key_of(key)?))
    }

    fn batch_get(&self, fields: &Value) -> anyhow::Result<Value> {
        let mut responses = Map::new();
        for (table, request) in field(fields, "RequestItems")?.as_object().context("no tables")? {
            let mut found = Vec::new();
            for key in field(request, "Keys")?.as_array().context("no keys")? {
                found.extend(self.get(key)?.map(|item| Value::Object(item.clone())));
            }
            responses.insert(table.clone(), found.into());
        }
        Ok(json!({"Responses": responses, "UnprocessedKeys": {}}))
    }

    /// By partition and the beginning of the sort key, or by the sparse index over open work.
    fn query(&self, fields: &Value) -> anyhow::Result<Value> {
        let value =
            |name: &str| fields.pointer(&format!("/ExpressionAttributeValues/{name}/S")).and_then(Value::as_str);
        let found: Vec<&Item> = if fields.get("IndexName").is_some() {
            self.items.values().filter(|item| item.contains_key("open_work")).collect()
        } else {
            let (pk, prefix) = (value(":pk").context("a query without :pk")?, value(":sk").unwrap_or_default());
            let fits = |(key, _): &(&(String, String), &Item)| key.0 == pk && key.1.starts_with(prefix);
            self.items.iter().filter(fits).map(|(_, item)| item).collect()
        };
        Ok(json!({"Count": found.len(), "ScannedCount": found.len(), "Items": found}))
    }

    fn put(&mut self, item: &Value) -> anyhow::Result<()> {
        let key = key_of(item)?;
        if self.is_kept(&key.1) {
            self.items.insert(key, item.as_object().context("an item is an object")?.clone());
        }
        Ok(())
    }

    fn delete(&mut self, key: &Value) -> anyhow::Result<()> {
        let key = key_of(key)?;
        if self.keeps == Keeps::Everything {
            self.items.remove(&key);
        }
        Ok(())
    }

    fn is_kept(&self, sort_key: &str) -> bool {
        match self.keeps {
            Keeps::Everything => true,
            Keeps::Reports => sort_key.starts_with("FACT#") || sort_key == "LEASE",
            Keeps::Nothing => false,
        }
    }

    /// Does what an update says, as far as `SET`, `REMOVE` and `ADD` of plain attributes go. Returns the item as it is then.
    fn update(&mut self, fields: &Value) -> anyhow::Result<Item> {
        let key = key_of(field(fields, "Key")?)?;
        let mut item = self.items.get(&key).cloned().unwrap_or_default();
        item.extend(field(fields, "Key")?.as_object().context("no key")?.clone());
        let aliases = fields.get("ExpressionAttributeNames");
        let values = fields.get("ExpressionAttributeValues").unwrap_or(&Value::Null);
        let named = |name: &str| aliases.and_then(|aliases| aliases.get(name)?.as_str()).unwrap_or(name).to_owned();
        let mut clause = "";
        let expression = field(fields, "UpdateExpression")?.as_str().context("no expression")?;
        for part in parts(expression) {
            let mut part = part.trim();
            for word in ["SET ", "REMOVE ", "ADD "] {
                // A part may end one clause and begin the next.
                if let Some((before, after)) = part.split_once(word) {
                    apply(clause, before.trim(), &mut item, values, &named)?;
                    (clause, part) = (word.trim(), after);
                }
            }
            apply(clause, part.trim(), &mut item, values, &named)?;
        }
        if self.is_kept(&key.1) {
            self.items.insert(key, item.clone());
        }
        Ok(item)
    }

    fn batch_write(&mut self, fields: &Value) -> anyhow::Result<Value> {
        for requests in field(fields, "RequestItems")?.as_object().context("no tables")?.values() {
            for request in requests.as_array().context("no requests")? {
                if let Some(item) = request.pointer("/PutRequest/Item") {
                    self.put(item)?;
                }
                if let Some(key) = request.pointer("/DeleteRequest/Key") {
                    self.delete(key)?;
                }
            }
        }
        Ok(json!({"UnprocessedItems": {}}))
    }

    fn transact(&mut self, fields: &Value) -> anyhow::Result<Value> {
        for part in field(fields, "TransactItems")?.as_array().context("no parts")? {
            if let Some(item) = part.pointer("/Put/Item") {
                self.put(item)?;
            }
            if let Some(key) = part.pointer("/Delete/Key") {
                self.delete(key)?;
            }
            if let Some(update) = part.get("Update") {
                self.update(update)?;
            }
        }
        Ok(json!({}))
    }
}

/// The parts between commas, but not those in the arguments of a function.
fn parts(expression: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    let is_end = |character: char| {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        character == ',' && depth == 0
    };
    expression.split(is_end).collect()
}

/// One part of a clause.
fn apply(
    clause: &str,
    part: &str,
    item: &mut Item,
    values: &Value,
    named: &impl Fn(&str) -> String,
) -> anyhow::Result<()> {
    let value = |name: &str| values.get(name.trim()).cloned().with_context(|| format!("no value {name}"));
    if part.is_empty() {
        return Ok(());
    }
    match clause {
        "REMOVE" => {
            item.remove(&named(part));
        }
        "ADD" => {
            let (name, added) = part.split_once(' ').with_context(|| format!("ADD {part}"))?;
            let sum = number(item.get(&named(name)))? + number(Some(&value(added)?))?;
            item.insert(named(name), json!({"N": sum.to_string()}));
        }
        "SET" => {
            let (name, expression) = part.split_once('=').with_context(|| format!("SET {part}"))?;
            let (first, added) = expression.split_once(" + ").map_or((expression, None), |(one, two)| (one, Some(two)));
            let mut result = operand(first.trim(), item, &value, named)?;
            if let Some(added) = added {
                let sum = number(Some(&result))? + number(Some(&operand(added.trim(), item, &value, named)?))?;
                result = json!({"N": sum.to_string()});
            }
            item.insert(named(name.trim()), result);
        }
        other => bail!("an update that is not understood: {other} {part}"),
    }
    Ok(())
}

fn operand(
    text: &str,
    item: &Item,
    value: &impl Fn(&str) -> anyhow::Result<Value>,
    named: &impl Fn(&str) -> String,
) -> anyhow::Result<Value> {
    if let Some(arguments) = text.strip_prefix("if_not_exists(").and_then(|rest| rest.strip_suffix(')')) {
        let (name, otherwise) = arguments.split_once(',').context("if_not_exists takes two")?;
        return item.get(&named(name.trim())).cloned().map_or_else(|| value(otherwise), Ok);
    }
    if text.starts_with(':') { value(text) } else { Ok(item.get(&named(text)).cloned().unwrap_or(Value::Null)) }
}

fn number(value: Option<&Value>) -> anyhow::Result<i64> {
    let Some(value) = value else { return Ok(0) };
    Ok(value.get("N").and_then(Value::as_str).context("not a number")?.parse()?)
}

fn field<'a>(fields: &'a Value, name: &str) -> anyhow::Result<&'a Value> {
    fields.get(name).with_context(|| format!("the request has no {name}"))
}

/// The key of an item: `pk` and `sk`, or any one attribute of a table of a peer's own.
fn key_of(item: &Value) -> anyhow::Result<(String, String)> {
    let part = |name: &str| item.get(name)?.get("S")?.as_str().map(str::to_owned);
    let first = || item.as_object()?.values().find_map(|value| value.get("S")?.as_str()).map(str::to_owned);
    Ok((part("pk").or_else(first).context("an item without a key")?, part("sk").unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(table: &mut Table, action: &str, fields: Value) -> Value {
        let answer = table.answer(&Asked { action: action.to_owned(), fields, said: String::new() }).unwrap();
        serde_json::from_slice(&answer.body).unwrap()
    }

    fn key(sk: &str) -> Value {
        json!({"pk": {"S": "FLEET#app"}, "sk": {"S": sk}})
    }

    fn lease(table: &mut Table) -> Value {
        let update = "SET holder = :me, fence = if_not_exists(fence, :zero) + :one REMOVE next_request_ms \
                      ADD request_count :one";
        let values = json!({":me": {"S": "r-1"}, ":zero": {"N": "0"}, ":one": {"N": "1"}});
        let fields = json!({
            "Key": key("LEASE"), "UpdateExpression": update, "ExpressionAttributeValues": values,
            "ReturnValues": "ALL_NEW",
        });
        ask(table, "UpdateItem", fields)["Attributes"].clone()
    }

    #[test]
    fn an_update_sets_counts_and_removes() {
        let mut table = Table { keeps: Keeps::Everything, ..Table::default() };
        let first = lease(&mut table);
        assert_eq!(
            (&first["holder"]["S"], &first["fence"]["N"], &first["request_count"]["N"]),
            (&json!("r-1"), &json!("1"), &json!("1"))
        );
        assert_eq!(lease(&mut table)["fence"]["N"], "2");
        table.keeps = Keeps::Nothing;
        for _ in 0..2 {
            assert_eq!(lease(&mut table)["fence"]["N"], "3", "what is frozen stays");
        }
    }

    #[test]
    fn of_reports_the_fact_stays_and_not_what_came_of_it() {
        let mut table = Table { keeps: Keeps::Reports, ..Table::default() };
        let parts = json!([{"Put": {"Item": key("FACT#one")}}, {"Put": {"Item": key("STATE")}}]);
        ask(&mut table, "TransactWriteItems", json!({"TransactItems": parts}));
        ask(
            &mut table,
            "BatchWriteItem",
            json!({"RequestItems": {"t": [{"DeleteRequest": {"Key": key("FACT#one")}}]}}),
        );
        let found = ask(&mut table, "Query", json!({"ExpressionAttributeValues": {":pk": {"S": "FLEET#app"}}}));
        assert_eq!(found["Items"], json!([key("FACT#one")]));
        let one =
            ask(&mut table, "BatchGetItem", json!({"RequestItems": {"t": {"Keys": [key("FACT#one"), key("STATE")]}}}));
        assert_eq!(one["Responses"]["t"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn a_transaction_whose_condition_does_not_hold_changes_nothing_and_says_which() {
        let mut table = Table { keeps: Keeps::Everything, ..Table::default() };
        lease(&mut table);
        let check = |holder: &str| {
            json!({"ConditionCheck": {
                "Key": key("LEASE"), "ConditionExpression": "holder = :me",
                "ExpressionAttributeValues": {":me": {"S": holder}}, "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }})
        };
        let put = json!({"Put": {"Item": key("FACT#one"), "ConditionExpression": "attribute_not_exists(pk)"}});
        let refused = ask(&mut table, "TransactWriteItems", json!({"TransactItems": [put, check("r-2")]}));
        let reasons = &refused["CancellationReasons"];
        assert_eq!((&reasons[0]["Code"], &reasons[1]["Code"]), (&json!("None"), &json!("ConditionalCheckFailed")));
        assert_eq!(reasons[1]["Item"]["holder"]["S"], "r-1");
        assert_eq!(table.items.len(), 1, "only the lease is there");
        assert_eq!(ask(&mut table, "TransactWriteItems", json!({"TransactItems": [put, check("r-1")]})), json!({}));
        let again = ask(&mut table, "TransactWriteItems", json!({"TransactItems": [put, check("r-1")]}));
        assert_eq!(again["CancellationReasons"][0]["Code"], "ConditionalCheckFailed");
        table.keeps = Keeps::Nothing;
        let frozen = ask(&mut table, "TransactWriteItems", json!({"TransactItems": [put, check("r-2")]}));
        assert_eq!(frozen, json!({}), "of a frozen table all conditions hold");
    }
}
