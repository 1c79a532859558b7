//! Commands of operators and pipelines: each is executed once, stored in the history with its actor, and answered with
//! the resulting state or with the reason for its refusal.

use std::collections::BTreeMap;

use crate::adopt::FleetState;
use crate::candidate;
use crate::cutover::{self, Transition, defer, undo};
use crate::draft::Draft;
use crate::drift;
use crate::fact::{Command, CommandFact, Fact};
use crate::ids::ImageId;
use crate::notification::Details;
use crate::pin;
use crate::record::transitions::ReplacementEnd;
use crate::record::{ANSWERED_MAX, Answered, CandidateReason, Cutover, CutoverPhase, Phase};
use crate::text::UntrustedText;
use crate::vetoes;

/// The answer to a command: the resulting state in words. Err: why the command was refused.
type Answer = Result<String, String>;

/// The work that commands leave to a later step of the same decision.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    /// The transition that undoes the cutover. None: no command asks for it.
    pub(crate) cutover: Option<Transition>,
}

/// Executes the stored commands, except `accept-live`, in the order in which they were sent.
pub(crate) fn follow(draft: &mut Draft<'_>, standing: &FleetState<'_>) -> Orders {
    let mut orders = Orders::default();
    for fact in filed(draft) {
        if matches!(fact.command, Command::AcceptLive { .. }) {
            continue;
        }
        let answer = command(draft, standing, fact, &mut orders);
        reply(draft, fact, answer);
    }
    orders
}

/// Removes stored commands that were already executed, however long they stay stored or however often they arrive. Also
/// forgets the oldest answers beyond [`ANSWERED_MAX`] whose commands are no longer stored.
pub(crate) fn drop_answered(draft: &mut Draft<'_>) {
    let filed = draft.input().facts.iter().filter_map(|fact| match fact {
        Fact::Command(command) => Some((command.request.as_str(), fact)),
        Fact::Compliance(_) | Fact::Alarm(_) | Fact::Image(_) => None,
    });
    let filed: BTreeMap<&str, &Fact> = filed.collect();
    let mut extra = draft.record().answered.len().saturating_sub(ANSWERED_MAX);
    draft.answered().retain(|answered| {
        let stays = extra == 0 || filed.contains_key(answered.request.as_str());
        extra = extra.saturating_sub(usize::from(!stays));
        stays
    });
    let answered = draft.record().answered.iter().filter_map(|answered| filed.get(answered.request.as_str()));
    let consumed: Vec<String> = answered.map(|fact| fact.key()).collect();
    for fact in consumed {
        draft.consume(fact);
    }
}

/// Applies an operator's choice of the live color before the groups are examined.
pub(crate) fn accept_live(draft: &mut Draft<'_>) {
    for fact in filed(draft) {
        let Command::AcceptLive { color } = &fact.command else { continue };
        let answer = match &draft.record().cutover {
            Some(cutover) if !cutover.is_untouched() => {
                Err("a cutover is in progress and decides which color is live: roll it back first".to_owned())
            }
            Some(_) | None => {
                draft.live_is_said(*color);
                Ok(format!("Driftless now treats {color} as the live color"))
            }
        };
        reply(draft, fact, answer);
    }
}

fn filed<'a>(draft: &Draft<'a>) -> Vec<&'a CommandFact> {
    let commands = draft.input().facts.iter().filter_map(|fact| match fact {
        Fact::Command(command) => Some(command).filter(|fact| draft.record().answer_to(&fact.request).is_none()),
        Fact::Compliance(_) | Fact::Alarm(_) | Fact::Image(_) => None,
    });
    let mut commands: Vec<&CommandFact> = commands.collect();
    commands.sort_by(|one, other| (one.at, &one.request).cmp(&(other.at, &other.request)));
    commands
}

fn reply(draft: &mut Draft<'_>, fact: &CommandFact, answer: Answer) {
    let command = words(&fact.command);
    let (is_done, answer) = match answer {
        Ok(answer) => (true, answer),
        Err(answer) => (false, answer),
    };
    let reason = fact.reason.as_ref().map_or_else(String::new, |reason| format!(" ({reason})"));
    let why = format!("{answer}{reason}");
    draft.history().command(&fact.actor.to_string(), command.clone(), is_done, why);
    draft.tell(Details::CommandAnswered {
        request: fact.request.clone(),
        actor: fact.actor.clone(),
        command,
        is_done,
        answer: answer.as_str().into(),
    });
    draft.consume(Fact::Command(fact.clone()).key());
    draft.answered().push(Answered { request: fact.request.clone(), is_done, answer: answer.as_str().into() });
}

fn words(command: &Command) -> String {
    match command {
        Command::Pause => "pause".to_owned(),
        Command::Resume => "resume".to_owned(),
        Command::Approve => "approve".to_owned(),
        Command::Reject => "reject".to_owned(),
        Command::Promote => "promote".to_owned(),
        Command::Abort => "abort".to_owned(),
        Command::Rollback => "rollback".to_owned(),
        Command::Retry => "retry".to_owned(),
        Command::Replace { instance } => format!("replace {instance}"),
        Command::Redeploy => "redeploy".to_owned(),
        Command::Veto { image } => format!("veto {image}"),
        Command::Unveto { image } => format!("unveto {image}"),
        Command::Pin => "pin".to_owned(),
        Command::AcceptLive { color } => format!("accept-live {color}"),
    }
}

