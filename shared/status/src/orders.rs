//! The commands that are available now. For each of them, the planner is asked how it would respond if the command were
//! sent now.

use driftless_planner::decide;
use driftless_planner::decision::Decision;
use driftless_planner::fact::{Command, CommandFact, Fact};
use driftless_planner::input::Input;
use driftless_planner::notification::Details;
use driftless_planner::policy::Approval;
use driftless_planner::record::Cutover;
use driftless_planner::text::UntrustedText;
use serde::{Deserialize, Serialize};

use crate::rollback_path::{RollbackPath, RollbackPathKind};

/// A command that would be carried out if it were sent now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "available-action"))]
pub struct OpenOrder {
    /// The command, in the format of a request to the operator API.
    pub command: Command,
    /// The message with which the planner would respond to the command.
    #[serde(rename = "response")]
    pub answer: UntrustedText,
}

/// What the planner would do with one command.
pub(crate) struct Trial {
    pub(crate) decision: Decision,
    /// Whether the command would be carried out, and the message. None: there would be no response.
    pub(crate) answer: Option<(bool, UntrustedText)>,
}

/// Decides as if the command had just been sent.
pub(crate) fn trial(input: Input<'_>, command: Command) -> Trial {
    let request = "status: what if?";
    let mut facts = input.facts.to_vec();
    facts.push(Fact::Command(CommandFact {
        request: request.to_owned(),
        fleet: input.fleet.clone(),
        actor: "status".into(),
        at: input.now,
        reason: None,
        cutover: None,
        command,
    }));
    let decision = decide(Input { facts: &facts, outcomes: &[], ..input });
    let answer = decision.notifications.iter().find_map(|told| {
        if let Details::CommandAnswered { request: of, is_done, answer, .. } = &told.details
            && of == request
        {
            Some((*is_done, answer.clone()))
        } else {
            None
        }
    });
    Trial { decision, answer }
}

/// The commands without an argument that would be carried out now and would change something.
pub(crate) fn orders(input: Input<'_>, rollback_path: &RollbackPath) -> Vec<OpenOrder> {
    // A fleet that no reconcile pass has read carries out no command.
    let Some(record) = input.record else { return Vec::new() };
    let commands = [
        Command::Approve,
        Command::Resume,
        Command::Pause,
        Command::Promote,
        Command::Abort,
        Command::Rollback,
        Command::Retry,
    ];
    let changing = commands.into_iter().filter(|command| changes(command, record.cutover.as_ref(), rollback_path));
    let open = changing.filter_map(|command| match trial(input, command.clone()).answer {
        Some((true, answer)) => Some(OpenOrder { command, answer }),
        Some((false, _)) | None => None,
    });
    open.collect()
}

/// Whether the command would change something. Abort and rollback have the same effect on a cutover, so only one of
/// them is offered: abort before the new color has traffic, rollback after that.
fn changes(command: &Command, cutover: Option<&Cutover>, rollback_path: &RollbackPath) -> bool {
    let of_cutover = |changes: fn(&Cutover) -> bool| cutover.is_some_and(changes);
    match command {
        Command::Approve => {
            of_cutover(|cutover| cutover.approved.is_none() && cutover.policy.cutover.approval != Approval::Auto)
        }
        Command::Pause => of_cutover(|cutover| cutover.paused().is_none()),
        Command::Promote => of_cutover(|cutover| !cutover.is_expedited),
        Command::Abort => of_cutover(|cutover| !cutover.has_traffic()),
        Command::Rollback => rollback_path.kind != RollbackPathKind::None && cutover.is_none_or(Cutover::has_traffic),
        Command::Resume
        | Command::Retry
        | Command::Reject
        | Command::Replace { .. }
        | Command::Redeploy
        | Command::Veto { .. }
        | Command::Unveto { .. }
        | Command::AcceptLive { .. }
        | Command::Pin => true,
    }
}
