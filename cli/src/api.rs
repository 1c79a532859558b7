//! The operator API as the command line uses it: queries to the function `status`, and commands to the function
//! `operator`.

use std::fmt;

use driftless_status::request::{Answer, Order, Question, Reply};

use crate::exit::Exit;

/// The two functions of the operator API. A call blocks until there is a response.
pub trait OperatorApi {
    /// Queries `functions/status`.
    ///
    /// # Errors
    ///
    /// There is no response that can be read. A refusal is a response.
    fn ask(&self, question: &Question) -> Result<Answer, OperatorApiError>;

    /// Sends a command to `functions/operator`.
    ///
    /// # Errors
    ///
    /// There is no response that can be read. Whether the command arrived is then unknown.
    fn order(&self, order: &Order) -> Result<Reply, OperatorApiError>;
}

/// The installation of Driftless that a command goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub stack: String,
    /// The AWS region. None: it comes from the profile or the environment.
    pub region: Option<String>,
    /// The profile of the AWS configuration. None: it comes from the environment.
    pub profile: Option<String>,
    /// The URL of `status`. None: it is requested with `lambda:GetFunctionUrlConfig`.
    pub status_url: Option<String>,
    /// The URL of `operator`. None: it is requested with `lambda:GetFunctionUrlConfig`.
    pub operator_url: Option<String>,
}

/// One of the two functions of the operator API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Function {
    /// The function that reads the state of fleets and changes nothing.
    Status,
    /// The function that accepts requests of operators, which change what Driftless does.
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

/// The advice to give if a document cannot be read.
pub(crate) const OTHER_VERSION: &str =
    "the tool and the stack may have different versions: compare `driftless --version` with the deployed one";

/// The reason why a function gave no usable response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OperatorApiError {
    /// The process cannot open the resources that a connection needs.
    #[error("the network cannot be used: {why}")]
    NoRuntime { why: String },
    /// There are no credentials, or they have expired.
    #[error("no usable AWS credentials: {why}")]
    NoCredentials { why: String },
    /// Neither the command line, the profile nor the environment names a region.
    #[error("no AWS region is configured")]
    NoRegion,
    /// The function of the stack does not exist in the region.
    #[error("no Driftless stack {stack} in {region}")]
    NoStack { stack: String, region: String },
    /// IAM denies the call.
    #[error("access to the {function} function is denied: {why}")]
    Denied { function: Function, why: String },
    /// The function failed, or was throttled.
    #[error("the {function} function failed: {why}")]
    Unavailable { function: Function, why: String },
    /// The connection was not made, or was lost. Whether the request arrived is unknown.
    #[error("no connection to the {function} function: {why}")]
    Lost { function: Function, why: String },
    /// This version of the tool cannot read the response.
    #[error("the response of the {function} function cannot be read: {why}")]
    Unreadable { function: Function, why: String },
}

impl OperatorApiError {
    /// Whether the request is to be sent once more after this error, without a pause.
    pub const fn is_lost(&self) -> bool {
        matches!(self, Self::Lost { .. })
    }

    /// Whether a command may have arrived in spite of this error.
    pub const fn is_unknown(&self) -> bool {
        matches!(self, Self::Lost { .. } | Self::Unavailable { .. } | Self::Unreadable { .. })
    }

    /// The exit code with which a command ends after this error.
    pub const fn exit(&self) -> Exit {
        match self {
            Self::NoCredentials { .. } | Self::NoStack { .. } | Self::Denied { .. } => Exit::Refused,
            Self::NoRegion => Exit::Usage,
            Self::NoRuntime { .. } | Self::Unavailable { .. } | Self::Lost { .. } | Self::Unreadable { .. } => {
                Exit::Unavailable
            }
        }
    }

    /// What the operator can do now.
    pub fn advice(&self) -> String {
        match self {
            Self::NoRuntime { .. } => "check the limits of this process: open files, threads, memory".to_owned(),
            Self::NoCredentials { .. } => {
                "log in (`aws sso login`) or choose a profile (--profile NAME); `aws sts get-caller-identity` shows \
                 which identity you have"
                    .to_owned()
            }
            Self::NoRegion => "add --region REGION, or set AWS_REGION".to_owned(),
            Self::NoStack { .. } => {
                "check the name of the stack (--stack NAME), its region (--region REGION) and the account (--profile NAME)"
                    .to_owned()
            }
            Self::Denied { function, .. } => format!(
                "your identity needs lambda:InvokeFunctionUrl, lambda:InvokeFunction and lambda:GetFunctionUrlConfig on \
                 the {function} function; --profile NAME uses another identity"
            ),
            Self::Unavailable { function: Function::Status, .. } => {
                "try again in a moment; commands work without it, such as `driftless rollback FLEET --yes`".to_owned()
            }
            Self::Unavailable { function: Function::Operator, .. } => "try again in a moment".to_owned(),
            Self::Lost { .. } => "check the network and the proxy (HTTPS_PROXY), and try again".to_owned(),
            Self::Unreadable { .. } => OTHER_VERSION.to_owned(),
        }
    }
}
