//! A local AWS for tests and the demo: the real template and the real functions on two emulators, with a recording
//! proxy in between.
//!
//! - [`stack`] starts and stops it all; everything else is reached from [`stack::LocalStack`].
//! - [`proxy`] records every call of a function and can make it fail, hang or kill its caller.
//! - [`fleet`] makes fleets and reads them back; [`events`] reports what AWS would report about them.
//! - [`inbox`] receives the messages to on-call, [`listener`] is a pipeline that waits for events, [`table`] reads what
//!   Driftless stores.
//! - [`load`] sends requests: a server process for each instance, and a forwarder with the fleet's weights.
//! - [`permissions`] checks every recorded call against the policy that the template gives its function.
//!
//! It proves nothing about AWS itself: `tests/local` lists the differences of the emulators.

pub mod alarm;
pub mod clients;
pub mod command_line;
pub mod control;
pub mod events;
pub mod fleet;
mod http;
pub mod inbox;
pub mod listener;
pub mod load;
pub mod patience;
mod pattern;
pub mod permissions;
pub mod proxy;
pub mod stack;
pub mod table;
