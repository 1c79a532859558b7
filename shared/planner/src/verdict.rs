//! Vetoes: images that must not take traffic, with what speaks against them.

use crate::draft::Draft;
use crate::ids::ImageId;
use crate::notification::News;
use crate::record::{VETOES_MAX, Veto};
use crate::text::ForeignText;

/// The image must not take traffic any more. Evidence is always about this image: a shortage, or an alarm that rings for
/// both colors, is none.
pub(crate) fn veto(draft: &mut Draft<'_>, image: &ImageId, by: &str, evidence: Vec<ForeignText>) {
    let veto = Veto { at: draft.input.now, by: by.into(), evidence: evidence.clone() };
    let vetoes = &mut draft.next.memory.vetoes;
    if vetoes.contains_key(image) {
        return;
    }
    vetoes.insert(image.clone(), veto);
    while vetoes.len() > VETOES_MAX {
        let oldest = vetoes.iter().min_by_key(|(_, veto)| veto.at).map(|(image, _)| image.clone());
        let Some(oldest) = oldest else { break };
        vetoes.remove(&oldest);
    }
    let words: Vec<&str> = evidence.iter().map(ForeignText::as_str).collect();
    draft.journal(None, &image.to_string(), "vetoed", words.join("; "));
    draft.tell(News::Vetoed { image: image.clone(), by: by.into(), evidence });
}

/// The image may take traffic again. False: it was not vetoed.
pub(crate) fn lift(draft: &mut Draft<'_>, image: &ImageId, why: &str) -> bool {
    let was_vetoed = draft.next.memory.vetoes.remove(image).is_some();
    let prefix = format!("{image}@");
    draft.next.memory.held_back.retain(|key, _| *key != image.to_string() && !key.starts_with(&prefix));
    if was_vetoed {
        draft.journal(None, &image.to_string(), "unvetoed", why.to_owned());
    }
    was_vetoed
}
