//! The SNS topics: one for on-call, one for chat.

#[cfg(test)]
mod codes;

use std::collections::BTreeMap;

use aws_sdk_sns::types::MessageAttributeValue;
use driftless_planner::notification::Message;
use driftless_reconciler::ports::{Alerts, Audience, CallResult};

use crate::aws::Aws;
use crate::error::{call_error, refused};

const PUBLISH: &str = "sns:Publish";

/// The delivery protocols of machines, which get JSON. Subscribers by all other protocols get the text.
const MACHINES: [&str; 4] = ["sqs", "https", "http", "lambda"];
const PEOPLE: [&str; 2] = ["default", "email"];

impl Alerts for Aws {
    async fn publish(&self, message: &Message, to: Audience) -> CallResult<()> {
        let (topic, bodies) = match to {
            Audience::OnCall => (&self.names.alert_topic_arn, on_call(message)),
            Audience::Chat => (&self.names.chat_topic_arn, chat(message)),
        };
        let bodies = serde_json::to_string(&bodies).map_err(|error| refused(PUBLISH, error.to_string()))?;
        let mut request =
            self.sns().publish().topic_arn(topic).subject(&message.subject).message_structure("json").message(bodies);
        for (name, value) in attributes(message) {
            let value = MessageAttributeValue::builder().data_type("String").string_value(value).build();
            request = request.message_attributes(name, value.map_err(|error| refused(PUBLISH, error.to_string()))?);
        }
        request.send().await.map(|_| ()).map_err(|error| call_error(PUBLISH, error))
    }
}

/// The message attributes that the filter policies of subscribers can match.
fn attributes(message: &Message) -> impl Iterator<Item = (&'static str, &str)> {
    let always = [
        ("fleet", message.fleet.as_str()),
        ("kind", message.kind),
        ("severity", message.severity.word()),
        ("id", message.id.as_str()),
    ];
    always.into_iter().chain(message.condition.as_deref().map(|condition| ("condition", condition)))
}

/// The message bodies, one for each delivery protocol, by the name of the protocol.
type Bodies<'a> = BTreeMap<&'static str, &'a str>;

fn on_call(message: &Message) -> Bodies<'_> {
    let people = PEOPLE.map(|way| (way, message.text.as_str()));
    let machines = MACHINES.map(|way| (way, message.json.as_str()));
    people.into_iter().chain(machines).collect()
}

/// The bodies for the chat topic. Amazon Q Developer receives its body by HTTPS; an operator who subscribes by e-mail
/// gets the text.
fn chat(message: &Message) -> Bodies<'_> {
    [("default", message.chat.as_str()), ("email", message.text.as_str())].into()
}

#[cfg(test)]
mod tests {
    use driftless_planner::notification::{Condition, Details, Notification};
    use jiff::Timestamp;

    use super::*;
    use crate::aws::testing::{names, on};
    use crate::stub::StubAws;

    fn telling(details: Details) -> Message {
        let notification = Notification {
            id: "app-7-0".to_owned(),
            fleet: "app".parse().unwrap(),
            groups: vec!["app-blue".parse().unwrap()],
            at: Timestamp::UNIX_EPOCH,
            details,
        };
        notification.message().unwrap()
    }

    pub(super) fn message() -> Message {
        telling(Details::Entered { condition: Condition::BreakerOpen, detail: "3 of 4".into() })
    }

    #[test]
    fn people_get_the_text_and_machines_the_json() {
        let message = message();
        let bodies = on_call(&message);
        assert_eq!(bodies.len(), 6);
        for (way, body) in &bodies {
            let expected = if MACHINES.contains(way) { &message.json } else { &message.text };
            assert_eq!(body, expected, "{way}");
        }
        assert!(bodies.contains_key("default"), "SNS demands it");
    }

    #[test]
    fn a_chat_gets_its_own_body_and_whoever_subscribes_by_mail_the_text() {
        let message = message();
        let bodies = chat(&message);
        assert_eq!(bodies, [("default", message.chat.as_str()), ("email", message.text.as_str())].into());
        let body: serde_json::Value = serde_json::from_str(bodies["default"]).unwrap();
        assert_eq!(body["source"], "custom");
    }

    fn answered() -> StubAws {
        let answer = "<PublishResponse><PublishResult><MessageId>m</MessageId></PublishResult></PublishResponse>";
        StubAws::default().on("Action=Publish", 200, answer)
    }

    #[tokio::test]
    async fn a_message_carries_what_filter_policies_ask_for_on_both_topics() {
        for (to, topic) in [(Audience::OnCall, names().alert_topic_arn), (Audience::Chat, names().chat_topic_arn)] {
            let stub = answered();
            on(&stub).publish(&message(), to).await.unwrap();
            let sent = stub.only();
            assert!(sent.has(&format!("TopicArn={topic}")), "{}", sent.body);
            let has_subject = sent.body.contains("Subject=%5Bpage%5D%20app");
            assert!(sent.has("MessageStructure=json") && has_subject, "{}", sent.body);
            let fields = sent.fields();
            for (name, value) in [
                ("fleet", "app"),
                ("kind", "entered"),
                ("severity", "page"),
                ("id", "app-7-0"),
                ("condition", "breaker-open"),
            ] {
                let prefix = fields
                    .iter()
                    .find_map(|field| field.strip_suffix(&format!(".Name={name}")))
                    .unwrap_or_else(|| panic!("{name} in {}", sent.body));
                assert!(sent.has(&format!("{prefix}.Value.StringValue={value}")), "{}", sent.body);
                assert!(sent.has(&format!("{prefix}.Value.DataType=String")), "{}", sent.body);
            }
        }
    }

    #[tokio::test]
    async fn a_message_about_no_condition_has_no_condition_attribute() {
        let details =
            Details::ExtraInstanceKept { instance: "i-0123456789abcdef0".parse().unwrap(), why: "floor".into() };
        let stub = answered();
        on(&stub).publish(&telling(details), Audience::OnCall).await.unwrap();
        assert!(!stub.only().body.contains("Name=condition"), "{}", stub.only().body);
    }
}
