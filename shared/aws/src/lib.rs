//! The ports of [`driftless_reconciler`] on real AWS. The only crate that names `aws_sdk_*`, one service a file.
//!
//! It promises: every call has a timeout, every failure is told in the planner's words ([`CallErrorKind`]), every row
//! of the table is checked against the version that this code reads. It never reads the environment ([`Settings`] come
//! in), never decides anything, and never repeats a write that might then be done twice.
//!
//! # What AWS says, and what a call makes of it
//!
//! | AWS says | the call | who tries again |
//! | --- | --- | --- |
//! | too fast, however it spells that | `Throttled` | the SDK, or a cancelled write itself; then the next pass |
//! | another activity, or a launch by the token, at work | `Busy` | a write to the table itself, or the next pass |
//! | an instance, a template, a rule is not there | `Gone`; where it was read, an empty answer | nobody |
//! | a target group that a group still names is not there | nothing: the fleet can be looked at | nobody |
//! | no permission, a KMS key that does not let us | `Denied` | an operator: the operation is the permission |
//! | no such call, or not for this group | `Unsupported` | nobody: there is another way |
//! | bounds, limits, values; no table, queue or topic of ours | `Refused` | the next pass, with fresh values |
//! | a server's error, or nothing | `Unavailable` | the SDK where twice is as good as once, else the next pass |
//! | what is not of the protocol, or lacks a field | `Unreadable` | the next pass: it may have been done |
//! | a launch was tried in vain | [`Launched::Failed`] | the planner, which tells shortages from mistakes |
//!
//! The modules `codes` beside the adapters hold the table call by call: each code as the service writes it.
//!
//! Without the feature `fleet` only [`RequestSender`] and its [`Settings`] are left: what a detector may do.
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
