//! Events as AWS and pipelines send them, from the templates in `tests/events`, put on the buses of the deployed rules.

use anyhow::{Context as _, bail};
use driftless_planner::fact::ComplianceType;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::control::compliance_type;
use crate::http;
use crate::stack::{LocalStack, REGION};

/// An event for EventBridge.
#[derive(Debug, Clone, PartialEq)]
pub struct Event(Value);

impl Event {
    /// AWS Config has just changed the compliance of an instance with a rule.
    pub fn compliance(instance: &str, rule: &str, verdict: ComplianceType) -> anyhow::Result<Self> {
        Self::from_template(include_str!("../events/config-noncompliant.json"))?
            .replacing("i-0aa11bb22cc33dd44", instance)
            .replacing("approved-amis", rule)
            .with("/detail/newEvaluationResult/complianceType", compliance_type(verdict).into())
    }

    /// An alarm on a target group has just changed its state. The target group is the end of its ARN.
    pub fn target_group_alarm(alarm: &str, target_group: &str, state: &str) -> anyhow::Result<Self> {
        Self::from_template(include_str!("../events/alarm-target-group.json"))?
            .replacing("web-green-5xx", alarm)
            .replacing("targetgroup/green/73e2d6bc24d8a067", target_group)
            .with("/detail/previousState/value", if state == "OK" { "ALARM" } else { "OK" }.into())?
            // In the template the state is a second younger than the event.
            .with("/detail/state/timestamp", format!("{:.3}", Timestamp::now()).replace('Z', "+0000").into())?
            .with("/detail/state/value", state.into())
    }

    /// An image has just become available.
    pub fn image_available(image: &str) -> anyhow::Result<Self> {
        Ok(Self::from_template(include_str!("../events/ami-available.json"))?.replacing("ami-0123456789abcdef0", image))
    }

    /// A pipeline has just published an image for a fleet. The event goes to Driftless's own bus.
    pub fn image_published(fleet: &str, image: &str) -> anyhow::Result<Self> {
        Self::from_template(include_str!("../events/image-published.json"))?
            .replacing("ami-0123456789abcdef0", image)
            .with("/detail/fleet", fleet.into())
    }

    /// An event from a text like those in `tests/events`, with all its times moved to now.
    pub fn from_template(json: &str) -> anyhow::Result<Self> {
        let mut event: Value = serde_json::from_str(json).context("the template is no JSON")?;
        let at: Timestamp = event.get("time").and_then(Value::as_str).context("the template has no time")?.parse()?;
        let age = Timestamp::now().duration_since(at);
        for_each_text(&mut event, &mut |text| {
            // Two formats: `2026-11-20T19:03:50.251Z`, and `+0000` at the end in alarms.
            let zulu = text.strip_suffix("+0000").map(|time| format!("{time}Z"));
            let Ok(time) = zulu.as_deref().unwrap_or(text).parse::<Timestamp>() else { return };
            let Ok(moved) = time.checked_add(age) else { return };
            let moved = format!("{moved:.3}");
            *text = if zulu.is_some() { moved.replace('Z', "+0000") } else { moved };
        });
        Ok(Self(event))
    }

    /// Replaces a text everywhere in the event.
    #[must_use]
    pub fn replacing(mut self, from: &str, to: &str) -> Self {
        for_each_text(&mut self.0, &mut |text| *text = text.replace(from, to));
        self
    }

    /// Sets a field that the event has, by its JSON pointer.
    pub fn with(mut self, pointer: &str, value: Value) -> anyhow::Result<Self> {
        *self.0.pointer_mut(pointer).with_context(|| format!("the event has no {pointer}"))? = value;
        Ok(self)
    }

    /// The event.
    pub const fn json(&self) -> &Value {
        &self.0
    }

    /// The entry of a `PutEvents` request; EventBridge adds what is missing.
    fn entry(&self, own_bus: &str) -> anyhow::Result<Value> {
        let field = |name| self.0.get(name).with_context(|| format!("the event has no {name}"));
        let source = field("source")?.as_str().context("source is no text")?;
        Ok(json!({
            "Source": source,
            "DetailType": field("detail-type")?,
            "Detail": field("detail")?.to_string(),
            "Resources": field("resources")?,
            "Time": Timestamp::now().as_second(),
            "EventBusName": if source.starts_with("aws.") { "default" } else { own_bus },
        }))
    }
}

