//! What protects an instance from Driftless.

use serde::{Deserialize, Serialize};

use crate::text::UntrustedText;

/// What protects an instance from Driftless.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum Protector {
    #[error("its own scale-in protection")]
    ScaleInProtection,
    /// The tag `driftless:protect` that an operator wrote on the instance.
    #[error("the tag driftless:protect: {reason}")]
    Tag { reason: UntrustedText },
    /// The tags of the instance were not read in this pass. Driftless does not change an instance whose tags it has not
    /// read.
    #[error("a tag that may exist: the tags of the instance were not read in this pass")]
    TagsNotRead,
    /// The words that an earlier version of Driftless stored. This version reads them and never writes them.
    #[error("{0}")]
    #[serde(untagged)]
    AsStored(UntrustedText),
}
