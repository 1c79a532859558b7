//! What may take the traffic: chosen from what is read at every look, never from an event.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use crate::draft::Draft;
use crate::explain::ImageVerdict;
use crate::ids::{ImageId, TemplateId};
use crate::image::{Image, ImageState};
use crate::observation::Group;
use crate::policy::{ImageSourcePolicy, Policy};
use crate::record::history::ImageChange;
use crate::record::{Candidate, CandidateReason, Release};
use crate::template::{TemplateReference, TemplateVersion};
use crate::text::ForeignText;

/// The candidate of this look, if there is one. Why each newer image is none is remembered, and said once.
pub(crate) fn choose(draft: &mut Draft<'_>, policy: &Policy, live: &Group, release: &Release) -> Option<Candidate> {
    if let Some(requested) = requested(draft, release) {
        return Some(requested);
    }
    let image = newest_image(draft, policy, release);
    let base = newer_template(draft, live, release);
    let candidate = match (image, base) {
        (None, None) => return None,
        (Some((image, build)), None) => {
            Candidate { image, base: release.template.clone(), build, why: CandidateReason::Image }
        }
        (image, Some((base, differs_in))) => {
            // What the release runs was vetoed since: on fresh instances it would get traffic once more.
            let is_vetoed = draft.record().memory.vetoes.contains_key(&release.image);
            let of_release = (!is_vetoed).then(|| (release.image.clone(), release.build.clone()));
            let (image, build) = image.or(of_release)?;
            Candidate { image, base, build, why: CandidateReason::Template { differs_in } }
        }
    };
    let held_back = &draft.record().memory.held_back;
    let is_new = candidate.image != release.image;
    let of_image = held_back.get(&candidate.image.to_string()).filter(|_| is_new);
    match held_back.get(&candidate.key()).or(of_image).cloned() {
        None => Some(candidate),
        Some(held_back) => {
            let until = held_back.until?;
            draft.look_again(until);
            (draft.input().now >= until).then_some(candidate)
        }
    }
}

/// What a person asked for comes first.
fn requested(draft: &mut Draft<'_>, release: &Release) -> Option<Candidate> {
    let why = draft.record().memory.requested.clone()?;
    let target = match &why {
        CandidateReason::Redeploy { .. } => Some(release.clone()),
        CandidateReason::Rollback { .. } => last_good(draft, release),
        CandidateReason::Image | CandidateReason::Template { .. } => None,
    };
    let is_allowed = |target: &Release| !draft.record().memory.vetoes.contains_key(&target.image);
    let Some(target) = target.filter(is_allowed) else {
        draft.drop_request();
        return None;
    };
    Some(Candidate { image: target.image, base: target.template, build: target.build, why })
}

/// The last release that has proven itself, other than the one that runs. Never simply "the previous one".
pub(crate) fn last_good(draft: &Draft<'_>, release: &Release) -> Option<Release> {
    let memory = &draft.record().memory;
    let is_other = |good: &&Release| good.image != release.image || good.template != release.template;
    let is_allowed = |good: &&Release| !memory.vetoes.contains_key(&good.image);
    memory.good.iter().rev().filter(is_other).find(is_allowed).cloned()
}

fn newest_image(draft: &mut Draft<'_>, policy: &Policy, release: &Release) -> Option<(ImageId, Option<ForeignText>)> {
    let seen = draft.input().seen;
    let own = seen.images.get(&release.image).found();
    let mut newest: Option<(&Image, Option<ForeignText>)> = None;
    let mut refused = BTreeMap::new();
    for image in seen.images.found().map(|(_, image)| image).filter(|image| image.id != release.image) {
        let announced = draft.record().memory.published.get(&image.id);
        if !is_for(draft, image) && announced.is_none() {
            continue;
        }
        let build = image.build.clone().or_else(|| announced.and_then(|published| published.build.clone()));
        // What is older was turned away long ago, and is no news.
        match is_newer(image, build.as_ref(), release, own) {
            Ok(true) => {}
            Ok(false) => continue,
            Err(problem) => {
                refused.insert(image.id.clone(), ForeignText::from(problem));
                continue;
            }
        }
        if let Some(problem) = refusal(draft, policy, image, announced.is_some(), own) {
            refused.insert(image.id.clone(), ForeignText::from(problem));
            continue;
        }
        let is_newest = newest.as_ref().is_none_or(|(known, known_build)| {
            order(build.as_ref(), image, known_build.as_ref(), known) == Ordering::Greater
        });
        if is_newest {
            newest = Some((image, build));
        }
    }
    let chosen = newest.map(|(image, build)| (image.id.clone(), build));
    note_refused(draft, refused);
    chosen
}

