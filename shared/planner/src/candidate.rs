//! The choice of a candidate: the image and launch template version to which the next cutover moves the fleet. The
//! choice depends on what each pass reads and on the record, never on an event alone.

mod builds;
mod checks;

use std::cmp::Ordering;
use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::candidate::builds::compare_builds;
use crate::candidate::checks::Applicant;
use crate::draft::Draft;
use crate::ids::{ImageId, TemplateId};
use crate::image::{Image, ImageProblem};
use crate::observation::Group;
use crate::policy::Policy;
use crate::record::history::ImageChange;
use crate::record::{Candidate, CandidateReason, Release};
use crate::template::{TemplateReference, TemplateVersion};
use crate::text::UntrustedText;

pub(crate) use checks::verdicts;

/// The chosen candidate, and what the choice found out besides.
#[must_use = "why an image is refused is remembered only when it is noted"]
pub(crate) struct Choice {
    /// The candidate of this pass, if there is one.
    candidate: Option<Candidate>,
    /// Why each newer image is not a candidate. None: no image was checked, because an operator's request comes first.
    refused: Option<BTreeMap<ImageId, ImageProblem>>,
    /// Whether an operator requested a release that is no longer available.
    requested_is_gone: bool,
    /// When a deferred candidate may be tried again.
    recheck: Option<Timestamp>,
}

impl Choice {
    /// Stores the findings of the choice in the draft, writes to the history once why each image is refused, and
    /// returns the candidate.
    pub(crate) fn note(self, draft: &mut Draft<'_>) -> Option<Candidate> {
        if self.requested_is_gone {
            draft.drop_request();
        }
        if let Some(refused) = self.refused {
            let refused = refused.into_iter().map(|(image, problem)| (image, problem.to_string().into())).collect();
            note_refused(draft, refused);
        }
        if let Some(at) = self.recheck {
            draft.requeue(at);
        }
        self.candidate
    }
}

fn note_refused(draft: &mut Draft<'_>, refused: BTreeMap<ImageId, UntrustedText>) {
    for (image, why) in &refused {
        if draft.record().memory.refused.get(image) != Some(why) {
            draft.history().image(image, ImageChange::Refused, why.clone());
        }
    }
    *draft.refused() = refused;
}

/// Chooses the candidate among the operator's request, which comes first, and the images and template versions that
/// this pass read.
pub(crate) fn choose(draft: &Draft<'_>, policy: &Policy, live: &Group, release: &Release) -> Choice {
    let request = draft.record().memory.requested.as_ref();
    let requested = request.and_then(|why| requested(draft, release, why));
    if requested.is_some() {
        return Choice { candidate: requested, refused: None, requested_is_gone: false, recheck: None };
    }
    let (image, refused) = newest_image(draft, policy, release);
    let newest = newest(draft, live, release, image);
    let (candidate, recheck) = newest.map_or((None, None), |newest| unless_deferred(draft, release, newest));
    Choice { candidate, refused: Some(refused), requested_is_gone: request.is_some(), recheck }
}

/// The candidate with the newest image, the newest launch template version, or both. None: neither is newer than the
/// release.
fn newest(
    draft: &Draft<'_>,
    live: &Group,
    release: &Release,
    image: Option<(ImageId, Option<UntrustedText>)>,
) -> Option<Candidate> {
    let Some((base, differs_in)) = newer_template(draft, live, release) else {
        let (image, build) = image?;
        return Some(Candidate { image, base: release.template.clone(), build, why: CandidateReason::Image });
    };
    // The release's own image may be vetoed by now: a template cutover would give it traffic again.
    let is_vetoed = draft.record().memory.vetoes.contains_key(&release.image);
    let of_release = (!is_vetoed).then(|| (release.image.clone(), release.build.clone()));
    let (image, build) = image.or(of_release)?;
    Some(Candidate { image, base, build, why: CandidateReason::Template { differs_in } })
}

