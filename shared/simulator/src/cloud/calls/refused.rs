//! Builds the errors that AWS returns.

use driftless_reconciler::ports::{CallError, CallErrorKind};

pub(super) fn error(operation: &'static str, kind: CallErrorKind, message: impl AsRef<str>) -> CallError {
    CallError { operation, kind, message: message.as_ref().into(), source: None }
}

pub(super) fn gone(operation: &'static str) -> CallError {
    error(operation, CallErrorKind::Gone, "ValidationError: AutoScalingGroup name not found")
}

pub(super) fn refused(operation: &'static str, message: impl AsRef<str>) -> CallError {
    error(operation, CallErrorKind::Refused, format!("ValidationError: {}", message.as_ref()))
}

pub(super) fn busy(operation: &'static str, message: impl AsRef<str>) -> CallError {
    error(operation, CallErrorKind::Busy, message)
}
