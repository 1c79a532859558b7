//! The arguments of the command line.

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::api::Place;
use crate::commands::{
    adopt, completions, cutover, doctor, freeze, history, image, man, replace, simulate, status, wait, watch, why,
};
use crate::help::{below, below_all};

/// Driftless keeps EC2 fleets immutable: it replaces drifted instances, cuts fleets over to new images, and rolls back
/// releases that fail.
///
/// Commands that only read ask the status function; commands that change something go to the operator function.
/// Driftless applies a command in the next reconcile of the fleet, which the command triggers, and records it in the
/// history with your IAM identity; the tool waits for the result. Commands that are hard to undo show what they will do
/// and ask first.
#[derive(Debug, Parser)]
#[command(
    name = "driftless",
    version,
    propagate_version = true,
    max_term_width = 100,
    arg_required_else_help = true,
    after_long_help = below_all()
)]
pub struct Line {
    /// Old form of `driftless completions`
    #[arg(long = "completions", value_name = "SHELL", exclusive = true, hide = true)]
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
    /// Answer every confirmation with yes
    #[arg(long, short = 'y', global = true)]
    pub yes: bool,
    /// Print JSON instead of text
    #[arg(long, global = true)]
    pub json: bool,
    /// AWS region of the fleets [default: from the profile or the environment]
    #[arg(long, global = true, value_name = "REGION")]
    pub region: Option<String>,
    /// Profile of the AWS configuration [default: from the environment]
    #[arg(long, global = true, value_name = "NAME")]
    pub profile: Option<String>,
    /// Name of the stack of Driftless
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        default_value = "driftless",
        env = "DRIFTLESS_STACK",
        hide_env_values = true
    )]
    pub stack: String,
    /// URL of the status function [default: looked up with lambda:GetFunctionUrlConfig]
    #[arg(long, global = true, value_name = "URL", env = "DRIFTLESS_STATUS_URL", hide_env_values = true)]
    pub status_url: Option<String>,
    /// URL of the operator function [default: looked up with lambda:GetFunctionUrlConfig]
    #[arg(long, global = true, value_name = "URL", env = "DRIFTLESS_OPERATOR_URL", hide_env_values = true)]
    pub operator_url: Option<String>,
}