/// The candidate, unless its deferral after an earlier failure is in force; and the time when the deferral ends.
fn unless_deferred(
    draft: &Draft<'_>,
    release: &Release,
    candidate: Candidate,
) -> (Option<Candidate>, Option<Timestamp>) {
    let deferred = &draft.record().memory.deferred;
    let is_new = candidate.image != release.image;
    let of_image = deferred.get(&candidate.image.to_string()).filter(|_| is_new);
    let Some(deferred) = deferred.get(&candidate.key()).or(of_image) else { return (Some(candidate), None) };
    let is_over = deferred.until.is_some_and(|until| draft.input().now >= until);
    (is_over.then_some(candidate), deferred.until)
}

/// The candidate that an operator requested with `redeploy` or `rollback`. None: there is no such release, or its image
/// is vetoed.
fn requested(draft: &Draft<'_>, release: &Release, why: &CandidateReason) -> Option<Candidate> {
    let target = match why {
        CandidateReason::Redeploy { .. } => release.clone(),
        CandidateReason::Rollback { .. } => last_good(draft, release)?,
        CandidateReason::Image | CandidateReason::Template { .. } => return None,
    };
    let is_vetoed = draft.record().memory.vetoes.contains_key(&target.image);
    let Release { image, template: base, build, .. } = target;
    (!is_vetoed).then(|| Candidate { image, base, build, why: why.clone() })
}

/// The last good release other than the current one, with an image that is not vetoed.
pub(crate) fn last_good(draft: &Draft<'_>, release: &Release) -> Option<Release> {
    let memory = &draft.record().memory;
    let is_other = |good: &&Release| good.image != release.image || good.template != release.template;
    let is_allowed = |good: &&Release| !memory.vetoes.contains_key(&good.image);
    memory.good.iter().rev().filter(is_other).find(is_allowed).cloned()
}

type RefusedImages = BTreeMap<ImageId, ImageProblem>;

/// The newest image that may take the traffic, with its build, and why each other newer image may not take it.
fn newest_image(
    draft: &Draft<'_>,
    policy: &Policy,
    release: &Release,
) -> (Option<(ImageId, Option<UntrustedText>)>, RefusedImages) {
    let mut newest: Option<Applicant<'_>> = None;
    let mut refused = BTreeMap::new();
    for applicant in Applicant::all(draft, policy, release) {
        match applicant.problem() {
            // A deferred image remains the one that the fleet should run: no older image replaces it.
            None | Some(ImageProblem::Deferred { .. }) => {}
            // An image that is older, or of another fleet, needs no message.
            Some(ImageProblem::NotNamed | ImageProblem::NotNewer) => continue,
            Some(problem) => {
                refused.insert(applicant.image.id.clone(), problem);
                continue;
            }
        }
        if newest.as_ref().is_none_or(|known| order(&applicant, known) == Ordering::Greater) {
            newest = Some(applicant);
        }
    }
    (newest.map(|newest| (newest.image.id.clone(), newest.build)), refused)
}

fn order(one: &Applicant<'_>, other: &Applicant<'_>) -> Ordering {
    let by_build = match (&one.build, &other.build) {
        (Some(build), Some(other)) => compare_builds(build.as_str(), other.as_str()),
        (Some(_), None) => Ordering::Greater,
        (None, Some(_)) => Ordering::Less,
        (None, None) => Ordering::Equal,
    };
    let (one, other): (&Image, &Image) = (one.image, other.image);
    by_build.then(one.created_at.cmp(&other.created_at)).then(one.id.cmp(&other.id))
}

/// The launch template of the live group. None unless it is the template of the release, of which newer versions are
/// candidates.
pub(crate) fn live_template<'g>(live: &'g Group, release: &Release) -> Option<&'g TemplateId> {
    match &live.template {
        TemplateReference::Numbered(version) if version.template == release.template.template => {
            Some(&version.template)
        }
        TemplateReference::Numbered(_) | TemplateReference::Floating { .. } | TemplateReference::None => None,
    }
}

/// The newest version of the release's launch template, with the names of the settings that differ from the release.
/// None unless an external change (for example new user data by Terraform) wrote it after the version of the release.
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
