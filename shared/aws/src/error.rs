//! Maps the error codes, HTTP statuses and messages of AWS to the kinds of errors that the control loop knows
//! (`CallErrorKind`).

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::display::DisplayErrorContext;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use driftless_planner::text::UntrustedText;
use driftless_reconciler::ports::{CallError, CallErrorKind};

/// Error codes of throttling: the codes on which the SDK retries, and the codes in the reasons of a cancelled DynamoDB
/// transaction.
const THROTTLED: [&str; 16] = [
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestThrottledException",
    "TooManyRequestsException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "BandwidthLimitExceeded",
    "LimitExceededException",
    "RequestThrottled",
    "SlowDown",
    "PriorRequestNotComplete",
    "EC2ThrottledException",
    "ThrottlingError",
    "ProvisionedThroughputExceeded",
    "OverLimit",
];

/// Error codes which say that another activity holds the resource now.
const BUSY: [&str; 13] = [
    "ScalingActivityInProgress",
    "ScalingActivityInProgressFault",
    "ResourceContention",
    "ResourceContentionFault",
    "InstanceRefreshInProgress",
    "InstanceRefreshInProgressFault",
    "ResourceInUse",
    // A launch with the same token is still running and will return its result under that token.
    "IdempotentCallInProgress",
    "IdempotentCallInProgressFault",
    "TransactionConflict",
    "TransactionConflictException",
    "TransactionInProgressException",
    "ReplicatedWriteConflictException",
];

/// Error codes which say that a resource does not exist. The codes of a missing queue, topic or table are not in this
/// list: these resources belong to the installation, so their absence never counts as success.
const GONE: [&str; 11] = [
    "InvalidInstanceID.NotFound",
    "InvalidAMIID.NotFound",
    "InvalidLaunchTemplateId.NotFound",
    "InvalidLaunchTemplateId.VersionNotFound",
    "TargetGroupNotFound",
    "LoadBalancerNotFound",
    "ListenerNotFound",
    "RuleNotFound",
    "NoSuchConfigRuleException",
    "ActiveInstanceRefreshNotFound",
    "ActiveInstanceRefreshNotFoundFault",
];

/// The messages, in lower case, by which Auto Scaling says under the code `ValidationError` that a resource does not
/// exist. The last message is that of `SetInstanceProtection`. It was never recorded from AWS; if AWS words it
/// differently, the call counts as refused.
const GONE_TEXTS: [&str; 4] = [
    "no managed instance found for instance id",
    "instance id not found",
    "autoscalinggroup name not found",
    "is not part of auto scaling group",
];

/// Error codes which say that the endpoint does not know the call, or that the group does not support it.
const UNSUPPORTED: [&str; 7] = [
    "InvalidAction",
    "UnknownOperation",
    "UnknownOperationException",
    "UnsupportedOperation",
    "UnsupportedOperationException",
    "NotImplemented",
    "NotImplementedException",
];

/// Error codes of denied access. Most of them come with HTTP status 403, but the code alone is enough.
const DENIED: [&str; 9] = [
    "UnauthorizedOperation",
    "AuthorizationError",
    "AuthorizationErrorException",
    "AuthFailure",
    "OptInRequired",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "ExpiredToken",
    "ExpiredTokenException",
];

/// Error codes which say that no response was ready in time. They mean `Unavailable` with any HTTP status.
const UNAVAILABLE: [&str; 3] = ["HealthUnavailable", "RequestTimeout", "RequestTimeoutException"];

/// The prefix that SQS puts before its own error codes.
const SQS_PREFIX: &str = "AWS.SimpleQueueService.";
/// The prefixes of error codes about the KMS key of a queue or a topic: one as SNS spells it, one as SQS does.
const KEY_PREFIXES: [&str; 2] = ["KMS", "Kms"];

