//! What travels on the reconcile queue: facts from the detectors, and wakes from Driftless itself.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::fact::Fact;
use crate::ids::FleetName;

/// One message of the reconcile queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReconcileRequest {
    /// Something was reported: file it, then look at the fleet that it is about.
    Fact(Box<Fact>),
    /// Look at this fleet.
    Reconcile(FleetRequest),
    /// An image that carried no fleet's tag when it was reported: tags may come after the event, so reconcile again.
    Untagged {
        fact: Box<Fact>,
        /// How often it was looked at already.
        attempts: u32,
    },
}

/// A reminder to look at a fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FleetRequest {
    /// The fleet to look at.
    pub fleet: FleetName,
    /// When a delayed request was due. It tells the request that the lease item remembers from any other, so that a request
    /// which arrives a moment early is not mistaken for one that is still to come.
    pub due: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_survives_the_queue() {
        let message = ReconcileRequest::Reconcile(FleetRequest {
            fleet: "app".parse().unwrap(),
            due: Some(Timestamp::UNIX_EPOCH),
        });
        let json = serde_json::to_string(&message).unwrap();
        assert_eq!(json, r#"{"wake":{"fleet":"app","due":"1970-01-01T00:00:00Z"}}"#);
        assert_eq!(serde_json::from_str::<ReconcileRequest>(&json).unwrap(), message);
    }

    #[test]
    fn a_message_of_an_unknown_kind_is_refused() {
        assert!(serde_json::from_str::<ReconcileRequest>(r#"{"terminate":{"fleet":"app"}}"#).is_err());
        assert!(
            serde_json::from_str::<ReconcileRequest>(r#"{"wake":{"fleet":"app","due":null,"force":true}}"#).is_err()
        );
    }
}
