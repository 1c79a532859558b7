//! What was reported of images and alarms. Reports wake; what is decided is decided from what is read. Only what a read
//! cannot show is remembered: that the pipeline itself announced an image.

use crate::decide::Plan;
use crate::drift::CONFIRMATION_GRACE;
use crate::fact::{AlarmFact, AlarmState, Fact, ImageChange, ImageFact, ImageReference, ImageSource};
use crate::record::{PUBLISHED_MAX, Published};
use crate::replacement::LOOK_MIN;

/// Uses the reports of images and alarms.
pub(crate) fn take_note(plan: &mut Plan<'_>) {
    for fact in plan.input.facts {
        match fact {
            Fact::Image(report) => {
                announced(plan, report);
                plan.consumed.push(fact.key());
            }
            Fact::Alarm(report) if is_ahead(plan, report) => plan.look_again(plan.input.now + LOOK_MIN),
            Fact::Alarm(_) => plan.consumed.push(fact.key()),
            Fact::Compliance(_) | Fact::Command(_) => {}
        }
    }
    forget_superseded(plan);
}

/// Whether an alarm is reported to ring which the read does not show ringing yet: it is kept for a moment, and read again.
fn is_ahead(plan: &Plan<'_>, report: &AlarmFact) -> bool {
    let read = plan.input.seen.alarms.get(&report.alarm);
    report.state == AlarmState::Alarm
        && read.is_some_and(|read| read.since < report.since)
        && plan.input.now < report.since + CONFIRMATION_GRACE
}

/// Only what came over Driftless's own bus announces: its policy names who may send it.
fn announced(plan: &mut Plan<'_>, report: &ImageFact) {
    let (ImageSource::Published, ImageReference::Ami(image)) = (report.source, &report.image) else { return };
    match report.change {
        ImageChange::Available => {
            let known = plan.next.memory.published.get(image);
            if known.is_some_and(|known| known.at >= report.at) {
                return;
            }
            plan.journal(None, "", &image.to_string(), "announced by the pipeline");
            let published = Published { at: report.at, build: report.build.clone() };
            plan.next.memory.published.insert(image.clone(), published);
            if !plan.input.seen.images.contains_key(image) {
                // What its tags do not show is read by its id, now that the id is remembered.
                plan.look_again(plan.input.now);
            }
        }
        ImageChange::Disabled | ImageChange::Deregistered | ImageChange::Failed => {
            plan.next.memory.published.remove(image);
        }
    }
}

fn forget_superseded(plan: &mut Plan<'_>) {
    while plan.next.memory.published.len() > PUBLISHED_MAX {
        let published = &mut plan.next.memory.published;
        let oldest = published.iter().min_by_key(|(_, known)| known.at).map(|(image, _)| image.clone());
        let Some(oldest) = oldest else { break };
        published.remove(&oldest);
    }
}