/// Maps a failed call to an error with the code and message of AWS. `operation` is the AWS name of the call, such as
/// `autoscaling:LaunchInstances`.
pub(crate) fn call_error<E>(operation: &'static str, error: SdkError<E, HttpResponse>) -> CallError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let status = error.raw_response().map(|response| response.status().as_u16());
    let (kind, message) = match &error {
        SdkError::ServiceError(context) => {
            let code = context.err().code().unwrap_or_default();
            let text = context.err().message().unwrap_or_default();
            let message = match (code, text) {
                ("", "") => format!("status {}: {}", status.unwrap_or_default(), DisplayErrorContext(context.err())),
                (code, "") => code.to_owned(),
                ("", text) => text.to_owned(),
                (code, text) => format!("{code}: {text}"),
            };
            let kind = kind(code, text, status);
            // A response without a code is no refusal: it does not follow the protocol, and the call may have taken
            // effect.
            let is_unreadable = kind == CallErrorKind::Refused && code.is_empty();
            (if is_unreadable { CallErrorKind::Unreadable } else { kind }, message)
        }
        SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) => {
            (CallErrorKind::Unavailable, DisplayErrorContext(&error).to_string())
        }
        // The SDK did not send the request: one of its values is invalid.
        SdkError::ConstructionFailure(_) => (CallErrorKind::Refused, DisplayErrorContext(&error).to_string()),
        // The response does not follow the protocol. With a server error status it counts as no response.
        SdkError::ResponseError(_) | _ => {
            let kind = if status.is_none_or(|status| status >= 500) {
                CallErrorKind::Unavailable
            } else {
                CallErrorKind::Unreadable
            };
            (kind, DisplayErrorContext(&error).to_string())
        }
    };
    CallError { operation, kind, message: message.into(), source: Some(Box::new(error)) }
}

/// The kind of an error, by its code, message and HTTP status. The code counts before the status: Auto Scaling reports
/// contention with status 500.
pub(crate) fn kind(code: &str, message: &str, status: Option<u16>) -> CallErrorKind {
    let code = code.strip_prefix(SQS_PREFIX).unwrap_or(code);
    if let Some(kind) = kind_of_key(code) {
        kind
    } else if BUSY.contains(&code) {
        CallErrorKind::Busy
    } else if THROTTLED.contains(&code) || status == Some(429) {
        CallErrorKind::Throttled
    } else if GONE.contains(&code) || is_gone(code, message) {
        CallErrorKind::Gone
    } else if UNSUPPORTED.contains(&code) || status == Some(501) {
        CallErrorKind::Unsupported
    } else if code.starts_with("AccessDenied") || DENIED.contains(&code) || matches!(status, Some(401 | 403)) {
        CallErrorKind::Denied
    } else if status.is_some_and(|status| status >= 500) || UNAVAILABLE.contains(&code) {
        CallErrorKind::Unavailable
    } else {
        CallErrorKind::Refused
    }
}

/// The kind of an error about a KMS key: throttled, or access denied by the policy or the state of the key, which an
/// operator must change. None: the error is not about a KMS key.
fn kind_of_key(code: &str) -> Option<CallErrorKind> {
    KEY_PREFIXES
        .iter()
        .any(|prefix| code.starts_with(prefix))
        .then(|| if code.contains("Throttl") { CallErrorKind::Throttled } else { CallErrorKind::Denied })
}

/// Whether a response reports throttling.
#[cfg(feature = "fleet")]
pub(crate) fn is_throttled(code: &str, status: u16) -> bool {
    kind(code, "", Some(status)) == CallErrorKind::Throttled
}

fn is_gone(code: &str, message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    code == "ValidationError" && GONE_TEXTS.iter().any(|text| message.contains(text))
}

/// The error for values that this crate refuses without sending them to AWS.
pub(crate) fn refused(operation: &'static str, message: impl Into<UntrustedText>) -> CallError {
    CallError { operation, kind: CallErrorKind::Refused, message: message.into(), source: None }
}

/// The error for a response or a row that cannot be read. Its message names the field.
pub(crate) fn unreadable(operation: &'static str, message: impl Into<UntrustedText>) -> CallError {
    CallError { operation, kind: CallErrorKind::Unreadable, message: message.into(), source: None }
}

/// The result of a read, or the empty default value when the resource does not exist.
#[cfg(feature = "fleet")]
pub(crate) fn unless_gone<T: Default>(answer: Result<T, CallError>) -> Result<T, CallError> {
    match answer {
        Err(error) if error.kind == CallErrorKind::Gone => Ok(T::default()),
        answer => answer,
    }
}

/// The value of a field that AWS always sends. A response without it is unreadable.
#[cfg(feature = "fleet")]
pub(crate) fn required<T>(operation: &'static str, field: &'static str, value: Option<T>) -> Result<T, CallError> {
    value.ok_or_else(|| unreadable(operation, format!("the answer lacks {field}")))
}

