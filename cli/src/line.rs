//! The command line: what can be typed.

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::commands::{adopt, cutover, doctor, freeze, history, image, replace, simulate, status, wait, watch, why};
use crate::desk::Place;

/// Driftless keeps EC2 fleets immutable: drifted instances are replaced, images are cut over, and what hurts is rolled
/// back.
///
/// Orders are followed by the next look at the fleet, are journaled with who gave them, and are answered with the state
/// that they led to. What is destructive says what it will do and asks first. Exit codes: docs/cli.md.
#[derive(Debug, Parser)]
#[command(name = "driftless", version, propagate_version = true, max_term_width = 100, arg_required_else_help = true)]
pub struct Line {
    /// Print the completions of a shell, and do nothing else
    #[arg(long, value_name = "SHELL", exclusive = true)]
    pub completions: Option<Shell>,
    /// What is the same for all commands.
    #[command(flatten)]
    pub common: Common,
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What is the same for all commands.
#[derive(Debug, Args)]
#[command(next_help_heading = "For every command")]
pub struct Common {
    /// Confirm everything beforehand
    #[arg(long, short = 'y', global = true)]
    pub yes: bool,
    /// Answer with JSON, for machines
    #[arg(long, global = true)]
    pub json: bool,
    /// The region of the fleets [default: as the profile or the environment says]
    #[arg(long, global = true, value_name = "REGION")]
    pub region: Option<String>,
    /// The profile of the AWS configuration [default: as the environment says]
    #[arg(long, global = true, value_name = "NAME")]
    pub profile: Option<String>,
    /// The stack that Driftless was deployed as
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        default_value = "driftless",
        env = "DRIFTLESS_STACK",
        hide_env_values = true
    )]
    pub stack: String,
    /// Where the function that answers is [default: Lambda is asked]
    #[arg(long, global = true, value_name = "URL", env = "DRIFTLESS_STATUS_URL", hide_env_values = true)]
    pub status_url: Option<String>,
    /// Where the function that takes orders is [default: Lambda is asked]
    #[arg(long, global = true, value_name = "URL", env = "DRIFTLESS_OPERATOR_URL", hide_env_values = true)]
    pub operator_url: Option<String>,
}

impl Common {
    /// Which installation is meant.
    pub fn place(&self) -> Place {
        Place {
            stack: self.stack.clone(),
            region: self.region.clone(),
            profile: self.profile.clone(),
            status_url: self.status_url.clone(),
            operator_url: self.operator_url.clone(),
        }
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// All fleets at a glance, or one of them with everything that is known: can we go back, to what, how fast
    Status(status::Arguments),
    /// Follow a fleet live: how far it is, and how long each phase still takes
    Watch(watch::Arguments),
    /// Why a fleet, an instance or an image is where it is: each guard's verdict, and when it may change
    Why(why::Arguments),
    /// What has been: each step, with its reason and who brought it about
    History(history::Arguments),
    /// Stop everything but ways back, in one fleet or in all
    Freeze(freeze::Freeze),
    /// Lift a freeze
    Thaw(freeze::Thaw),
    /// Hold the cutover where it is; its clocks stop. Flipping back stays allowed
    Pause(cutover::OfFleet),
    /// Let a paused cutover go on, or one that needed a person
    Resume(cutover::OfFleet),
    /// Let the cutover that waits for approval take traffic
    Approve(cutover::Verdict),
    /// Say no to the cutover that waits: it is undone, and its image vetoed
    Reject(cutover::Verdict),
    /// Skip the remaining waits of the cutover; never health or alarms
    Promote(cutover::OfFleet),
    /// End the cutover: before traffic it is undone, after that it is rolled back
    Abort(cutover::OfFleet),
    /// Back to the last known-good release
    Rollback(cutover::OfFleet),
    /// Try again what was stopped or held back
    Retry(cutover::OfFleet),
    /// Replace an instance, through all guards but the debounce
    Replace(replace::Arguments),
    /// Cut over to the release that runs, on fresh instances
    Redeploy(cutover::OfFleet),
    /// An image must never take traffic
    Veto(image::Arguments),
    /// It may again
    Unveto(image::Arguments),
    /// Say which color is live, where load balancer and record contradict each other
    AcceptLive(cutover::AcceptLive),
    /// What stands in the way of working on a fleet
    Adopt(adopt::Arguments),
    /// Look for what nobody else would notice: settings that were not put back, deadlines that nobody followed
    Doctor(doctor::Arguments),
    /// Wait for a fleet, for pipelines
    Wait(wait::Arguments),
    /// Play a story on a simulated AWS, with the production code, in virtual time
    Simulate(simulate::Arguments),
    /// Print the man page, or write one for each command
    #[command(hide = true)]
    Man(crate::commands::man::Arguments),
}
