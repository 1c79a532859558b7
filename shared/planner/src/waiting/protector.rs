//! What protects an instance from Driftless.

use serde::{Deserialize, Serialize};

use crate::text::UntrustedText;

/// What protects an instance from Driftless.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum Protector {
    #[error("its own scale-in protection")]
    ScaleInProtection,
    /// The tag that an operator wrote on the instance.
    #[error("the tag driftless:protect: {reason}")]
    Tag { reason: UntrustedText },
    /// Its tags were not read in this pass. Driftless does not change what it has not read.
    #[error("a tag that may exist: the tags of the instance were not read in this pass")]
    TagsNotRead,
    /// Only read, never written: the words that an earlier version stored.
    #[error("{0}")]
    #[serde(untagged)]
    AsStored(UntrustedText),
}
