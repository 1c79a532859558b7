//! What can be ordered now. The planner is asked about each order: what would it answer if someone gave it now?

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

/// An order that would be followed if it were given now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct OpenOrder {
    pub command: Command,
    /// What the planner would answer.
    pub answer: UntrustedText,
}

/// What the planner makes of one command.
pub(crate) struct Trial {
    /// What it would decide.
    pub(crate) decision: Decision,
    /// Whether it would follow it, and what it would say. None: it would not answer.
    pub(crate) answer: Option<(bool, UntrustedText)>,
}

/// Lets the planner decide as if someone had given the command.
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

/// Orders without an object that would be followed now, and would change something.
pub(crate) fn orders(input: Input<'_>, rollback_path: &RollbackPath) -> Vec<OpenOrder> {
    // What was never looked at has nobody to follow an order.
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

/// Whether it is not so already. Of two words for the same, the one that says what happens.
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