impl Common {
    /// The installation of Driftless that the options name.
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
    /// Show every fleet in one table, or one fleet in full
    ///
    /// The status function reads the fleets from AWS at this moment and returns what each one does, which release has
    /// the traffic, how many instances are healthy, what blocks the work that waits, and whether the fleet can roll
    /// back: to which release, and how fast. The command changes nothing and asks nothing.
    #[command(after_help = below("status"))]
    Status(status::Arguments),
    /// Follow one fleet live
    ///
    /// The command asks the status function again every --every and shows what changed: phases, traffic weights,
    /// replacements, and the time that is left in a phase. On a terminal it redraws one screen; elsewhere it prints a
    /// line for each change. When a connection is lost it says so once and retries. It changes nothing, and ends at
    /// Ctrl-C or, with --until-idle, when no work is in progress.
    #[command(after_help = below("watch"))]
    Watch(watch::Arguments),
    /// Show what blocks a fleet, an instance or an image
    ///
    /// The command prints the result of every guard (a check that must pass before Driftless acts) in the order in
    /// which they run, with the numbers of each guard that blocks and the time at which that may change by itself. Of a
    /// fleet it shows the cutover under way or, without one, the oldest drifted instance. It changes nothing.
    #[command(after_help = below("why"))]
    Why(why::Arguments),
    /// Show what Driftless and operators did to a fleet
    ///
    /// The command prints the entries of the history, newest first: each change of phase, each command, its reason, and
    /// the IAM identity that sent it. The history is append-only. The command changes nothing.
    #[command(after_help = below("history"))]
    History(history::Arguments),
    /// Pause all changes to one fleet, or to every fleet
    ///
    /// No replacement and no cutover starts, and a cutover under way stays in its phase. Traffic of a cutover under way
    /// still returns to the old release when an alarm or an operator asks for a rollback. The operator function stores
    /// the freeze before the command returns, and it holds from the next reconcile. With --everything the command shows
    /// the work under way and asks first. `thaw` undoes it, as does the end of --for. The name of the fleet is not
    /// checked: a freeze of a name that no fleet has is stored too.
    #[command(after_help = below("freeze"))]
    Freeze(freeze::Freeze),
    /// Lift a freeze
    ///
    /// The freeze of the fleet, or with --everything the freeze of the account and region, is removed, and work that
    /// waited continues with the next reconcile. A fleet that has a freeze of its own stays frozen when the freeze of
    /// the account is lifted. With --everything the command asks first. `freeze` undoes it.
    #[command(visible_alias = "unfreeze", after_help = below("thaw"))]
    Thaw(freeze::Thaw),
    /// Hold the cutover of a fleet in its phase
    ///
    /// The weights and the number of instances stay as they are and the timers of the cutover stop, from the next
    /// reconcile, which the command triggers. Driftless still rolls back on an alarm, and `rollback` still works. A
    /// cutover that is rolling back cannot be paused. The command does not ask. `resume` undoes it.
    #[command(after_help = below("pause"))]
    Pause(cutover::OfFleet),
    /// Continue a cutover that is paused or needs an operator
    ///
    /// A paused cutover continues in its phase. A cutover in the phase needs-operator continues with the step that
    /// matches the weights that the load balancer has now. The next reconcile, which the command triggers, may move
    /// traffic. The command does not ask. `pause` holds the cutover again.
    #[command(after_help = below("resume"))]
    Resume(cutover::OfFleet),
    /// Let a cutover take traffic (driftless:approval)
    ///
    /// The approval is stored on the cutover of the fleet, and the next reconcile, which the command triggers, moves
    /// the first traffic when the new instances are healthy. It may be given before the cutover waits for it. The
    /// command does not ask. An approval cannot be taken back: `abort` ends the cutover, and `rollback` returns the
    /// traffic.
    #[command(after_help = below("approve"))]
    Approve(cutover::Verdict),
    /// End a cutover and veto its image
    ///
    /// Traffic that the new instances have returns to the old release in the next reconcile, which the command
    /// triggers; then the new instances are scaled to zero and the settings that Driftless changed are restored. The
    /// image is vetoed in this fleet. Where only the launch template is new, it is deferred instead. The command shows
    /// what it will do and asks first. `unveto` allows the image again.
    #[command(after_help = below("reject"))]
    Reject(cutover::Verdict),
    /// Skip the remaining waits of a cutover
    ///
    /// The cutover no longer waits for the maintenance window, for approval, between steps, for the bake, or while the
    /// old instances are kept warm. Health checks and alarms still stop it. It acts from the next reconcile, which the
    /// command triggers. The command shows what it skips and asks first. It cannot be taken back; once the old
    /// instances are gone, a rollback has to launch instances first.
    #[command(after_help = below("promote"))]
    Promote(cutover::OfFleet),
    /// End the cutover under way
    ///
    /// Before the new instances have traffic they are scaled to zero; with traffic, all of it first returns to the old
    /// release. The settings that Driftless changed are restored. It acts in the next reconcile, which the command
    /// triggers. The image is deferred, not vetoed: it starts again only after `retry`. The command shows what it will
    /// do and asks first.
    #[command(after_help = below("abort"))]
    Abort(cutover::OfFleet),
    /// Return a fleet to its last good release
    ///
    /// During a cutover all traffic returns to the old instances: the next reconcile, which the command triggers,
    /// writes the weights, and no freeze, maintenance window or pause delays it. Then the new instances are scaled to
    /// zero and the settings that Driftless changed are restored. Without a cutover under way Driftless starts one to
    /// the last good release: it skips the waits, but launches instances first and can be blocked by a freeze. The
    /// image that is left is deferred, not vetoed. The command shows to what and how fast the fleet rolls back, and
    /// asks first. `retry` lets the image start again.
    #[command(visible_alias = "undo", after_help = below("rollback"))]
    Rollback(cutover::OfFleet),
    /// Try again what was stopped or deferred
    ///
    /// For this fleet the command clears all stopped replacements, all deferred images, the pause after launches that
    /// failed for capacity, and all open rule breakers. The next reconcile, which the command triggers, tries the work
    /// again under all other guards. The command does not ask, and cannot be taken back: `freeze` keeps work that has
    /// not started from starting.
    #[command(after_help = below("retry"))]
    Retry(cutover::OfFleet),
    /// Replace one instance
    ///
    /// The instance must belong to the live group. Driftless treats it as drifted and replaces it by the strategy of
    /// the fleet's policy as soon as every guard but the debounce passes. The next reconcile, which the command
    /// triggers, takes it up. The command shows what it will do and asks first. It cannot be taken back; `freeze` keeps
    /// a replacement that has not started from starting.
    #[command(after_help = below("replace"))]
    Replace(replace::Arguments),
    /// Put the current release on fresh instances
    ///
    /// Driftless starts a cutover from the release to itself, with all guards, steps and waits: every instance is
    /// launched anew with the same image and launch template version. A fleet of a single group is rolled by an
    /// instance refresh. The next reconcile, which the command triggers, starts it. The command asks first. `abort` or
    /// `rollback` ends it.
    #[command(after_help = below("redeploy"))]
    Redeploy(cutover::OfFleet),
    /// Keep an image from taking traffic in a fleet
    ///
    /// No cutover to the image starts in this fleet. A cutover to it that is under way ends: its traffic returns in the
    /// next reconcile, which the command triggers. If the image already is the release of the fleet it keeps running;
    /// `rollback` returns the fleet to the release before. The command shows what it will do and asks first. `unveto`
    /// undoes the veto, not the rollback.
    #[command(after_help = below("veto"))]
    Veto(image::Arguments),
    /// Allow a vetoed image again
    ///
    /// The veto of the image in this fleet is removed, and so is a deferral of the image. If it still is the newest
    /// image, a cutover to it may start with the next reconcile, which the command triggers. The command does not ask.
    /// `veto` undoes it.
    #[command(after_help = below("unveto"))]
    Unveto(image::Arguments),
    /// Set the live color when the load balancer and Driftless's state disagree
    ///
    /// The command changes only what Driftless has stored: cutovers start from this color, and rollbacks return to it,
    /// from the next reconcile, which the command triggers. No traffic moves. It is refused while a cutover has changed
    /// something. The command shows the instances of both colors and asks first. `accept-live` with the other color
    /// undoes it.
    #[command(after_help = below("accept-live"))]
    AcceptLive(cutover::AcceptLive),
    /// Check whether Driftless can manage a fleet, or pin its launch templates
    ///
    /// --check lists what keeps Driftless from managing the fleet and changes nothing. --pin replaces `$Latest` and
    /// `$Default` in the Auto Scaling groups of the fleet by the version number that runs now: all groups or none, in
    /// the mode observe too, in the next reconcile, which the command triggers. No instance is launched or terminated.
    /// The command does not ask. `aws autoscaling update-auto-scaling-group` undoes a pin.
    #[command(after_help = below("adopt"))]
    Adopt(adopt::Arguments),
    /// Check fleets for problems that no alarm reports
    ///
    /// The command reads each fleet and looks for settings that Driftless changed and did not restore, phases and
    /// reconciles that are more than 11 minutes late, a cutover that cannot be rolled back, open conditions, a lease
    /// that was not released, and a rollback target that can no longer be launched. It changes nothing.
    #[command(after_help = below("doctor"))]
    Doctor(doctor::Arguments),
    /// Wait until a fleet reaches a state, for pipelines
    ///
    /// The command asks the status function again every --every until the state is reached, can no longer be reached
    /// without an operator, or --timeout is over. Without --image it follows the cutover under way or the next one;
    /// with --image a cutover that has already ended counts too. It changes nothing.
    #[command(after_help = below("wait"))]
    Wait(wait::Arguments),
    /// Run a scenario on a simulated AWS, offline
    ///
    /// The command runs the production planner and reconcile loop against a model of AWS in virtual time, prints what
    /// on-call would see, and reports each expectation of the scenario that is not met. It needs no AWS account and
    /// changes nothing.
    #[command(after_help = below("simulate"), after_long_help = format!("{}\n\n{}", below("simulate"), simulate::FORMAT))]
    Simulate(simulate::Arguments),
    /// Print the man page, or write one for each command
    ///
    /// The pages are made from the same definitions as --help. The command needs no AWS account; it writes only into
    /// FOLDER, which it creates.
    #[command(after_help = below("man"))]
    Man(man::Arguments),
    /// Print the completions of a shell
    ///
    /// The script goes to standard output: put it where your shell looks for completions. The command needs no AWS
    /// account and changes nothing.
    #[command(after_help = below("completions"))]
    Completions(completions::Arguments),
}
