//! End-to-end tests: the deployed functions on a local AWS, from the event on the bus to the change of the fleet. They
//! cover only what needs the real wire formats. Scenarios (docs/scenarios.md) cover the decisions; the tests of
//! `shared/aws` and [`contract`] cover each call.
//!
//! A few local AWSs run at once. Each scene has one to itself, empty, and ends with [`stage::Stage::assert_at_rest`].
//! [`proof`] checks all scenes together. A plain `cargo test` does not run these tests: they need the emulators that
//! `make test ONLY=end-to-end` installs.
//!
//! | covers | in |
//! | --- | --- |
//! | drift under load: the replacement instance first, then the termination; a region without `LaunchInstances`; forensics | `replacement` |
//! | an image takes the traffic under load, or an alarm causes a rollback | `cutover` |
//! | weights in a rule, a shared target group, no load balancer, a single group | `layouts` |
//! | a Terraform fleet, after which `terraform plan` has no changes | `by_terraform` |
//! | pipelines that publish images, receive events and approve or reject; chat, and links to runbooks | `pipelines` |
//! | queries and commands of operators, the freeze, the schedule; the command line; the dashboard widget | `operator_api`, `command_line`, `dashboard` |
//! | functions killed at each commit and around each write, lost responses, throttled calls, unreadable messages | `kills`, `crashes`, `hints` |
//! | the contracts of the production adapters | `contract` |

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