/// Parses a field that must hold a well-formed name or id.
#[cfg(feature = "fleet")]
pub(crate) fn parsed<T>(
    operation: &'static str,
    field: &'static str,
    value: Option<impl Into<String>>,
) -> Result<T, CallError>
where
    T: TryFrom<String, Error = driftless_planner::ids::IdError>,
{
    let text: String = required(operation, field, value)?.into();
    T::try_from(text).map_err(|error| unreadable(operation, format!("{field}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_statuses_are_mapped_as_recorded() {
        for (code, message, status, expected) in [
            ("ScalingActivityInProgress", "", 400, CallErrorKind::Busy),
            ("ResourceContention", "", 500, CallErrorKind::Busy),
            ("InstanceRefreshInProgress", "", 400, CallErrorKind::Busy),
            ("TransactionConflictException", "", 400, CallErrorKind::Busy),
            ("Throttling", "Rate exceeded", 400, CallErrorKind::Throttled),
            ("RequestLimitExceeded", "", 503, CallErrorKind::Throttled),
            ("ProvisionedThroughputExceededException", "", 400, CallErrorKind::Throttled),
            ("Whatever", "", 429, CallErrorKind::Throttled),
            ("AccessDenied", "", 403, CallErrorKind::Denied),
            ("AccessDeniedException", "", 400, CallErrorKind::Denied),
            ("UnauthorizedOperation", "", 403, CallErrorKind::Denied),
            ("KMSAccessDenied", "", 400, CallErrorKind::Denied),
            ("KmsDisabled", "", 400, CallErrorKind::Denied),
            ("KmsThrottled", "", 400, CallErrorKind::Throttled),
            ("SignatureDoesNotMatch", "", 403, CallErrorKind::Denied),
            ("InvalidInstanceID.NotFound", "", 400, CallErrorKind::Gone),
            ("InvalidLaunchTemplateId.NotFound", "", 400, CallErrorKind::Gone),
            ("InvalidLaunchTemplateId.VersionNotFound", "", 400, CallErrorKind::Gone),
            ("InvalidLaunchTemplateId.Malformed", "", 400, CallErrorKind::Refused),
            ("InvalidInstanceID.Malformed", "", 400, CallErrorKind::Refused),
            ("TargetGroupNotFound", "", 400, CallErrorKind::Gone),
            (
                "ValidationError",
                "Instance Id not found - No managed instance found for instance ID: i-0aa11bb22cc33dd44",
                400,
                CallErrorKind::Gone,
            ),
            (
                "ValidationError",
                "AutoScalingGroup name not found - AutoScalingGroup app-blue not found",
                400,
                CallErrorKind::Gone,
            ),
            (
                "ValidationError",
                "New SetDesiredCapacity value 5 is above max value 4 for the AutoScalingGroup.",
                400,
                CallErrorKind::Refused,
            ),
            (
                "ValidationError",
                "Currently, desiredSize equals minSize (2). Terminating instance without replacement will violate \
                 group's min size constraint.",
                400,
                CallErrorKind::Refused,
            ),
            ("InvalidAction", "", 400, CallErrorKind::Unsupported),
            ("UnknownOperationException", "", 400, CallErrorKind::Unsupported),
            ("UnsupportedOperation", "", 400, CallErrorKind::Unsupported),
            ("", "", 501, CallErrorKind::Unsupported),
            ("InternalFailure", "", 500, CallErrorKind::Unavailable),
            ("ServiceUnavailable", "", 503, CallErrorKind::Unavailable),
            ("HealthUnavailable", "", 400, CallErrorKind::Unavailable),
            ("RequestTimeout", "", 400, CallErrorKind::Unavailable),
            ("ReplicatedWriteConflictException", "", 400, CallErrorKind::Busy),
            ("IdempotentParameterMismatch", "", 400, CallErrorKind::Refused),
            ("LimitExceeded", "", 400, CallErrorKind::Refused),
        ] {
            assert_eq!(kind(code, message, Some(status)), expected, "{code} {message} {status}");
        }
    }

    #[test]
    fn a_missing_table_queue_or_topic_is_never_gone() {
        for code in
            ["ResourceNotFoundException", "QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", "NotFound"]
        {
            assert_eq!(kind(code, "", Some(400)), CallErrorKind::Refused, "{code}");
        }
    }

    #[test]
    fn the_text_of_a_missing_instance_counts_only_under_its_code() {
        let text = "No managed instance found for instance ID: i-1";
        assert_eq!(kind("ValidationError", text, Some(400)), CallErrorKind::Gone);
        assert_eq!(kind("LimitExceeded", text, Some(400)), CallErrorKind::Refused);
    }
}
