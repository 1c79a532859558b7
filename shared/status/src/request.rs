//! What is asked of the two functions that people and pipelines talk to, and what these answer: `status` only reads,
//! `operator` changes something. Permissions can hand out one without the other.

use driftless_planner::fact::Command;
use driftless_planner::ids::{FleetName, InstanceId};
use driftless_planner::observation::FreezeScope;
use driftless_planner::text::UntrustedText;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::glance::FleetsAtAGlance;
use crate::history::History;
use crate::model::FleetStatus;
use crate::why::{Subject, Why};

/// What `status` is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Question {
    /// All fleets at a glance.
    Fleets,
    /// One fleet, with everything that is known of it.
    Fleet { fleet: FleetName },
    /// Why something is where it is.
    Why {
        /// What is asked about. Of an instance the function finds the fleet.
        subject: Subject,
        /// The fleet, where the subject is an image.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fleet: Option<FleetName>,
    },
    History {
        fleet: FleetName,
        /// Only lines about this instance.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        instance: Option<InstanceId>,
        /// Only lines before this time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<Timestamp>,
        /// At most so many lines, the newest.
        limit: usize,
    },
}

/// What `status` answers, in the order of [`Question`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    Fleets(FleetsAtAGlance),
    Fleet(Box<FleetStatus>),
    Why(Why),
    History(History),
    /// There is no answer.
    Refused(Refusal),
}

/// What `operator` is asked to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Order {
    /// Chosen by the sender: a command that is sent twice is one, and is answered the same. A freeze or a thaw is written
    /// again, and leaves the same.
    pub request: String,
    /// Why, for the journal and for those who come later. A freeze must have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<UntrustedText>,
    /// The cutover that a command means, by its id: while another one is under way, it is not done. None: whichever is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cutover: Option<String>,
    pub deed: Deed,
}

/// What an order does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum Deed {
    /// A command to one fleet, which its next look follows.
    Command {
        fleet: FleetName,
        command: Command,
    },
    /// Stop everything but ways back.
    Freeze {
        scope: FreezeScope,
        /// When it ends by itself. None: only a person ends it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires_at: Option<Timestamp>,
    },
    Thaw {
        scope: FreezeScope,
    },
}

/// What became of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Receipt {
    pub request: String,
    /// Who gave it, as AWS says, or `unverified` where AWS does not say.
    pub actor: UntrustedText,
    /// What became of it.
    pub result: OrderResult,
    /// The state that it led to, or why not, in a sentence.
    pub says: UntrustedText,
}

/// What became of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OrderResult {
    Done,
    /// It is not done: the sentence says why not.
    NotDone,
    /// It is kept, and no look has followed it yet: `history` will tell.
    Pending,
}

/// What `operator` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Reply {
    /// The order was taken.
    Receipt(Receipt),
    /// It was not taken.
    Refused(Refusal),
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Refusal {
    /// Whose matter it is.
    pub cause: RefusalCause,
    /// Why, and what to do, in a sentence.
    pub says: UntrustedText,
}

/// Whose matter it is that there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusalCause {
    /// The request cannot be read.
    BadRequest,
    /// There is no such fleet, instance or image.
    NotFound,
    /// AWS did not answer, or refused a call: asking again may help.
    Unavailable,
}

impl Refusal {
    /// A request that cannot be read, or asks for what cannot be.
    pub fn bad_request(says: impl Into<UntrustedText>) -> Self {
        Self { cause: RefusalCause::BadRequest, says: says.into() }
    }

    /// What a request is about does not exist.
    pub fn not_found(says: impl Into<UntrustedText>) -> Self {
        Self { cause: RefusalCause::NotFound, says: says.into() }
    }

    /// The status of HTTP that says the same.
    pub const fn http_status(&self) -> u16 {
        match self.cause {
            RefusalCause::BadRequest => 400,
            RefusalCause::NotFound => 404,
            RefusalCause::Unavailable => 503,
        }
    }
}

impl Answer {
    /// The status of HTTP that says whether there is an answer.
    pub const fn http_status(&self) -> u16 {
        match self {
            Self::Refused(refusal) => refusal.http_status(),
            Self::Fleets(_) | Self::Fleet(_) | Self::Why(_) | Self::History(_) => 200,
        }
    }
}

impl Reply {
    /// The status of HTTP that says whether the order was taken.
    pub const fn http_status(&self) -> u16 {
        match self {
            Self::Refused(refusal) => refusal.http_status(),
            Self::Receipt(receipt) => match receipt.result {
                OrderResult::Done => 200,
                // It was taken, and says why it is not done.
                OrderResult::NotDone => 409,
                OrderResult::Pending => 202,
            },
        }
    }
}
