//! Where the runbooks are.

use std::str::FromStr;

/// Where the runbooks are. By default: by their path in the repository.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Runbooks {
    base: Option<String>,
}

/// The address of the runbooks is not a valid one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no address for runbooks: https://, without blanks, quotes, angle brackets, query or fragment")]
pub struct NotAnAddress(String);

impl FromStr for Runbooks {
    type Err = NotAnAddress;

    /// `https://…`, the address of the folder that holds `docs`. Empty: by their path in the repository.
    fn from_str(address: &str) -> Result<Self, NotAnAddress> {
        if address.is_empty() {
            return Ok(Self::default());
        }
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/@%+=,".contains(&byte);
        match address.strip_prefix("https://") {
            Some(rest) if !rest.trim_matches('/').is_empty() && rest.bytes().all(is_plain) => {
                Ok(Self { base: Some(address.trim_end_matches('/').to_owned()) })
            }
            Some(_) | None => Err(NotAnAddress(address.to_owned())),
        }
    }
}

impl Runbooks {
    /// The page about a topic: the name of a state, or a kind of message.
    pub fn link(&self, topic: &str) -> String {
        let page = format!("docs/runbooks/{topic}.md");
        self.base.as_ref().map_or_else(|| page.clone(), |base| format!("{base}/{page}"))
    }
}
