//! The reconcile queue: delays, at least once, in no order; and the topic, which keeps what on-call was told.

use std::collections::BTreeMap;

use driftless_planner::event::Event;
use driftless_planner::notification;
use driftless_planner::request::ReconcileRequest;
use driftless_reconciler::batch::Received;
use jiff::{SignedDuration, Timestamp};

/// How long a received message is hidden from others.
pub const VISIBILITY: SignedDuration = SignedDuration::from_secs(180);
/// So often a message is received before it goes to the dead letters.
pub const RECEIVES_MAX: u32 = 5;
/// Messages of one batch.
pub const BATCH_MAX: usize = 10;

/// The reconcile queue.
#[derive(Debug, Clone, Default)]
pub struct Queue {
    messages: BTreeMap<u64, Message>,
    sent: u64,
    /// Whether nobody takes messages: what one function does can be counted then.
    pub is_deferred: bool,
    /// Messages that were abandoned.
    pub dead: Vec<ReconcileRequest>,
}

/// A message on the queue.
#[derive(Debug, Clone)]
pub struct Message {
    pub body: ReconcileRequest,
    /// When it can be received.
    pub visible_at: Timestamp,
    /// How often it was received.
    pub receives: u32,
}

impl Queue {
    /// Puts a message on the queue.
    pub fn send(&mut self, body: ReconcileRequest, visible_at: Timestamp) {
        self.sent += 1;
        self.messages.insert(self.sent, Message { body, visible_at, receives: 0 });
    }

    /// Hands out what is visible, and hides it for a while.
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

    /// Forgets a message that was handled.
    pub fn delete(&mut self, id: u64) {
        self.messages.remove(&id);
    }

    /// When the next message can be received.
    pub fn next_visible(&self) -> Option<Timestamp> {
        self.messages.values().map(|message| message.visible_at).min()
    }

    /// The messages on it, in the order in which they were sent.
    pub fn messages(&self) -> impl Iterator<Item = &Message> {
        self.messages.values()
    }

    /// When each message can be received.
    pub fn visible_times(&self) -> impl Iterator<Item = Timestamp> {
        self.messages.values().map(|message| message.visible_at)
    }

    /// How many messages are on it.
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }
}

/// The topics.
#[derive(Debug, Clone, Default)]
pub struct Topic {
    /// What on-call was sent, in order, with its time.
    pub sent: Vec<(Timestamp, notification::Message)>,
    /// The ids of what chats were sent, in order.
    pub chat: Vec<String>,
    /// What the event bus took, in order.
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
