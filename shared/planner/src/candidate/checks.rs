//! The checks that an image must pass to become a candidate. They run for every image that this pass read.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use crate::answer::Answer::{self, Agrees, Blocks};
use crate::answer::{self, Ask, Guard, reasons};
use crate::candidate::builds::compare_builds;
use crate::draft::Draft;
use crate::ids::{ImageId, InstanceId};
use crate::image::{Image, ImageCheck, ImageProblem, ImageResult, ImageState};
use crate::policy::{ImageSourcePolicy, Policy};
use crate::record::Release;
use crate::text::UntrustedText;

type CheckAnswer = Answer<ImageProblem>;

/// An image under check, with the data that the checks need.
pub(super) struct Applicant<'q> {
    draft: &'q Draft<'q>,
    policy: &'q Policy,
    release: &'q Release,
    pub(super) image: &'q Image,
    /// The build, from the image's tag or from its `image.published` event.
    pub(super) build: Option<UntrustedText>,
    is_announced: bool,
    /// The image of the current release. None: this pass has not read it.
    own: Option<&'q Image>,
}

struct Check(fn(&Applicant<'_>) -> CheckAnswer);

impl Ask<Applicant<'_>> for Check {
    type Reason = ImageProblem;

    fn answer(&self, applicant: &Applicant<'_>) -> CheckAnswer {
        self.0(applicant)
    }
}

/// The checks of an image, in this order.
const CHECKS: [Guard<ImageCheck, Check>; 9] = [
    Guard { id: ImageCheck::Fleet, asks: "the image is named for this fleet", ask: Check(is_for_this_fleet) },
    Guard { id: ImageCheck::Newer, asks: "the image is newer than the release", ask: Check(is_newer) },
    Guard { id: ImageCheck::Veto, asks: "the image is not vetoed", ask: Check(nobody_vetoed_it) },
    Guard {
        id: ImageCheck::Backup,
        asks: "the image is not a backup",
        ask: Check(|applicant| applicant.image.is_backup.then_some(ImageProblem::Backup).into()),
    },
    Guard { id: ImageCheck::Copy, asks: "the image is not a copy of an instance of the fleet", ask: Check(is_no_copy) },
    Guard { id: ImageCheck::Available, asks: "the image is available", ask: Check(is_available) },
    Guard {
        id: ImageCheck::Architecture,
        asks: "the image has the architecture of the release",
        ask: Check(fits_the_architecture),
    },
    Guard {
        id: ImageCheck::Source,
        asks: "the image came from the source that driftless:image-source names",
        ask: Check(came_the_right_way),
    },
    Guard {
        id: ImageCheck::Deferred,
        asks: "the image is not deferred after an earlier attempt",
        ask: Check(is_not_deferred),
    },
];

impl<'q> Applicant<'q> {
    /// All images that were read, except the image of the release.
    pub(super) fn all(
        draft: &'q Draft<'q>,
        policy: &'q Policy,
        release: &'q Release,
    ) -> impl Iterator<Item = Applicant<'q>> {
        let images = &draft.input().seen.images;
        let own = images.get(&release.image).found();
        let others = images.found().map(|(_, image)| image).filter(|image| image.id != release.image);
        others.map(move |image| {
            let announced = draft.record().memory.published.get(&image.id);
            let build = image.build.clone().or_else(|| announced.and_then(|published| published.build.clone()));
            Applicant { draft, policy, release, image, build, is_announced: announced.is_some(), own }
        })
    }

    /// Why the image is not a candidate. None: it passes every check.
    pub(super) fn problem(&self) -> Option<ImageProblem> {
        reasons(&CHECKS, self).next()
    }
}

/// The result of every check for every image that was read, except the image of the release.
pub(crate) fn verdicts(draft: &Draft<'_>, policy: &Policy, release: &Release) -> BTreeMap<ImageId, Vec<ImageResult>> {
    let applicants = Applicant::all(draft, policy, release);
    applicants.map(|applicant| (applicant.image.id.clone(), answer::verdicts(&CHECKS, &applicant))).collect()
}

/// Passes if the image belongs to this account and carries the fleet's tag, or if the pipeline published the image for
/// the fleet.
fn is_for_this_fleet(applicant: &Applicant<'_>) -> CheckAnswer {
    let Applicant { draft, image, .. } = applicant;
    let is_tagged =
        image.is_own && image.image_for.as_ref().map(UntrustedText::as_str) == Some(draft.input().fleet.as_str());
    (!is_tagged && !applicant.is_announced).then_some(ImageProblem::NotNamed).into()
}

/// Passes if the image is newer than the release. If the release has a build, the builds decide, and an image without a
/// build is refused. If the release has no build, the creation dates decide.
fn is_newer(applicant: &Applicant<'_>) -> CheckAnswer {
    // The release may have been adopted before its image was read.
    let own_build = applicant.own.and_then(|own| own.build.as_ref());
    let released = applicant.release.build.as_ref().or(own_build);
    let is_newer = match (&applicant.build, released, applicant.own) {
        (Some(build), Some(released), _) => compare_builds(build.as_str(), released.as_str()) == Ordering::Greater,
        (None, Some(_), _) => return Blocks(ImageProblem::NoBuild),
        (_, None, Some(own)) => applicant.image.created_at > own.created_at,
        (_, None, None) => return Blocks(ImageProblem::ReleaseUnknown),
    };
    (!is_newer).then_some(ImageProblem::NotNewer).into()
}

fn nobody_vetoed_it(applicant: &Applicant<'_>) -> CheckAnswer {
    let veto = applicant.draft.record().memory.vetoes.get(&applicant.image.id);
    veto.map(|veto| ImageProblem::Vetoed { by: veto.by.clone() }).into()
}

fn is_no_copy(applicant: &Applicant<'_>) -> CheckAnswer {
    let groups = &applicant.draft.input().seen.groups;
    let is_member = |id: &InstanceId| groups.iter().any(|group| group.member(id).is_some());
    let is_copy = applicant.image.source_instance.as_ref().is_some_and(is_member);
    is_copy.then_some(ImageProblem::CopyOfMember).into()
}

fn is_available(applicant: &Applicant<'_>) -> CheckAnswer {
    match &applicant.image.state {
        ImageState::Available => Agrees,
        ImageState::Pending => Blocks(ImageProblem::Pending),
        ImageState::Unavailable(state) => Blocks(ImageProblem::Unavailable { state: state.clone() }),
    }
}

fn fits_the_architecture(applicant: &Applicant<'_>) -> CheckAnswer {
    let Some(own) = applicant.own else { return Blocks(ImageProblem::ReleaseUnknown) };
    let architecture = &applicant.image.architecture;
    let other = (own.architecture != *architecture).then(|| ImageProblem::OtherArchitecture {
        architecture: architecture.clone(),
        released: own.architecture.clone(),
    });
    other.into()
}

fn came_the_right_way(applicant: &Applicant<'_>) -> CheckAnswer {
    match applicant.policy.cutover.image_source {
        ImageSourcePolicy::Event if !applicant.is_announced => Blocks(ImageProblem::NotAnnounced),
        ImageSourcePolicy::Event | ImageSourcePolicy::Tag => Agrees,
    }
}

fn is_not_deferred(applicant: &Applicant<'_>) -> CheckAnswer {
    let deferred = applicant.draft.record().memory.deferred.get(&applicant.image.id.to_string());
    let now = applicant.draft.input().now;
    let lasting = deferred.filter(|deferred| deferred.until.is_none_or(|until| now < until));
    lasting.map(|deferred| ImageProblem::Deferred { why: deferred.why.clone(), until: deferred.until }).into()
}