fn note_refused(draft: &mut Draft<'_>, refused: BTreeMap<ImageId, ForeignText>) {
    for (image, why) in &refused {
        if draft.record().memory.refused.get(image) != Some(why) {
            draft.history().image(image, ImageChange::Refused, why.clone());
        }
    }
    *draft.refused() = refused;
}

/// What is known of an image that asks to be taken.
struct Applicant<'a> {
    draft: &'a Draft<'a>,
    policy: &'a Policy,
    image: &'a Image,
    is_announced: bool,
    /// The release's own image.
    own: Option<&'a Image>,
}

/// A check of an image: what it asks for, and its problem.
type Check = (&'static str, fn(&Applicant<'_>) -> Option<String>);

/// What an image is asked that is for the fleet, and newer, in this order.
const CHECKS: [Check; 6] = [
    ("nobody vetoed it", |asked| {
        asked.draft.record().memory.vetoes.get(&asked.image.id).map(|veto| format!("vetoed by {}", veto.by))
    }),
    ("it is no backup", |asked| {
        let why = "it is a backup: backups inherit the tags of what they are made of";
        asked.image.is_backup.then(|| why.to_owned())
    }),
    ("it is no copy of one of the fleet's instances", |asked| {
        let groups = &asked.draft.input().seen.groups;
        let is_member = |id: &crate::ids::InstanceId| groups.iter().any(|group| group.member(id).is_some());
        let is_copy = asked.image.source_instance.as_ref().is_some_and(is_member);
        is_copy.then(|| "it is a copy of one of the fleet's own instances".to_owned())
    }),
    ("it is available", |asked| match &asked.image.state {
        ImageState::Available => None,
        ImageState::Pending => Some("it is not available yet".to_owned()),
        ImageState::Unavailable(state) => Some(format!("it is {state}")),
    }),
    ("it fits the architecture", |asked| match asked.own {
        Some(own) if own.architecture == asked.image.architecture => None,
        Some(own) => {
            Some(format!("its architecture is {}, and the release's is {}", asked.image.architecture, own.architecture))
        }
        None => Some("the release's own image is unknown, so that they cannot be compared".to_owned()),
    }),
    ("it came the way that driftless:image-source asks for", |asked| match asked.policy.cutover.image_source {
        ImageSourcePolicy::Event if !asked.is_announced => {
            Some("driftless:image-source is event: only image.published starts a cutover, a tag proposes".to_owned())
        }
        ImageSourcePolicy::Event | ImageSourcePolicy::Tag => None,
    }),
];

/// Why an image is no candidate, in words. None: it may be one.
fn refusal(
    draft: &Draft<'_>,
    policy: &Policy,
    image: &Image,
    is_announced: bool,
    own: Option<&Image>,
) -> Option<String> {
    let applicant = Applicant { draft, policy, image, is_announced, own };
    CHECKS.iter().find_map(|(_, problem)| problem(&applicant))
}

/// What every check says of every image that was read, apart from the release's own.
pub(crate) fn verdicts(draft: &Draft<'_>, policy: &Policy, release: &Release) -> BTreeMap<ImageId, Vec<ImageVerdict>> {
    let images = draft.input().seen.images.found().map(|(_, image)| image).filter(|image| image.id != release.image);
    images.map(|image| (image.id.clone(), verdicts_on(draft, policy, release, image))).collect()
}

fn verdicts_on(draft: &Draft<'_>, policy: &Policy, release: &Release, image: &Image) -> Vec<ImageVerdict> {
    let own = draft.input().seen.images.get(&release.image).found();
    let announced = draft.record().memory.published.get(&image.id);
    let build = image.build.clone().or_else(|| announced.and_then(|published| published.build.clone()));
    let is_named = is_for(draft, image) || announced.is_some();
    let newer = match is_newer(image, build.as_ref(), release, own) {
        Ok(true) => None,
        Ok(false) => Some("it is not newer than the release".to_owned()),
        Err(problem) => Some(problem),
    };
    let unnamed = (!is_named).then(|| "neither its tag nor an announcement names it for this fleet".to_owned());
    let verdict = |asks, problem: Option<String>| ImageVerdict {
        asks,
        problem: problem.map(ForeignText::from),
        may_change_at: None,
    };
    let mut verdicts = vec![verdict("it is for this fleet", unnamed), verdict("it is newer than the release", newer)];
    let applicant = Applicant { draft, policy, image, is_announced: announced.is_some(), own };
    verdicts.extend(CHECKS.iter().map(|(asks, problem)| verdict(asks, problem(&applicant))));
    let held_back = draft.record().memory.held_back.get(&image.id.to_string());
    let held_back = held_back.filter(|held| held.until.is_none_or(|until| draft.input().now < until));
    verdicts.push(ImageVerdict {
        asks: "it is not held back after an earlier try",
        problem: held_back.map(|held| held.why.clone()),
        may_change_at: held_back.and_then(|held| held.until),
    });
    verdicts
}

