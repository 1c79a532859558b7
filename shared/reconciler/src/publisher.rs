//! The outbox publisher. It delivers each message and event at least once. A failed delivery never stops the reconcile
//! pass.

use std::collections::BTreeSet;

use driftless_planner::decision::Decision;
use driftless_planner::event::{ENTRIES_MAX, Event, EventBatch};
use driftless_planner::notification::{Message, Notification, Runbooks};
use driftless_planner::observation::FreezeScope;
use futures_util::future::join;
use jiff::Timestamp;

use crate::ports::{Audience, CallError, CallErrorKind, CallResult, Ports, Stored};

/// The operation that an error names when a message could not be composed, so that no call was made.
const COMPOSE: &str = "compose a message";

/// The outbox publisher of one run. It does not retry a failed delivery within the run; instead, SQS redelivers the
/// message that started the run.
#[derive(Debug)]
pub(crate) struct OutboxPublisher<'a> {
    deliveries: Deliveries<'a>,
    announcements: Announcements,
}

impl<'a> OutboxPublisher<'a> {
    /// Creates a publisher. Its messages link runbooks at the given location.
    pub(crate) fn new(runbooks: &'a Runbooks) -> Self {
        Self { deliveries: Deliveries::new(runbooks), announcements: Announcements::default() }
    }

    /// Sends the notifications and events that an earlier run committed and did not send, then those of this decision.
    /// The deliveries to the topics and to the event bus run in parallel.
    pub(crate) async fn tell<P: Ports>(&mut self, ports: &P, stored: &Stored, decision: &Decision, now: Timestamp) {
        let batches: Vec<EventBatch> = stored.events.iter().cloned().chain(decision.events()).collect();
        let scope = FreezeScope::Fleet(decision.next.fleet.clone());
        join(self.deliveries.tell(ports, stored, decision, now), self.announcements.put_all(ports, &scope, &batches))
            .await;
    }

    /// The error of the first failed delivery.
    pub(crate) fn failed(self) -> Option<CallError> {
        self.deliveries.failed.or(self.announcements.failed)
    }
}

/// Delivers events to the event bus.
#[derive(Debug, Default)]
pub(crate) struct Announcements {
    failed: Option<CallError>,
}

impl Announcements {
    /// Puts batches of events on the bus, and removes from the outbox the batches that the bus accepted whole. When the
    /// bus accepts only a part of a batch, the next run puts the whole batch again; consumers recognize a repeated
    /// event by its id.
    pub(crate) async fn put_all<P: Ports>(&mut self, ports: &P, scope: &FreezeScope, batches: &[EventBatch]) {
        if self.failed.is_some() {
            return;
        }
        let events: Vec<Event> = batches.iter().flat_map(|batch| &batch.events).cloned().collect();
        let mut taken: BTreeSet<&str> = BTreeSet::new();
        for some in events.chunks(ENTRIES_MAX) {
            match ports.put(some).await {
                Ok(mut refused) => {
                    taken.extend(some.iter().map(|event| event.id.as_str()).filter(|id| !refused.contains_key(*id)));
                    if let Some((_, error)) = refused.pop_first() {
                        self.failed.get_or_insert(error);
                    }
                }
                Err(error) => {
                    self.failed.get_or_insert(error);
                    break;
                }
            }
        }
        let is_taken = |batch: &&EventBatch| batch.events.iter().all(|event| taken.contains(event.id.as_str()));
        let done: Vec<String> = batches.iter().filter(is_taken).map(|batch| batch.id.clone()).collect();
        if !done.is_empty()
            && let Err(error) = ports.mark_published(scope, &done).await
        {
            self.failed.get_or_insert(error);
        }
    }

    /// The error of the first event that could not be put on the bus.
    pub(crate) fn failed(self) -> Option<CallError> {
        self.failed
    }
}

/// Delivers messages to on-call and to chat.
#[derive(Debug)]
struct Deliveries<'a> {
    runbooks: &'a Runbooks,
    failed: Option<CallError>,
    /// The audiences whose topic could not be reached in this run.
    unreachable: BTreeSet<Audience>,
    /// The messages that a topic refuses for good, by id and audience. They must not block the messages after them.
    refused: BTreeSet<(String, Audience)>,
    /// Whether the table failed to mark a delivery. Sending then stops, because every unmarked message would be sent
    /// again and again.
    is_forgetful: bool,
}

impl<'a> Deliveries<'a> {
    const fn new(runbooks: &'a Runbooks) -> Self {
        Self { runbooks, failed: None, unreachable: BTreeSet::new(), refused: BTreeSet::new(), is_forgetful: false }
    }

