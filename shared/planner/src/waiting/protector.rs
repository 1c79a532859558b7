//! What protects an instance from Driftless.

use serde::{Deserialize, Serialize};

use crate::text::UntrustedText;

/// What protects an instance from Driftless.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum Protector {
    #[error("its own scale-in protection")]
    ScaleInProtection,
    /// A person's tag on the instance.
    #[error("the tag driftless:protect: {reason}")]
    Tag { reason: UntrustedText },
    /// Whoever might: its tags were not read in this pass, and what is not read decides nothing.
    #[error("whoever may have tagged it: its tags were not read")]
    TagsNotRead,
    /// Only read, never written: the words that an earlier version stored.
    #[error("{0}")]
    #[serde(untagged)]
    AsStored(UntrustedText),
}
