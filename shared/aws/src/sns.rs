//! The alert topic.

#[cfg(test)]
mod codes;

use std::collections::BTreeMap;

use aws_sdk_sns::types::MessageAttributeValue;
use driftless_planner::notification::{Message, Notification};
use driftless_reconciler::ports::{Alerts, Called};

use crate::aws::Aws;
use crate::error::{call_error, refused};

const PUBLISH: &str = "sns:Publish";

/// Whoever reads by one of these is a machine; everyone else gets the text.
const MACHINES: [&str; 4] = ["sqs", "https", "http", "lambda"];
const PEOPLE: [&str; 2] = ["default", "email"];

impl Alerts for Aws {
    async fn publish(&self, notification: &Notification) -> Called<()> {
        let message = notification.message().map_err(|error| refused(PUBLISH, error.to_string()))?;
        let mut request = self
            .sns()
            .publish()
            .topic_arn(&self.names.alert_topic_arn)
            .subject(&message.subject)
            .message_structure("json")
            .message(bodies(&message)?);
        for (name, value) in [
            ("fleet", notification.fleet.as_str()),
            ("kind", message.kind),
            ("severity", message.severity.word()),
            ("id", notification.id.as_str()),
        ] {
            let value = MessageAttributeValue::builder().data_type("String").string_value(value).build();
            request = request.message_attributes(name, value.map_err(|error| refused(PUBLISH, error.to_string()))?);
        }
        request.send().await.map(|_| ()).map_err(|error| call_error(PUBLISH, error))
    }
}

/// One body for each way of delivery.
fn bodies(message: &Message) -> Called<String> {
    let people = PEOPLE.map(|way| (way, message.text.as_str()));
    let machines = MACHINES.map(|way| (way, message.json.as_str()));
    let bodies: BTreeMap<&str, &str> = people.into_iter().chain(machines).collect();
    serde_json::to_string(&bodies).map_err(|error| refused(PUBLISH, error.to_string()))
}

#[cfg(test)]
mod tests {
    use driftless_planner::notification::{Condition, News};
    use jiff::Timestamp;

    use super::*;
    use crate::aws::testing::{names, on};
    use crate::canned::Canned;

    pub(super) fn notification() -> Notification {
        Notification {
            id: "app-7-0".to_owned(),
            fleet: "app".parse().unwrap(),
            groups: vec!["app-blue".parse().unwrap()],
            at: Timestamp::UNIX_EPOCH,
            news: News::Entered { condition: Condition::BreakerOpen, detail: "3 of 4".into() },
        }
    }

    #[test]
    fn people_get_the_text_and_machines_the_json() {
        let message = notification().message().unwrap();
        let bodies: BTreeMap<String, String> = serde_json::from_str(&bodies(&message).unwrap()).unwrap();
        assert_eq!(bodies.len(), 6);
        for (way, body) in &bodies {
            let expected = if MACHINES.contains(&way.as_str()) { &message.json } else { &message.text };
            assert_eq!(body, expected, "{way}");
        }
        assert!(bodies.contains_key("default"), "SNS demands it");
    }

    #[tokio::test]
    async fn a_notification_carries_what_filter_policies_ask_for() {
        let answer = "<PublishResponse><PublishResult><MessageId>m</MessageId></PublishResult></PublishResponse>";
        let canned = Canned::default().on("Action=Publish", 200, answer);
        on(&canned).publish(&notification()).await.unwrap();
        let sent = canned.only();
        assert!(sent.has(&format!("TopicArn={}", names().alert_topic_arn)), "{}", sent.body);
        assert!(sent.has("MessageStructure=json") && sent.body.contains("Subject=%5Bpage%5D%20app"), "{}", sent.body);
        let fields = sent.fields();
        for (name, value) in [("fleet", "app"), ("kind", "entered"), ("severity", "page"), ("id", "app-7-0")] {
            let prefix = fields
                .iter()
                .find_map(|field| field.strip_suffix(&format!(".Name={name}")))
                .unwrap_or_else(|| panic!("{name} in {}", sent.body));
            assert!(sent.has(&format!("{prefix}.Value.StringValue={value}")), "{}", sent.body);
            assert!(sent.has(&format!("{prefix}.Value.DataType=String")), "{}", sent.body);
        }
    }
}