    /// Sends the notifications in the outbox and those that were just committed, oldest first. A notification leaves
    /// the outbox only after both audiences have received it: a crash can repeat a message but never lose one.
    async fn tell<P: Ports>(&mut self, ports: &P, stored: &Stored, decision: &Decision, now: Timestamp) {
        for notification in stored.outbox.iter().chain(&decision.notifications) {
            if self.is_forgetful {
                return;
            }
            if let Err(error) = self.tell_one(ports, stored, notification, now).await {
                self.is_forgetful = true;
                self.failed.get_or_insert(error);
            }
        }
    }

    /// Sends one composed message to both audiences in parallel. Each audience is marked separately: while the chat
    /// topic fails, on-call is not paged twice, and while the pager topic fails, the chat channel gets the message only
    /// once.
    async fn tell_one<P: Ports>(
        &mut self,
        ports: &P,
        stored: &Stored,
        notification: &Notification,
        now: Timestamp,
    ) -> CallResult<()> {
        let known = stored.partially_delivered.get(&notification.id).copied();
        let is_tried = |to: Audience| known != Some(to) && self.is_worth_trying(notification, to);
        let (is_tried_on_call, is_tried_in_chat) = (is_tried(Audience::OnCall), is_tried(Audience::Chat));
        if !is_tried_on_call && !is_tried_in_chat {
            return Ok(());
        }
        let composed = notification.message_with(self.runbooks);
        let Some(message) = self.composed(notification, composed) else { return Ok(()) };
        let message = &message;
        let publish = |to: Audience, is_tried: bool| async move {
            if is_tried { ports.publish(message, to).await.map(|()| true) } else { Ok(known == Some(to)) }
        };
        let (on_call, chat) =
            join(publish(Audience::OnCall, is_tried_on_call), publish(Audience::Chat, is_tried_in_chat)).await;
        let on_call = self.checked(notification, Audience::OnCall, on_call);
        let chat = self.checked(notification, Audience::Chat, chat);
        let (fleet, id) = (&notification.fleet, &notification.id);
        match (on_call, chat) {
            (true, true) => ports.mark_delivered(fleet, std::slice::from_ref(id)).await,
            (true, false) if known.is_none() => ports.mark_partially_delivered(fleet, id, Audience::OnCall, now).await,
            (false, true) if known.is_none() => ports.mark_partially_delivered(fleet, id, Audience::Chat, now).await,
            (true | false, true | false) => Ok(()),
        }
    }

    /// The message of a notification. None: the message could not be composed. That counts as a failed delivery and is
    /// not tried again in this run.
    fn composed(
        &mut self,
        notification: &Notification,
        composed: Result<Message, serde_json::Error>,
    ) -> Option<Message> {
        match composed {
            Ok(message) => Some(message),
            Err(error) => {
                self.refused.extend([Audience::OnCall, Audience::Chat].map(|to| (notification.id.clone(), to)));
                self.failed.get_or_insert(CallError {
                    operation: COMPOSE,
                    kind: CallErrorKind::Refused,
                    message: error.to_string().into(),
                    source: Some(error.into()),
                });
                None
            }
        }
    }

    fn is_worth_trying(&self, notification: &Notification, to: Audience) -> bool {
        !self.unreachable.contains(&to) && !self.refused.contains(&(notification.id.clone(), to))
    }

    /// Whether an audience has received the notification. The error of a failed delivery is recorded.
    fn checked(&mut self, notification: &Notification, to: Audience, told: CallResult<bool>) -> bool {
        match told {
            Ok(has_it) => has_it,
            Err(error) => {
                if matches!(error.kind, CallErrorKind::Refused | CallErrorKind::Unreadable) {
                    self.refused.insert((notification.id.clone(), to));
                } else {
                    self.unreachable.insert(to);
                }
                self.failed.get_or_insert(error);
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use driftless_planner::notification::Details;

    use super::*;

    /// Every notification of the planner has a body that serializes, so the test supplies the error itself.
    #[test]
    fn a_message_that_cannot_be_composed_fails_the_run_and_is_not_tried_again_in_it() {
        let notification = Notification {
            id: "app-7-0".to_owned(),
            fleet: "app".parse().unwrap(),
            groups: Vec::new(),
            at: Timestamp::UNIX_EPOCH,
            details: Details::Ended { condition: "backlog".to_owned(), since: Timestamp::UNIX_EPOCH },
        };
        let runbooks = Runbooks::default();
        let mut deliveries = Deliveries::new(&runbooks);
        assert_eq!(deliveries.composed(&notification, Err(serde::ser::Error::custom("no JSON"))), None);
        for to in [Audience::OnCall, Audience::Chat] {
            assert!(!deliveries.is_worth_trying(&notification, to));
        }
        let publisher = OutboxPublisher { deliveries, announcements: Announcements::default() };
        let error = publisher.failed().unwrap();
        assert_eq!(error.to_string(), "compose a message failed (refused): no JSON");
    }
}
