//! The reconcile queue (delays, at-least-once delivery, no order), and what Driftless has sent: messages and events.

use std::collections::BTreeMap;

use driftless_planner::event::Event;
use driftless_planner::notification;
use driftless_planner::request::ReconcileRequest;
use driftless_reconciler::batch::Received;
use jiff::{SignedDuration, Timestamp};

/// How long a received message stays hidden from other receives.
pub const VISIBILITY: SignedDuration = SignedDuration::from_secs(180);
/// The number of receives after which a message goes to the dead-letter queue.
pub const RECEIVES_MAX: u32 = 5;
/// The largest number of messages in one batch.
pub const BATCH_MAX: usize = 10;

/// The reconcile queue.
#[derive(Debug, Clone, Default)]
pub struct Queue {
    messages: BTreeMap<u64, Message>,
    sent: u64,
    /// Whether delivery is suspended, so that a test can count the calls of one function.
    pub is_deferred: bool,
    pub dead: Vec<ReconcileRequest>,
}

/// A message on the queue.
#[derive(Debug, Clone)]
pub struct Message {
    pub body: ReconcileRequest,
    /// When the message becomes visible.
    pub visible_at: Timestamp,
    pub receives: u32,
}

impl Queue {
    /// Puts a message on the queue.
    pub fn send(&mut self, body: ReconcileRequest, visible_at: Timestamp) {
        self.sent += 1;
        self.messages.insert(self.sent, Message { body, visible_at, receives: 0 });
    }

    /// Receives a batch of visible messages and hides them for the visibility timeout. A message that was received too
    /// often goes to the dead-letter queue instead.
    pub fn receive(&mut self, now: Timestamp) -> Vec<Received<u64>> {
        let (mut batch, mut worn_out) = (Vec::new(), Vec::new());
        if self.is_deferred {
            return batch;
        }
        for (id, message) in self.messages.iter_mut().filter(|(_, message)| message.visible_at <= now) {
            if message.receives >= RECEIVES_MAX {
                worn_out.push(*id);
                continue;
            }
            if batch.len() == BATCH_MAX {
                break;
            }
            message.receives += 1;
            message.visible_at = now + VISIBILITY;
            batch.push(Received { id: *id, body: message.body.clone(), is_again: message.receives > 1 });
        }
        let dead = worn_out.iter().filter_map(|id| self.messages.remove(id));
        self.dead.extend(dead.map(|message| message.body));
        batch
    }

    /// Deletes a message.
    pub fn delete(&mut self, id: u64) {
        self.messages.remove(&id);
    }

    /// The time at which the next message becomes visible.
    pub fn next_visible(&self) -> Option<Timestamp> {
        self.messages.values().map(|message| message.visible_at).min()
    }

    /// The messages, in the order in which they were sent.
    pub fn messages(&self) -> impl Iterator<Item = &Message> {
        self.messages.values()
    }

    /// The time at which each message becomes visible.
    pub fn visible_times(&self) -> impl Iterator<Item = Timestamp> {
        self.messages.values().map(|message| message.visible_at)
    }

    /// Number of messages.
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether the queue is empty.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }
}

/// What Driftless has sent to on-call, to chat and to the event bus.
#[derive(Debug, Clone, Default)]
pub struct Topic {
    /// The messages to on-call, in order, each with its time.
    pub sent: Vec<(Timestamp, notification::Message)>,
    /// The ids of the chat messages, in order.
    pub chat: Vec<String>,
    /// The events that the event bus accepted, in order.
    pub events: Vec<Event>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use driftless_planner::request::FleetRequest;

    fn request() -> ReconcileRequest {
        ReconcileRequest::Reconcile(FleetRequest { fleet: "app".parse().unwrap(), due: None })
    }

    #[test]
    fn a_message_comes_when_its_delay_is_over_and_not_before() {
        let mut queue = Queue::default();
        let at = Timestamp::UNIX_EPOCH + SignedDuration::from_secs(10);
        queue.send(request(), at);
        assert!(queue.receive(at - SignedDuration::from_millis(1)).is_empty());
        assert_eq!(queue.receive(at).len(), 1);
    }

    #[test]
    fn a_message_that_is_not_deleted_comes_again_five_times_in_all() {
        let mut queue = Queue::default();
        queue.send(request(), Timestamp::UNIX_EPOCH);
        let mut now = Timestamp::UNIX_EPOCH;
        for _ in 0..RECEIVES_MAX {
            assert_eq!(queue.receive(now).len(), 1);
            assert!(queue.receive(now).is_empty(), "hidden from others");
            now += VISIBILITY;
        }
        assert!(queue.receive(now).is_empty());
        assert_eq!((queue.dead.len(), queue.len()), (1, 0));
    }
}
