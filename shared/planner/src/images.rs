//! Reports about images and alarms. A report causes a pass, and the pass decides from what it reads. The record keeps
//! only what a read cannot show: that the pipeline published an image.

use crate::alarm::AlarmState;
use crate::draft::Draft;
use crate::drift::CONFIRMATION_GRACE;
use crate::fact::{AlarmFact, Fact, ImageChange, ImageFact, ImageReference, ImageSource};
use crate::limits::RECHECK_MIN;
use crate::record::history::ImageChange as ImageAct;
use crate::record::{PUBLISHED_MAX, Published};

/// Handles the stored reports about images and alarms.
pub(crate) fn take_note(draft: &mut Draft<'_>) {
    for fact in draft.input().facts {
        match fact {
            Fact::Image(report) => {
                announced(draft, report);
                draft.consume(fact.key());
            }
            Fact::Alarm(report) if is_ahead(draft, report) => draft.requeue(draft.input().now + RECHECK_MIN),
            Fact::Alarm(_) => draft.consume(fact.key()),
            Fact::Compliance(_) | Fact::Command(_) => {}
        }
    }
    forget_superseded(draft);
}

/// Whether a report says ALARM while the alarm that this pass read still shows an earlier state. Such a report is kept
/// for [`CONFIRMATION_GRACE`] at most, and the alarm is read again.
fn is_ahead(draft: &Draft<'_>, report: &AlarmFact) -> bool {
    let read = draft.input().seen.alarms.get(&report.alarm).found();
    report.state == AlarmState::Alarm
        && read.is_some_and(|read| read.since < report.since)
        && draft.input().now < report.since + CONFIRMATION_GRACE
}

/// Stores an image as published, or forgets it if it is no longer available. Only a report over Driftless's own event
/// bus counts, because the policy of that bus names the permitted senders.
fn announced(draft: &mut Draft<'_>, report: &ImageFact) {
    let (ImageSource::Published, ImageReference::Ami(image)) = (report.source, &report.image) else { return };
    match report.change {
        ImageChange::Available => {
            let known = draft.record().memory.published.get(image);
            if known.is_some_and(|known| known.at >= report.at) {
                return;
            }
            draft.history().image(image, ImageAct::Announced, "announced by the pipeline");
            let published = Published { at: report.at, build: report.build.clone() };
            draft.published().insert(image.clone(), published);
            if !draft.input().seen.images.get(image).is_found() {
                // The next pass reads the image by the id that is now stored.
                draft.requeue(draft.input().now);
            }
        }
        ImageChange::Disabled | ImageChange::Deregistered | ImageChange::Failed => {
            draft.published().remove(image);
        }
    }
}

fn forget_superseded(draft: &mut Draft<'_>) {
    let published = draft.published();
    while published.len() > PUBLISHED_MAX {
        let oldest = published.iter().min_by_key(|(_, known)| known.at).map(|(image, _)| image.clone());
        let Some(oldest) = oldest else { break };
        published.remove(&oldest);
    }
}
