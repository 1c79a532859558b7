//! The deployed functions on a local AWS, from the event on the bus to the fleet, and back to rest: what only the wire can
//! show. What Driftless decides is held by the scenarios (docs/scenarios.md), and what each call does by the tests of
//! `shared/aws` and by [`contract`].
//!
//! A few local AWSs stand; each scene has one to itself, empty, and ends with [`stage::Stage::assert_at_rest`]. What only
//! all of them together can show is in [`proof`]. They are not among the tests of a plain `cargo test`: they need the
//! emulators that `make test ONLY=end-to-end` installs.
//!
//! | shown | in |
//! | --- | --- |
//! | drift: a successor first, then the drifted one goes, under load; a region that offers less; forensics | `replacement` |
//! | an image takes the traffic, or an alarm gives it back, under load | `cutover` |
//! | weights in a rule, a shared target group, no load balancer, a single group | `layouts` |
//! | a fleet that Terraform made, after which it has nothing to change | `by_terraform` |
//! | pipelines that announce images, wait for events and give a verdict; chat, and links of runbooks | `pipelines` |
//! | questions and orders of people, the stop switch, the schedule; the command line; the dashboard's widget | `operator_api`, `command_line`, `dashboard` |
//! | functions killed at each commit and around each write, lost replies, throttled calls, messages that cannot be read | `kills`, `crashes`, `hints` |
//! | the adapters, held to what the loop relies on | `contract` |

mod by_terraform;
mod command_line;
mod contract;
mod crashes;
mod cutover;
mod dashboard;
mod heard;
mod hints;
mod kills;
mod layouts;
mod local_stack;
mod operator_api;
mod pipelines;
mod proof;
mod replacement;
mod rollout;
mod served;
mod stage;
