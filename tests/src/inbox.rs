//! The inbox of on-call or of a chat: a queue that is subscribed to the alert topic or the chat topic.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context as _;
use aws_sdk_sqs::types::QueueAttributeName;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;

use crate::patience::lines;
use crate::proxy::Recording;
use crate::stack::LocalStack;

/// How long one request waits for a message. SQS answers at once when one comes.
const POLL_SECONDS: i32 = 1;

/// A queue that is subscribed to a topic, and the messages received from it.
#[derive(Debug)]
pub struct Inbox {
    client: aws_sdk_sqs::Client,
    queue: String,
    letters: Vec<Letter>,
    recording: Recording,
}

/// One message to on-call.
#[derive(Debug, Clone, PartialEq)]
pub struct Letter {
    /// The subject, which a pager shows.
    pub subject: String,
    /// The JSON body, which a queue receives.
    pub body: String,
    /// The text body, taken from the recorded call that sent the message. Empty: no function sent it.
    pub text: String,
    /// The attributes for filter policies: `fleet`, `kind`, `severity`.
    pub attributes: BTreeMap<String, String>,
}

impl LocalStack {
    /// Subscribes a new inbox to the alert topic. It receives messages from now on.
    pub async fn inbox(&self, name: &str) -> anyhow::Result<Inbox> {
        self.inbox_on("AlertTopicArn", name).await
    }

    /// Subscribes a new inbox to the topic in an output of the stack.
    pub async fn inbox_on(&self, topic: &str, name: &str) -> anyhow::Result<Inbox> {
        let (queue, arn) = self.new_queue(&format!("inbox-{name}")).await?;
        let topic = self.deployment().output(topic)?;
        self.clients().sns.subscribe().topic_arn(topic).protocol("sqs").endpoint(arn).send().await?;
        Ok(Inbox {
            client: self.clients().sqs.clone(),
            queue,
            letters: Vec::new(),
            recording: self.recording().clone(),
        })
    }

    /// A new queue: its URL and its ARN.
    pub(crate) async fn new_queue(&self, name: &str) -> anyhow::Result<(String, String)> {
        let client = &self.clients().sqs;
        let queue = client.create_queue().queue_name(name).send().await?;
        let queue = queue.queue_url.context("the new queue has no URL")?;
        let asked = client.get_queue_attributes().queue_url(&queue).attribute_names(QueueAttributeName::QueueArn);
        let attributes = asked.send().await?.attributes.unwrap_or_default();
        let arn = attributes.get(&QueueAttributeName::QueueArn).context("the new queue has no ARN")?;
        Ok((queue, arn.clone()))
    }
}

impl Inbox {
    /// The messages read so far.
    pub fn letters(&self) -> &[Letter] {
        &self.letters
    }

    /// Forgets the messages read so far.
    pub fn clear(&mut self) {
        self.letters.clear();
    }

    /// Waits until the messages meet a condition. The error of a timeout has the expectation and the messages.
    pub async fn wait_for<T>(
        &mut self,
        awaited: &str,
        timeout: Duration,
        condition: impl Fn(&[Letter]) -> Option<T>,
    ) -> anyhow::Result<T> {
        let end = Instant::now() + timeout;
        loop {
            if let Some(found) = condition(&self.letters) {
                return Ok(found);
            }
            if Instant::now() >= end {
                let came = lines(&self.letters);
                anyhow::bail!("waited {timeout:?} in vain: {awaited}\nletters so far:{came}");
            }
            self.receive(POLL_SECONDS).await?;
        }
    }

    /// Waits for a message of a kind about a fleet, such as `replaced`.
    pub async fn wait_for_kind(&mut self, fleet: &str, kind: &str, timeout: Duration) -> anyhow::Result<Letter> {
        self.wait_for(&format!("a letter `{kind}` about {fleet}"), timeout, |letters| {
            letters.iter().find(|letter| letter.kind() == Some(kind) && letter.fleet() == Some(fleet)).cloned()
        })
        .await
    }

    /// Reads the messages that have arrived.
    pub async fn read(&mut self) -> anyhow::Result<&[Letter]> {
        while self.receive(0).await? > 0 {}
        Ok(&self.letters)
    }

    async fn receive(&mut self, wait_seconds: i32) -> anyhow::Result<usize> {
        let request = self.client.receive_message().queue_url(&self.queue).max_number_of_messages(10);
        let messages = request.wait_time_seconds(wait_seconds).send().await?.messages.unwrap_or_default();
        for message in &messages {
            let body = message.body.as_deref().unwrap_or_default();
            let envelope: Envelope = serde_json::from_str(body).with_context(|| format!("no letter of SNS: {body}"))?;
            let text = sent_to_people(&self.recording, &envelope.message).unwrap_or_default();
            self.letters.push(Letter { text, ..envelope.into() });
            let receipt = message.receipt_handle.clone();
            self.client.delete_message().queue_url(&self.queue).set_receipt_handle(receipt).send().await?;
        }
        Ok(messages.len())
    }
}

impl Letter {
    /// The JSON body. None: the body is not JSON.
    pub fn json(&self) -> Option<Value> {
        serde_json::from_str(&self.body).ok()
    }

    /// The kind of the message.
    pub fn kind(&self) -> Option<&str> {
        self.attributes.get("kind").map(String::as_str)
    }

    /// The fleet of the message.
    pub fn fleet(&self) -> Option<&str> {
        self.attributes.get("fleet").map(String::as_str)
    }
}

impl std::fmt::Display for Letter {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:?} {}", self.attributes, self.subject)
    }
}

/// The text body of the message with this JSON body.
fn sent_to_people(recording: &Recording, body: &str) -> Option<String> {
    let bodies = |message: &str| serde_json::from_str::<BTreeMap<String, String>>(message).ok();
    recording
        .all()
        .iter()
        .filter(|call| call.name() == "sns:Publish")
        .filter_map(|call| bodies(call.text("Message")?))
        .find(|bodies| bodies.get("sqs").is_some_and(|sent| sent == body))
        .and_then(|mut bodies| bodies.remove("default"))
}

/// How SNS wraps a message for a queue.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Envelope {
    #[serde(default)]
    subject: Option<String>,
    message: String,
    #[serde(default)]
    message_attributes: BTreeMap<String, Attribute>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attribute {
    value: String,
}

impl From<Envelope> for Letter {
    fn from(envelope: Envelope) -> Self {
        let attributes = envelope.message_attributes.into_iter().map(|(name, attribute)| (name, attribute.value));
        Self {
            subject: envelope.subject.unwrap_or_default(),
            body: envelope.message,
            text: String::new(),
            attributes: attributes.collect(),
        }
    }
}
