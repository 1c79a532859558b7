//! The planner, seen from outside: a fleet on a small stage, one scenario at a time.
//!
//! `support` holds the builders and the stage. Each other file is one suite of facts.

#[cfg(test)]
mod adoption;
#[cfg(test)]
mod anything;
#[cfg(test)]
mod backlog;
#[cfg(test)]
mod breaker;
#[cfg(test)]
mod cancelled;
#[cfg(test)]
mod common_cause;
#[cfg(test)]
mod conditions;
#[cfg(test)]
mod cutover;
#[cfg(test)]
mod drift_reasons;
#[cfg(test)]
mod events;
#[cfg(test)]
mod facts;
#[cfg(test)]
mod failures;
#[cfg(test)]
mod freeze;
#[cfg(test)]
mod guards;
#[cfg(test)]
mod hooks;
#[cfg(test)]
mod hostile_text;
#[cfg(test)]
mod ledger;
#[cfg(test)]
mod lineage;
#[cfg(test)]
mod machine;
#[cfg(test)]
mod measured;
#[cfg(test)]
mod message_schema;
#[cfg(test)]
mod notifications;
#[cfg(test)]
mod observed;
#[cfg(test)]
mod other_hands;
#[cfg(test)]
mod pair;
#[cfg(test)]
mod pinning;
#[cfg(test)]
mod preconditions;
#[cfg(test)]
mod quarantine;
#[cfg(test)]
mod questions;
#[cfg(test)]
mod replacement;
#[cfg(test)]
mod runbooks;
#[cfg(test)]
mod several;
#[cfg(test)]
mod storms;
#[cfg(test)]
mod support;
#[cfg(test)]
mod sweep;
#[cfg(test)]
mod terminate_first;
#[cfg(test)]
mod windows;