/// Whether an image is this account's, and tagged for the fleet.
fn is_for(draft: &Draft<'_>, image: &Image) -> bool {
    image.is_own && image.image_for.as_ref().map(ForeignText::as_str) == Some(draft.input().fleet.as_str())
}

/// Whether an image is newer than the release. Without builds on both sides their dates tell.
fn is_newer(
    image: &Image,
    build: Option<&ForeignText>,
    release: &Release,
    own: Option<&Image>,
) -> Result<bool, String> {
    // The release may have been adopted before its image was asked for.
    let known = release.build.as_ref().or_else(|| own.and_then(|own| own.build.as_ref()));
    match (build, known) {
        (Some(build), Some(known)) => Ok(compare_builds(build.as_str(), known.as_str()) == Ordering::Greater),
        (None, Some(_)) => Err("it has no tag driftless:build, so that nothing says whether it is newer".to_owned()),
        (_, None) => match own {
            Some(own) => Ok(image.created_at > own.created_at),
            None => Err("the release's own image is unknown, so that they cannot be compared".to_owned()),
        },
    }
}

fn order(build: Option<&ForeignText>, image: &Image, other_build: Option<&ForeignText>, other: &Image) -> Ordering {
    let by_build = match (build, other_build) {
        (Some(build), Some(other)) => compare_builds(build.as_str(), other.as_str()),
        (Some(_), None) => Ordering::Greater,
        (None, Some(_)) => Ordering::Less,
        (None, None) => Ordering::Equal,
    };
    by_build.then(image.created_at.cmp(&other.created_at)).then(image.id.cmp(&other.id))
}

/// Builds in the order that people mean: runs of digits by their number, everything else by its letters. `9` comes
/// before `10`, `1.9.0` before `1.10.0`, and dates in the order of the calendar.
pub(crate) fn compare_builds(one: &str, other: &str) -> Ordering {
    let (one, other) = (chunks(one), chunks(other));
    for (left, right) in one.iter().zip(&other) {
        let order = match (is_number(left), is_number(right)) {
            (true, true) => {
                let (left, right) = (left.trim_start_matches('0'), right.trim_start_matches('0'));
                left.len().cmp(&right.len()).then_with(|| left.cmp(right))
            }
            (true | false, false) | (false, true) => left.cmp(right),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    one.len().cmp(&other.len())
}

fn chunks(text: &str) -> Vec<String> {
    let mut chunks: Vec<String> = Vec::new();
    for character in text.chars() {
        match chunks.last_mut() {
            Some(last) if is_number(last) == character.is_ascii_digit() => last.push(character),
            Some(_) | None => chunks.push(character.to_string()),
        }
    }
    chunks
}

fn is_number(chunk: &str) -> bool {
    chunk.starts_with(|character: char| character.is_ascii_digit())
}

/// The launch template of a group, where it is the release's: newer versions of it are candidates.
pub(crate) fn live_template<'g>(live: &'g Group, release: &Release) -> Option<&'g TemplateId> {
    match &live.template {
        TemplateReference::Numbered(version) if version.template == release.template.template => {
            Some(&version.template)
        }
        TemplateReference::Numbered(_) | TemplateReference::Floating { .. } | TemplateReference::None => None,
    }
}

/// A version that someone else wrote after the release's: Terraform changed user data, say. With what differs.
fn newer_template(draft: &Draft<'_>, live: &Group, release: &Release) -> Option<(TemplateVersion, Vec<String>)> {
    let seen = draft.input().seen;
    let template = live_template(live, release)?;
    let newest = *seen.newest_templates.get(template).found()?;
    if newest <= release.template.version {
        return None;
    }
    let version = TemplateVersion { template: template.clone(), version: newest };
    let content = seen.templates.get(&version).found()?;
    if content.written_for.is_some() {
        return None;
    }
    let before = seen.templates.get(&release.template).found()?;
    let names = content.settings.keys().chain(before.settings.keys());
    let mut differs_in: Vec<String> =
        names.filter(|name| content.settings.get(*name) != before.settings.get(*name)).cloned().collect();
    differs_in.sort();
    differs_in.dedup();
    (!differs_in.is_empty()).then_some((version, differs_in))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_are_ordered_as_people_mean_them() {
        for (earlier, later) in [
            ("9", "10"),
            ("1.9.0", "1.10.0"),
            ("2026-09-30", "2026-10-01"),
            ("20261120T090000Z", "20261120T100000Z"),
            ("build-7", "build-7.1"),
            ("007", "8"),
        ] {
            assert_eq!(compare_builds(earlier, later), Ordering::Less, "{earlier} {later}");
            assert_eq!(compare_builds(later, earlier), Ordering::Greater, "{later} {earlier}");
        }
        assert_eq!(compare_builds("007", "7"), Ordering::Equal);
    }
}