impl LocalStack {
    /// Puts an event on the bus of its source: the default bus for AWS services, Driftless's own bus for others.
    pub async fn put(&self, event: &Event) -> anyhow::Result<()> {
        self.put_all(std::slice::from_ref(event)).await
    }

    /// Puts several events in one call, so that they arrive together.
    pub async fn put_all(&self, events: &[Event]) -> anyhow::Result<()> {
        let own_bus = self.deployment().output("EventBusName")?;
        let entries = events.iter().map(|event| event.entry(own_bus)).collect::<anyhow::Result<Vec<_>>>()?;
        let answer = self.event_bridge("PutEvents", &json!({"Entries": entries})).await?;
        if answer.get("FailedEntryCount") != Some(&json!(0)) {
            bail!("EventBridge refused the events: {answer}");
        }
        Ok(())
    }

    /// A call of EventBridge.
    pub(crate) async fn event_bridge(&self, action: &str, request: &Value) -> anyhow::Result<Value> {
        let target = format!("AWSEvents.{action}");
        let headers = [
            ("authorization", &*http::authorization("events", REGION)),
            ("content-type", "application/x-amz-json-1.1"),
            ("x-amz-target", &*target),
        ];
        let answer = http::post(self.endpoint(), &headers, request).await?;
        serde_json::from_slice(answer.body()).with_context(|| format!("the answer to {action} is no JSON"))
    }

    /// AWS Config finds an instance non-compliant with a rule: in its responses, and by an event.
    pub async fn find_non_compliant(&self, instance: &str, rule: &str, annotation: &str) -> anyhow::Result<()> {
        self.control().set_compliance(instance, rule, ComplianceType::NonCompliant, Some(annotation)).await?;
        self.put(&Event::compliance(instance, rule, ComplianceType::NonCompliant)?).await
    }

    /// AWS Config finds an instance compliant with a rule.
    pub async fn find_compliant(&self, instance: &str, rule: &str) -> anyhow::Result<()> {
        self.control().set_compliance(instance, rule, ComplianceType::Compliant, None).await?;
        self.put(&Event::compliance(instance, rule, ComplianceType::Compliant)?).await
    }
}

fn for_each_text(value: &mut Value, change: &mut impl FnMut(&mut String)) {
    match value {
        Value::String(text) => change(text),
        Value::Array(items) => items.iter_mut().for_each(|item| for_each_text(item, change)),
        Value::Object(fields) => fields.values_mut().for_each(|field| for_each_text(field, change)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compliance_event_is_of_now_and_about_the_instance() {
        let event = Event::compliance("i-12345678", "hardened", ComplianceType::NotApplicable).unwrap();
        let detail = &event.json()["detail"];
        assert_eq!(detail["resourceId"], "i-12345678");
        assert_eq!(detail["configRuleName"], "hardened");
        let result = &detail["newEvaluationResult"];
        assert_eq!(result["complianceType"], "NOT_APPLICABLE");
        assert_eq!(result["evaluationResultIdentifier"]["evaluationResultQualifier"]["resourceId"], "i-12345678");
        let ordering: Timestamp =
            result["evaluationResultIdentifier"]["orderingTimestamp"].as_str().unwrap().parse().unwrap();
        // In the template the evaluation is 15 seconds older than the event.
        assert!((10..60).contains(&Timestamp::now().duration_since(ordering).as_secs()));
        assert!(!event.json().to_string().contains("i-0aa11bb22cc33dd44"));
    }

    #[test]
    fn an_alarm_keeps_its_own_format_of_time() {
        let event = Event::from_template(include_str!("../events/alarm-instance.json")).unwrap();
        let since = event.json()["detail"]["state"]["timestamp"].as_str().unwrap();
        assert!(since.ends_with("+0000") && since.len() == "2026-11-20T17:04:40.989+0000".len(), "{since}");
    }
}