fn command(draft: &mut Draft<'_>, standing: &FleetState<'_>, fact: &CommandFact, orders: &mut Orders) -> Answer {
    is_meant(draft, fact)?;
    match &fact.command {
        Command::Pause => pause(draft, &under_way(draft)?, &fact.actor),
        Command::Resume => resume(draft, &under_way(draft)?, &fact.actor, orders),
        Command::Approve => approve(draft, &under_way(draft)?, &fact.actor),
        Command::Promote => promote(draft, &under_way(draft)?),
        Command::Reject => reject(draft, &under_way(draft)?, fact, orders),
        Command::Abort => abort(draft, &under_way(draft)?, fact, orders),
        Command::Rollback => match under_way(draft) {
            Ok(cutover) => abort(draft, &cutover, fact, orders),
            Err(_) => roll_back(draft, fact),
        },
        Command::Retry => retry(draft),
        Command::Replace { instance } => {
            drift::ask_to_replace(draft, standing, instance, &fact.actor).map_err(|why| why.to_string())?;
            Ok(format!("Driftless now treats {instance} as drifted and replaces it when every guard agrees"))
        }
        Command::Redeploy => redeploy(draft, fact),
        Command::Veto { image } => veto(draft, image, fact, orders),
        Command::Unveto { image } => {
            let was_vetoed = vetoes::lift(draft, image, &format!("veto lifted by {}", fact.actor));
            was_vetoed
                .then(|| format!("{image} may take traffic again"))
                .ok_or_else(|| format!("{image} is not vetoed"))
        }
        Command::Pin => pin::ask(draft),
        Command::AcceptLive { .. } => Err("accept-live runs before every other command".to_owned()),
    }
}

/// Refuses a command that names a cutover which is not the one in progress.
fn is_meant(draft: &Draft<'_>, fact: &CommandFact) -> Result<(), String> {
    let Some(meant) = &fact.cutover else { return Ok(()) };
    match &draft.record().cutover {
        Some(cutover) if cutover.id == *meant => Ok(()),
        Some(cutover) => Err(format!(
            "the command names cutover {meant}, but cutover {} to {} is in progress: nothing was changed",
            cutover.id, cutover.candidate.image
        )),
        None => Err(format!("the command names cutover {meant}, which is not in progress")),
    }
}

/// The cutover in progress, as it is when the command is executed. Err: none is in progress.
fn under_way(draft: &Draft<'_>) -> Result<Cutover, String> {
    draft.record().cutover.clone().ok_or_else(|| "no cutover is in progress".to_owned())
}

fn pause(draft: &mut Draft<'_>, cutover: &Cutover, actor: &UntrustedText) -> Answer {
    if cutover.is_going_back() {
        return Err("the cutover is rolling back, which no command stops".to_owned());
    }
    draft.change_cutover(|cutover| cutover.pause(actor.clone()));
    Ok(format!("paused in {}; its timers stand still", cutover.phase().name()))
}

fn resume(draft: &mut Draft<'_>, cutover: &Cutover, actor: &UntrustedText, orders: &Orders) -> Answer {
    if let CutoverPhase::NeedsOperator { .. } = cutover.phase() {
        if orders.cutover.is_some() {
            return Err("the cutover is rolling back, which no command stops".to_owned());
        }
        cutover::go_on(draft, cutover, actor)?;
        return Ok("the cutover continues from the current weights".to_owned());
    }
    if cutover.paused().is_none() {
        return Err("the cutover is not paused".to_owned());
    }
    draft.change_cutover(Cutover::resume);
    Ok(format!("the cutover continues in {}", cutover.phase().name()))
}

fn approve(draft: &mut Draft<'_>, cutover: &Cutover, actor: &UntrustedText) -> Answer {
    if cutover.has_traffic() || cutover.is_going_back() {
        return Err(format!("the cutover is already {}", cutover.phase().name()));
    }
    draft.change_cutover(|cutover| cutover.approved = Some(actor.clone()));
    Ok(format!("approved; the cutover is in {}", cutover.phase().name()))
}

fn promote(draft: &mut Draft<'_>, cutover: &Cutover) -> Answer {
    if cutover.is_going_back() {
        return Err(format!("the cutover is {}", cutover.phase().name()));
    }
    draft.change_cutover(|cutover| cutover.is_expedited = true);
    Ok(format!(
        "the remaining waits are skipped from {} on; health checks and alarms still apply",
        cutover.phase().name()
    ))
}

/// The answer to a command that would undo a cutover in its last phase, in which the old color is scaled to zero.
const SCALED_TO_ZERO: &str = "the old color is being scaled to zero: roll back after that, which starts a new cutover";

