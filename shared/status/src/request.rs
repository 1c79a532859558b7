//! Requests to the two functions of the operator API, and their responses: `status` only reads, `operator` changes
//! something. IAM can allow one without the other.

use driftless_planner::fact::Command;
use driftless_planner::ids::{FleetName, InstanceId};
use driftless_planner::observation::FreezeScope;
use driftless_planner::text::UntrustedText;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::history::History;
use crate::model::FleetStatus;
use crate::summary::FleetsSummary;
use crate::why::{Subject, Why};

/// A query to the function `status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "query", rename_all = "kebab-case", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "status-query"))]
pub enum Question {
    /// The summary of all fleets.
    Fleets,
    /// Everything about one fleet.
    Fleet {
        /// The fleet.
        fleet: FleetName,
    },
    /// Why a fleet, an instance or an image is in its state.
    Why {
        /// The subject of the query.
        subject: Subject,
        /// The fleet of the subject. Absent: the function finds the fleet by the group of the instance or the tag of
        /// the image.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fleet: Option<FleetName>,
    },
    /// The history of a fleet.
    History {
        /// The fleet.
        fleet: FleetName,
        /// Return only entries about this instance.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        instance: Option<InstanceId>,
        /// Return only entries before this time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<Timestamp>,
        /// The most entries to return, 1 to 1000. The newest ones are returned.
        limit: usize,
    },
}

/// A response of the function `status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "response", rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "status-response"))]
pub enum Answer {
    /// The summary of all fleets.
    Fleets(FleetsSummary),
    /// Everything about one fleet.
    Fleet(Box<FleetStatus>),
    /// Why a fleet, an instance or an image is in its state.
    Why(Why),
    /// The history of a fleet.
    History(History),
    /// The query failed.
    Refused(Refusal),
}

/// A request to the function `operator`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "operator-request"))]
pub struct Order {
    /// The idempotency key, which the sender chooses: 1 to 64 letters, digits and `-_.:/`. A command that is sent
    /// again with the same key has no further effect and gets the same response. A freeze or a thaw is written again,
    /// with the same effect.
    pub request: String,
    /// The reason of the sender, which the history shows. A freeze must have a reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<UntrustedText>,
    /// The id of the cutover that a command is about. The command is not carried out while another cutover is in
    /// progress. Absent: the command is about the cutover in progress.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cutover: Option<String>,
    /// What the request does.
    #[serde(rename = "action")]
    pub action: RequestedAction,
}

/// What a request to the operator API does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "action"))]
pub enum RequestedAction {
    /// Send a command to one fleet; its next reconcile pass carries the command out.
    Command {
        /// The fleet.
        fleet: FleetName,
        /// The command.
        command: Command,
    },
    /// Pause all changes except rollbacks.
    Freeze {
        /// What the freeze applies to.
        scope: FreezeScope,
        /// When the freeze expires. Absent: the freeze applies until an operator thaws it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires_at: Option<Timestamp>,
    },
    /// End a freeze.
    Thaw {
        /// What the freeze applies to.
        scope: FreezeScope,
    },
}

/// The result of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline, rename = "command-result"))]
pub struct CommandResult {
    /// The idempotency key of the request.
    pub request: String,
    /// Who sent the command: the name that AWS verified, or `unverified` for a direct invocation.
    pub actor: UntrustedText,
    /// The result of the command.
    pub result: OrderResult,
    /// The state that resulted from the command, or the reason why the command was not carried out, in a sentence.
    #[serde(rename = "message")]
    pub says: UntrustedText,
}

/// The result of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "result"))]
pub enum OrderResult {
    /// The command was carried out.
    Done,
    /// The command was not carried out; the message says why.
    NotDone,
    /// The command is stored, and no reconcile pass has applied it yet. The history will show the result.
    Pending,
}

/// A response of the function `operator`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "response", rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "operator-response"))]
pub enum Reply {
    /// The request was accepted.
    #[serde(rename = "command-result")]
    CommandResult(CommandResult),
    /// The request was rejected.
    Refused(Refusal),
}

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline, rename = "refusal"))]
pub struct Refusal {
    /// The kind of the problem.
    pub cause: RefusalCause,
    /// Why the request failed and what to do, in a sentence.
    #[serde(rename = "message")]
    pub says: UntrustedText,
}

/// The kind of the problem that made a request fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "cause"))]
pub enum RefusalCause {
    /// The request cannot be read, or its values are invalid.
    BadRequest,
    /// The fleet, the instance or the image does not exist.
    NotFound,
    /// AWS did not respond, or refused a call. The same request may succeed later.
    Unavailable,
}

impl Refusal {
    /// Creates a refusal: the request cannot be read, or its values are invalid.
    pub fn bad_request(says: impl Into<UntrustedText>) -> Self {
        Self { cause: RefusalCause::BadRequest, says: says.into() }
    }

    /// Creates a refusal: the subject of the request does not exist.
    pub fn not_found(says: impl Into<UntrustedText>) -> Self {
        Self { cause: RefusalCause::NotFound, says: says.into() }
    }

    /// The HTTP status of the refusal.
    pub const fn http_status(&self) -> u16 {
        match self.cause {
            RefusalCause::BadRequest => 400,
            RefusalCause::NotFound => 404,
            RefusalCause::Unavailable => 503,
        }
    }
}

impl Answer {
    /// The HTTP status of the response.
    pub const fn http_status(&self) -> u16 {
        match self {
            Self::Refused(refusal) => refusal.http_status(),
            Self::Fleets(_) | Self::Fleet(_) | Self::Why(_) | Self::History(_) => 200,
        }
    }
}

impl Reply {
    /// The HTTP status of the response.
    pub const fn http_status(&self) -> u16 {
        match self {
            Self::Refused(refusal) => refusal.http_status(),
            Self::CommandResult(command_result) => match command_result.result {
                OrderResult::Done => 200,
                // The request was accepted, and the message says why the command was not carried out.
                OrderResult::NotDone => 409,
                OrderResult::Pending => 202,
            },
        }
    }
}
