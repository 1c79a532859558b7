//! The desk: where questions are answered and orders are taken. Behind it are the functions `status` and `operator`.

use std::fmt;

use driftless_status::request::{Answer, Order, Question, Reply};

use crate::exit::Exit;

/// Where questions are answered and orders are taken. A call blocks until there is an answer.
pub trait Desk {
    /// Asks `functions/status`.
    ///
    /// # Errors
    ///
    /// Where there is no answer that can be read. A refusal is an answer.
    fn ask(&self, question: &Question) -> Result<Answer, DeskError>;

    /// Tells `functions/operator`.
    ///
    /// # Errors
    ///
    /// Where there is no answer that can be read: whether the order was taken is not known then.
    fn order(&self, order: &Order) -> Result<Reply, DeskError>;
}

/// Which installation of Driftless is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub stack: String,
    /// The region. None: as the profile or the environment says.
    pub region: Option<String>,
    /// The profile of the AWS configuration. None: as the environment says.
    pub profile: Option<String>,
    /// Where `status` is. None: Lambda is asked.
    pub status_url: Option<String>,
    /// Where `operator` is. None: Lambda is asked.
    pub operator_url: Option<String>,
}

/// One of the two functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Function {
    /// Only reads.
    Status,
    /// Changes something.
    Operator,
}

impl fmt::Display for Function {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Status => "status",
            Self::Operator => "operator",
        })
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeskError {
    /// The machine is out of what every program needs.
    #[error("this machine cannot open a connection: {why}")]
    NoRuntime { why: String },
    /// No credentials, or expired ones.
    #[error("there are no AWS credentials that can be used: {why}")]
    NoCredentials {
        /// What the search for them said.
        why: String,
    },
    /// There is no region to look in.
    #[error("no AWS region is named")]
    NoRegion,
    /// There is no such stack there.
    #[error("there is no stack {stack} in {region}")]
    NoStack { stack: String, region: String },
    /// IAM says no.
    #[error("access to the function {function} is denied: {why}")]
    Denied { function: Function, why: String },
    /// The function answers with an error, or is throttled.
    #[error("the function {function} does not answer: {why}")]
    Unavailable {
        function: Function,
        /// What it or AWS said.
        why: String,
    },
    /// The connection broke: whether the request arrived is not known.
    #[error("the connection to the function {function} was lost: {why}")]
    Lost {
        function: Function,
        /// What the transport said.
        why: String,
    },
    /// An answer that this version cannot read.
    #[error("the answer of the function {function} cannot be read: {why}")]
    Unreadable {
        function: Function,
        /// What was wrong with it.
        why: String,
    },
}

impl DeskError {
    /// Whether the same request is sent once more at once.
    pub const fn is_lost(&self) -> bool {
        matches!(self, Self::Lost { .. })
    }

    /// Whether an order may have been taken all the same.
    pub const fn is_unknown(&self) -> bool {
        matches!(self, Self::Lost { .. } | Self::Unavailable { .. } | Self::Unreadable { .. })
    }

    /// How a command ends with it.
    pub const fn exit(&self) -> Exit {
        match self {
            Self::NoCredentials { .. } | Self::NoStack { .. } | Self::Denied { .. } => Exit::Refused,
            Self::NoRegion => Exit::Usage,
            Self::NoRuntime { .. } | Self::Unavailable { .. } | Self::Lost { .. } | Self::Unreadable { .. } => {
                Exit::Unavailable
            }
        }
    }

    /// What to do now.
    pub fn advice(&self) -> String {
        match self {
            Self::NoRuntime { .. } => "look at its limits: open files, processes, memory".to_owned(),
            Self::NoCredentials { .. } => {
                "log in (`aws sso login`), or name a profile: --profile NAME. `aws sts get-caller-identity` shows who \
                 you are"
                    .to_owned()
            }
            Self::NoRegion => "name one: --region REGION, or set AWS_REGION".to_owned(),
            Self::NoStack { .. } => {
                "name the stack that Driftless was deployed as (--stack NAME), and its region (--region REGION)"
                    .to_owned()
            }
            Self::Denied { function, .. } => format!(
                "ask for the permissions lambda:InvokeFunctionUrl, lambda:InvokeFunction and \
                 lambda:GetFunctionUrlConfig on the function {function}, or use another profile: --profile NAME"
            ),
            Self::Unavailable { function: Function::Status, .. } => {
                "ask again in a moment; the orders work without it: `driftless rollback FLEET --yes`".to_owned()
            }
            Self::Unavailable { function: Function::Operator, .. } => "try again in a moment".to_owned(),
            Self::Lost { .. } => "check the network, and try again".to_owned(),
            Self::Unreadable { .. } => {
                "this tool and the stack may be of different versions: `driftless --version`".to_owned()
            }
        }
    }
}
