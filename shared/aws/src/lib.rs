//! The ports of [`driftless_reconciler`] on real AWS. The only crate that names `aws_sdk_*`, one service a file.
//!
//! It promises: every call has a timeout, every failure is told in the planner's words ([`CallErrorKind`]), every row
//! of the table is checked against the version that this code reads. It never reads the environment ([`Settings`] come
//! in), never decides anything, and never repeats a write that might then be done twice.
//!
//! Without the feature `fleet` only [`WakeSender`] and its [`Settings`] are left: what a detector may do.
//!
//! [`CallErrorKind`]: driftless_reconciler::ports::CallErrorKind

mod config;
mod error;
mod sqs;

#[cfg(feature = "fleet")]
mod autoscaling;
#[cfg(feature = "fleet")]
mod aws;
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
mod sns;
#[cfg(feature = "fleet")]
mod time;

#[cfg(test)]
mod canned;

#[cfg(feature = "fleet")]
pub use crate::aws::{Aws, Names};
pub use crate::config::{ConfigError, Endpoints, Keys, Roots, Settings, sdk_config};
pub use crate::sqs::{BATCH_MAX, WakeSender};
