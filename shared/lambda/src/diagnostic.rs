//! Errors of the functions. Each error has one of four stable types, which metric filters and operators can match, and
//! is logged with the whole chain of its causes.

use std::error::Error;
use std::fmt;

use driftless_planner::text::UntrustedText;
use driftless_reconciler::ports::CallErrorKind;
use lambda_runtime::Diagnostic;

/// The type of an error. The names are stable: metric filters and runbooks use them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorType {
    /// The event is invalid. A retry does not help; an operator inspects the message in the dead-letter queue.
    InvalidEvent,
    /// A retry may succeed.
    Retryable,
    /// The environment or the permissions are wrong: an operator must change the deployment.
    Configuration,
    /// Our own code has reached a state that it rules out: a bug.
    Invariant,
}

impl ErrorType {
    /// The stable name of the type.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidEvent => "InvalidEvent",
            Self::Retryable => "Retryable",
            Self::Configuration => "Configuration",
            Self::Invariant => "Invariant",
        }
    }
}

impl fmt::Display for ErrorType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl From<CallErrorKind> for ErrorType {
    /// The type of a failed call. `Refused` and `Unreadable` are bugs of ours: we sent values that AWS does not accept,
    /// or we cannot read its response.
    fn from(kind: CallErrorKind) -> Self {
        match kind {
            CallErrorKind::Gone | CallErrorKind::Busy | CallErrorKind::Throttled | CallErrorKind::Unavailable => {
                Self::Retryable
            }
            CallErrorKind::Denied | CallErrorKind::Unsupported => Self::Configuration,
            CallErrorKind::Refused | CallErrorKind::Unreadable => Self::Invariant,
        }
    }
}

/// An error that ends a run, with its type.
#[derive(Debug)]
pub struct Failure {
    pub error_type: ErrorType,
    pub error: Box<dyn Error + Send + Sync>,
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(formatter)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}

impl Failure {
    /// Creates an error about an invalid event.
    pub fn invalid_event(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { error_type: ErrorType::InvalidEvent, error: error.into() }
    }

    /// Creates an error that a retry may resolve.
    pub fn retryable(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { error_type: ErrorType::Retryable, error: error.into() }
    }

    /// Creates an error about the environment or the permissions.
    pub fn configuration(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { error_type: ErrorType::Configuration, error: error.into() }
    }

    /// Creates an error about a bug in our own code.
    pub fn invariant(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { error_type: ErrorType::Invariant, error: error.into() }
    }
}

impl From<Failure> for Diagnostic {
    fn from(failure: Failure) -> Self {
        Self { error_type: failure.error_type.as_str().to_owned(), error_message: chain(&failure) }
    }
}

/// An error and its causes as one line of text. Control characters are removed and the text is shortened, because it
/// may contain untrusted text.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    UntrustedText::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use driftless_planner::text;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the queue did not answer")]
    struct Outer(#[source] fmt::Error);

    #[test]
    fn a_diagnostic_has_a_stable_type_and_the_whole_chain_of_causes() {
        let diagnostic = Diagnostic::from(Failure::retryable(Outer(fmt::Error)));
        assert_eq!(diagnostic.error_type, "Retryable");
        assert_eq!(diagnostic.error_message, "the queue did not answer: an error occurred when formatting an argument");
    }

    #[test]
    fn the_names_of_the_types_are_stable() {
        let names: Vec<String> = [
            Failure::invalid_event("x"),
            Failure::retryable("x"),
            Failure::configuration("x"),
            Failure::invariant("x"),
        ]
        .into_iter()
        .map(|failure| Diagnostic::from(failure).error_type)
        .collect();
        assert_eq!(names, ["InvalidEvent", "Retryable", "Configuration", "Invariant"]);
    }

    #[test]
    fn a_denied_call_is_a_configuration_error() {
        assert_eq!(ErrorType::from(CallErrorKind::Denied), ErrorType::Configuration);
        assert_eq!(ErrorType::from(CallErrorKind::Throttled), ErrorType::Retryable);
        assert_eq!(ErrorType::from(CallErrorKind::Refused), ErrorType::Invariant);
    }

    #[test]
    fn a_long_chain_is_shortened() {
        let failure = Failure::invariant("x".repeat(text::LENGTH_MAX + 1));
        assert_eq!(chain(&failure).len(), text::LENGTH_MAX);
    }
}
