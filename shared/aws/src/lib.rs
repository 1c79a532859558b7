//! The implementation of the ports of [`driftless_reconciler`] on AWS. Only this crate uses the AWS SDK (`aws_sdk_*`);
//! each service has its own file.
//!
//! Every call has a timeout. Every failure becomes a [`CallErrorKind`]. Every row of the table is checked against the
//! schema version that this code reads. The crate never reads the environment (the caller passes [`Settings`] in),
//! decides nothing, and never repeats a write that could take effect twice.
//!
//! # AWS's responses, the result of the call, and what retries it
//!
//! | AWS's response | the call's result | retried by |
//! | --- | --- | --- |
//! | throttling, in any spelling | `Throttled` | the SDK; a cancelled write itself; then the next pass |
//! | another activity, or a launch with the same token, is in progress | `Busy` | a write to the table itself, or the next pass |
//! | an instance, a template or a rule does not exist | `Gone`; for a read, an empty result | nothing |
//! | a target group that a group still names does not exist | an empty result, so that the fleet can be reconciled | nothing |
//! | no permission, or a KMS key denies access | `Denied` | an operator, who grants the operation that the error names |
//! | the call does not exist, or not for this group | `Unsupported` | nothing: the planner uses another call |
//! | invalid bounds, limits or values; a missing table, queue or topic | `Refused` | the next pass, with fresh values |
//! | a server error, or no response | `Unavailable` | the SDK if a second attempt is safe, else the next pass |
//! | a response outside the protocol, or without a required field | `Unreadable` | the next pass: the call may have taken effect |
//! | a launch failed | [`Launched::Failed`] | the planner, which distinguishes capacity shortages from errors in the request |
//!
//! The module `codes` of each adapter tests this table for each call, with every code as the service spells it.
//!
//! Without the feature `fleet` the crate has only [`RequestSender`] and its [`Settings`]: all that a detector needs.
//!
//! [`CallErrorKind`]: driftless_reconciler::ports::CallErrorKind
//! [`Launched::Failed`]: driftless_reconciler::ports::Launched::Failed

mod config;
mod error;
mod sqs;

#[cfg(feature = "fleet")]
mod autoscaling;
#[cfg(feature = "fleet")]
mod aws;
#[cfg(feature = "fleet")]
mod calls;
#[cfg(feature = "fleet")]
mod cloudwatch;
#[cfg(feature = "fleet")]
mod config_rules;
#[cfg(feature = "fleet")]
mod dynamodb;
#[cfg(feature = "fleet")]
mod ec2;
#[cfg(feature = "fleet")]
mod elbv2;
#[cfg(feature = "fleet")]
mod eventbridge;
#[cfg(feature = "fleet")]
mod sns;
#[cfg(feature = "fleet")]
mod time;

#[cfg(test)]
mod stub;
#[cfg(test)]
#[cfg(feature = "fleet")]
mod wire;

#[cfg(feature = "fleet")]
pub use crate::aws::{Aws, Names};
#[cfg(feature = "fleet")]
pub use crate::calls::Calls;
pub use crate::config::{ConfigError, Endpoints, Keys, Roots, Settings, sdk_config};
pub use crate::sqs::{BATCH_MAX, RequestSender};
