//! The planner, seen from outside: a fleet on a small stage, one scenario at a time.
//!
//! `support` holds the builders and the stage. Each other file is one suite of facts.

#![cfg(test)]

mod adoption;
mod anything;
mod backlog;
mod borrowed_settings;
mod breaker;
mod bursts;
mod cancelled;
mod common_cause;
mod conditions;
mod cutover;
mod drift_reasons;
mod earlier_tags;
mod events;
mod external_changes;
mod facts;
mod failures;
mod freeze;
mod guards;
mod guards_page;
mod history;
mod hooks;
mod hostile_text;
mod measured;
mod message_schema;
mod notifications;
mod observed;
mod pair;
mod pinning;
mod policy_page;
mod preconditions;
mod quarantine;
mod read_plan;
mod reasons;
mod repeat_drift;
mod replacement;
mod resync;
mod runbooks;
mod several;
mod support;
mod terminate_first;
mod transitions;
mod windows;
