//! Conditions on items of the table, as far as Driftless writes them: comparisons, `attribute_not_exists`, `AND`, `OR` and
//! parentheses.

use std::cmp::Ordering;
use std::iter::Peekable;

use anyhow::{Context as _, bail, ensure};
use serde_json::{Map, Value};

/// Whether an item meets the condition of a request, which stands beside its names and values. A request without one is always
/// met.
pub fn is_met(request: &Value, item: Option<&Map<String, Value>>) -> anyhow::Result<bool> {
    let Some(condition) = request.get("ConditionExpression") else { return Ok(true) };
    let text = condition.as_str().context("a condition is a text")?;
    let tokens = tokens(text);
    let mut reader = Reader { tokens: tokens.iter().copied().peekable(), request, item };
    let is_met = reader.either().with_context(|| format!("the condition {text}"))?;
    ensure!(reader.tokens.peek().is_none(), "the condition {text} has an end that is not understood");
    Ok(is_met)
}

/// Words, and the signs between them.
fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    for word in text.split_whitespace() {
        let mut rest = word;
        while let Some(at) = rest.find(['(', ')', ',']) {
            let (before, after) = rest.split_at(at);
            let (sign, after) = after.split_at(1);
            tokens.extend([before, sign].into_iter().filter(|token| !token.is_empty()));
            rest = after;
        }
        tokens.extend((!rest.is_empty()).then_some(rest));
    }
    tokens
}

/// Reads a condition from left to right. Both sides of a word are read even where the first decides.
struct Reader<'a, I: Iterator<Item = &'a str>> {
    tokens: Peekable<I>,
    request: &'a Value,
    item: Option<&'a Map<String, Value>>,
}

impl<'a, I: Iterator<Item = &'a str>> Reader<'a, I> {
    fn either(&mut self) -> anyhow::Result<bool> {
        let mut is_met = self.both()?;
        while self.tokens.next_if_eq(&"OR").is_some() {
            is_met |= self.both()?;
        }
        Ok(is_met)
    }

    fn both(&mut self) -> anyhow::Result<bool> {
        let mut is_met = self.one()?;
        while self.tokens.next_if_eq(&"AND").is_some() {
            is_met &= self.one()?;
        }
        Ok(is_met)
    }

    fn one(&mut self) -> anyhow::Result<bool> {
        match self.tokens.next().context("it ends early")? {
            "(" => {
                let is_met = self.either()?;
                self.expect(")")?;
                Ok(is_met)
            }
            "attribute_not_exists" => {
                self.expect("(")?;
                let name = self.tokens.next().context("it ends early")?;
                self.expect(")")?;
                Ok(self.attribute(name)?.is_none())
            }
            left => {
                let sign = self.tokens.next().context("it ends early")?;
                let right = self.tokens.next().context("it ends early")?;
                let (left, right) = (self.operand(left)?, self.operand(right)?);
                // What is not there compares with nothing.
                let (Some(left), Some(right)) = (left, right) else { return Ok(false) };
                compares(left, sign, right)
            }
        }
    }

    fn expect(&mut self, sign: &str) -> anyhow::Result<()> {
        self.tokens.next_if_eq(&sign).map(|_| ()).with_context(|| format!("{sign} is missing"))
    }

    fn operand(&self, text: &str) -> anyhow::Result<Option<&'a Value>> {
        if !text.starts_with(':') {
            return self.attribute(text);
        }
        let value = self.request.get("ExpressionAttributeValues").and_then(|values| values.get(text));
        value.map(Some).with_context(|| format!("no value {text}"))
    }

    fn attribute(&self, name: &str) -> anyhow::Result<Option<&'a Value>> {
        let name = if name.starts_with('#') {
            let alias = self.request.get("ExpressionAttributeNames").and_then(|names| names.get(name)?.as_str());
            alias.with_context(|| format!("no name {name}"))?
        } else {
            name
        };
        Ok(self.item.and_then(|item| item.get(name)))
    }
}

fn compares(left: &Value, sign: &str, right: &Value) -> anyhow::Result<bool> {
    let order = order(left, right);
    Ok(match sign {
        "=" => order == Some(Ordering::Equal),
        "<" => order == Some(Ordering::Less),
        "<=" => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        ">" => order == Some(Ordering::Greater),
        ">=" => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        other => bail!("{other} is no comparison"),
    })
}

/// Numbers by value, texts by their bytes. None: they are of different types.
fn order(left: &Value, right: &Value) -> Option<Ordering> {
    let number = |value: &Value| value.get("N")?.as_str()?.parse::<i64>().ok();
    let text = |value: &Value| value.get("S")?.as_str().map(str::to_owned);
    match (number(left), number(right)) {
        (Some(left), Some(right)) => Some(left.cmp(&right)),
        _ => Some(text(left)?.cmp(&text(right)?)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Asked of an item with the number 7, the text `ana` and nothing else.
    fn holds(condition: &str) -> anyhow::Result<bool> {
        let item = json!({"until_ms": {"N": "7"}, "holder": {"S": "ana"}});
        let request = json!({
            "ConditionExpression": condition,
            "ExpressionAttributeNames": {"#until": "until_ms"},
            "ExpressionAttributeValues": {
                ":six": {"N": "6"}, ":seven": {"N": "7"}, ":eight": {"N": "8"}, ":ten": {"N": "10"}, ":ana": {"S": "ana"},
            },
        });
        is_met(&request, item.as_object())
    }

    #[test]
    fn numbers_compare_by_value_around_the_bound() {
        let expected = [
            ("<", [false, false, true]),
            ("<=", [false, true, true]),
            ("=", [false, true, false]),
            (">=", [true, true, false]),
            (">", [true, false, false]),
        ];
        for (sign, expected) in expected {
            let found = [":six", ":seven", ":eight"].map(|value| holds(&format!("until_ms {sign} {value}")).unwrap());
            assert_eq!(found, expected, "{sign}");
        }
        assert!(holds("#until < :ten").unwrap(), "10 is more than 7, though its text is less");
    }

    #[test]
    fn what_is_not_there_compares_with_nothing() {
        for sign in ["<", "=", ">"] {
            assert!(!holds(&format!("absent {sign} :seven")).unwrap());
            assert!(!holds(&format!("holder {sign} :seven")).unwrap(), "nor do types that differ");
        }
        assert!(holds("attribute_not_exists(absent)").unwrap());
        assert!(!holds("attribute_not_exists(until_ms)").unwrap());
    }

    #[test]
    fn and_binds_before_or_unless_parentheses_say_otherwise() {
        let (yes, no) = ("holder = :ana", "until_ms = :six");
        assert!(holds(&format!("{yes} OR {no} AND {no}")).unwrap());
        assert!(!holds(&format!("({yes} OR {no}) AND {no}")).unwrap());
        assert!(holds(&format!("({no} OR (attribute_not_exists(absent) AND :six = :six)) AND {yes}")).unwrap());
    }

    #[test]
    fn a_request_without_a_condition_is_met_and_one_that_is_not_understood_is_an_error() {
        assert!(is_met(&json!({}), None).unwrap());
        for wrong in
            ["holder", "holder LIKE :ana", "holder = :absent", "(holder = :ana", "holder = :ana )", "#who = :ana"]
        {
            assert!(holds(wrong).is_err(), "{wrong}");
        }
    }
}
