//! Vetoes: images that must not take traffic, with the evidence.

use crate::draft::Draft;
use crate::ids::ImageId;
use crate::notification::Details;
use crate::record::history::ImageChange;
use crate::record::{VETOES_MAX, Veto};
use crate::text::UntrustedText;

/// Vetoes an image. The evidence always concerns this image: a capacity shortage, or an alarm that is in ALARM for both
/// colors, is no evidence.
pub(crate) fn veto(draft: &mut Draft<'_>, image: &ImageId, by: &str, evidence: Vec<UntrustedText>) {
    let veto = Veto { at: draft.input().now, by: by.into(), evidence: evidence.clone() };
    let vetoes = draft.vetoes();
    if vetoes.contains_key(image) {
        return;
    }
    vetoes.insert(image.clone(), veto);
    while vetoes.len() > VETOES_MAX {
        let oldest = vetoes.iter().min_by_key(|(_, veto)| veto.at).map(|(image, _)| image.clone());
        let Some(oldest) = oldest else { break };
        vetoes.remove(&oldest);
    }
    let words: Vec<&str> = evidence.iter().map(UntrustedText::as_str).collect();
    draft.history().image(image, ImageChange::Vetoed, words.join("; "));
    draft.tell(Details::Vetoed { image: image.clone(), by: by.into(), evidence });
}

/// Ends the veto and the deferral of an image. Returns false if the image was not vetoed.
pub(crate) fn lift(draft: &mut Draft<'_>, image: &ImageId, why: &str) -> bool {
    let was_vetoed = draft.vetoes().remove(image).is_some();
    let prefix = format!("{image}@");
    draft.try_again(|key| key != image.as_str() && !key.starts_with(&prefix));
    if was_vetoed {
        draft.history().image(image, ImageChange::Unvetoed, why);
    }
    was_vetoed
}