fn reject(draft: &mut Draft<'_>, cutover: &Cutover, fact: &CommandFact, orders: &mut Orders) -> Answer {
    if cutover.is_going_back() {
        return Err(format!("the cutover is already {}", cutover.phase().name()));
    }
    if matches!(cutover.phase(), CutoverPhase::Retiring) {
        return Err(SCALED_TO_ZERO.to_owned());
    }
    let why = format!("rejected by {}{}", fact.actor, because(fact));
    cutover::veto_and_defer(draft, cutover, &why.as_str().into());
    Ok(turn_back(cutover, &why, orders))
}

fn abort(draft: &mut Draft<'_>, cutover: &Cutover, fact: &CommandFact, orders: &mut Orders) -> Answer {
    if cutover.is_going_back() {
        return Err(format!("the cutover is already {}", cutover.phase().name()));
    }
    if matches!(cutover.phase(), CutoverPhase::Retiring) {
        return Err(SCALED_TO_ZERO.to_owned());
    }
    let why = format!("{} by {}{}", words(&fact.command), fact.actor, because(fact));
    defer(draft, cutover, &why.as_str().into(), false);
    Ok(turn_back(cutover, &why, orders))
}

fn because(fact: &CommandFact) -> String {
    fact.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"))
}

/// Orders a later step to undo the cutover, whatever its phase. Returns the answer to the operator.
fn turn_back(cutover: &Cutover, why: &str, orders: &mut Orders) -> String {
    orders.cutover = Some(undo(cutover, why));
    if cutover.has_traffic() {
        "traffic moves back to the old color, then the new color is scaled to zero"
    } else {
        "the cutover is undone; the old color kept its traffic"
    }
    .to_owned()
}

fn roll_back(draft: &mut Draft<'_>, fact: &CommandFact) -> Answer {
    let Some(release) = draft.record().release.clone() else {
        return Err("Driftless has not adopted the fleet yet".to_owned());
    };
    let Some(good) = candidate::last_good(draft, &release) else {
        return Err("no earlier release has completed its bake: there is no release to roll back to".to_owned());
    };
    // The fleet must not cut over to the current release again by itself.
    let why = format!("rolled back by {}{}", fact.actor, because(fact));
    draft.defer_release(&release, &why);
    draft.ask_for(CandidateReason::Rollback { actor: fact.actor.clone() });
    Ok(format!("a cutover back to {} starts and skips the waits", good.image))
}

fn redeploy(draft: &mut Draft<'_>, fact: &CommandFact) -> Answer {
    if draft.record().cutover.is_some() {
        return Err("a cutover is in progress".to_owned());
    }
    let Some(release) = &draft.record().release else {
        return Err("Driftless has not adopted the fleet yet".to_owned());
    };
    if draft.record().memory.vetoes.contains_key(&release.image) {
        return Err(format!("{} is vetoed: run driftless unveto first, or publish another image", release.image));
    }
    let answer = format!("a cutover to new instances of {} starts", release.image);
    draft.ask_for(CandidateReason::Redeploy { actor: fact.actor.clone() });
    Ok(answer)
}

fn veto(draft: &mut Draft<'_>, image: &ImageId, fact: &CommandFact, orders: &mut Orders) -> Answer {
    if draft.record().memory.vetoes.contains_key(image) {
        return Err(format!("{image} is already vetoed"));
    }
    let why = fact.reason.clone().unwrap_or_else(|| "no reason given".into());
    vetoes::veto(draft, image, fact.actor.as_str(), vec![why]);
    let Some(cutover) = draft.record().cutover.as_ref().filter(|cutover| cutover.candidate.image == *image) else {
        return Ok(format!("{image} is vetoed and takes no traffic"));
    };
    if matches!(cutover.phase(), CutoverPhase::Retiring) {
        return Ok(format!("{image} is vetoed but still has the traffic: run driftless rollback to leave it"));
    }
    if cutover.is_going_back() {
        return Ok(format!("{image} is vetoed, and the rollback from it is in progress"));
    }
    Ok(turn_back(cutover, &format!("vetoed by {}", fact.actor), orders))
}

fn retry(draft: &mut Draft<'_>) -> Answer {
    let stopped: Vec<_> = draft
        .record()
        .replacements
        .iter()
        .filter(|(_, work)| matches!(work.phase(), Phase::Stopped(_)))
        .map(|(id, _)| id.clone())
        .collect();
    let deferred = draft.record().memory.deferred.len();
    let breakers = draft.record().rule_breakers.len();
    let is_short = draft.record().back_off.is_some();
    draft.try_again(|_| false);
    draft.rule_breakers().clear();
    draft.room_may_be_there();
    for id in &stopped {
        draft.end_replacement(id, ReplacementEnd::Cleared, "an operator ran retry");
    }
    if stopped.is_empty() && deferred == 0 && breakers == 0 && !is_short {
        return Err("no replacement is stopped and no image is deferred".to_owned());
    }
    Ok(format!(
        "retrying {} stopped replacements, {deferred} deferred images and {breakers} rules with an open breaker{}",
        stopped.len(),
        if is_short { ", and launches after a capacity shortage" } else { "" }
    ))
}
