//! The messages of the reconcile queue: facts from the detectors, and reconcile requests from Driftless itself.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::fact::Fact;
use crate::ids::FleetName;

/// One message of the reconcile queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReconcileRequest {
    /// A new fact: the receiver stores it and then runs a pass for its fleet.
    Fact(Box<Fact>),
    /// Run a pass for this fleet.
    Reconcile(FleetRequest),
    /// A report of an image that had no tag with a fleet's name when it was reported. The tags may follow the event, so
    /// the image is read again later.
    Untagged {
        fact: Box<Fact>,
        /// How often the image was already read.
        attempts: u32,
    },
}

/// A request to run a pass for a fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FleetRequest {
    pub fleet: FleetName,
    /// When a delayed request is due. None: the request is not delayed. The lease item stores the due time of the
    /// pending request; the comparison shows whether a request that arrives a moment early is the pending one.
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
        assert_eq!(json, r#"{"reconcile":{"fleet":"app","due":"1970-01-01T00:00:00Z"}}"#);
        assert_eq!(serde_json::from_str::<ReconcileRequest>(&json).unwrap(), message);
    }

    #[test]
    fn a_message_of_an_unknown_kind_is_refused() {
        assert!(serde_json::from_str::<ReconcileRequest>(r#"{"terminate":{"fleet":"app"}}"#).is_err());
        assert!(
            serde_json::from_str::<ReconcileRequest>(r#"{"reconcile":{"fleet":"app","due":null,"force":true}}"#)
                .is_err()
        );
    }
}
