//! The deployed functions on a local AWS, from the event on the bus to the fleet, and back to rest.
//!
//! Each test starts a local AWS of its own, and ends with [`stage::Stage::assert_at_rest`]; what only all of them together
//! can show is in [`proof`]. They are not among the tests of a plain `cargo test`: they need the emulators that `make test ONLY=end-to-end`
//! installs.
//!
//! | shown | in |
//! | --- | --- |
//! | drift: a successor first, then the drifted one goes; restraint, second thoughts, other fleets | `replacement`, `restraint`, `second_thoughts`, `fleets`, `hints` |
//! | an image takes the traffic, an alarm gives it back, approval, alarms before the start and of both colors | `cutover` |
//! | requests while all this happens | `served` |
//! | newer before and after the first traffic, same, older, vetoed, backup, untagged, tagged late | `images` |
//! | weights in a listener or a rule, a shared target group, none, a single group, no room above | `layouts` |
//! | fleets that Terraform made, after which it has nothing to change | `terraform` |
//! | a freeze at half the traffic; people who write desired, bounds, weights; lost replies | `disturbances` |
//! | pipelines that wait for events and give a verdict; chat, and links of runbooks | `pipelines` |
//! | questions and orders of people, and two of them at once; the command line; the dashboard's widget and its buttons | `desk`, `command_line`, `dashboard` |
//! | functions killed at each commit, and between a write of weights and its read-back | `kills`, `crashes` |

mod command_line;
mod crashes;
mod cutover;
mod dashboard;
mod desk;
mod disturbances;
mod fleets;
mod hints;
mod images;
mod kills;
mod layouts;
mod local_stack;
mod pipelines;
mod proof;
mod replacement;
mod restraint;
mod rollout;
mod second_thoughts;
mod served;
mod stage;
mod switch;
mod terraform;
