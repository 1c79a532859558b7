//! Launch templates: their versions and the content of a version.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::{ImageId, TemplateId};
use crate::text::UntrustedText;

/// The launch template of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TemplateReference {
    Numbered(TemplateVersion),
    /// The alias `$Latest` or `$Default`, whose version can change without a change of the group.
    Floating {
        template: TemplateId,
        alias: String,
    },
    /// The group has a launch configuration, or neither that nor a launch template.
    None,
}

/// A numbered version of a launch template.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TemplateVersion {
    pub template: TemplateId,
    pub version: u64,
}

impl std::fmt::Display for TemplateVersion {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} version {}", self.template, self.version)
    }
}

/// A text that is not a launch template version.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is no launch template with its version")]
pub struct NoTemplateVersion(String);

impl std::str::FromStr for TemplateVersion {
    type Err = NoTemplateVersion;

    fn from_str(text: &str) -> Result<Self, NoTemplateVersion> {
        let parts = text.split_once(" version ").and_then(|(template, version)| {
            Some(Self { template: template.parse().ok()?, version: version.parse().ok()? })
        });
        parts.ok_or_else(|| NoTemplateVersion(text.to_owned()))
    }
}

/// The content of a launch template version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateContent {
    /// The image that the version names by id. None: it names no image, or names it by a parameter (`resolve:ssm:…`).
    pub image: Option<ImageId>,
    /// The token of the cutover for which Driftless wrote this version, from the version's description. None: an
    /// external change wrote the version.
    pub written_for: Option<String>,
    /// All settings except the image, by name. Each value is a short text, or a digest if it may contain a secret (user
    /// data). Two versions are compared by these values.
    pub settings: BTreeMap<String, UntrustedText>,
}
