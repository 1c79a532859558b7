//! The AWS credentials of the caller. They are fetched once, and again before they expire, because `watch` and `wait`
//! send a request every few seconds.

use std::cell::RefCell;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};

use super::{chain, no_credentials};
use crate::api::OperatorApiError;

/// Credentials that expire within this time are not used, because a request takes up to a minute.
const MARGIN: Duration = Duration::from_mins(2);

#[derive(Debug)]
pub(super) struct Login {
    provider: SharedCredentialsProvider,
    known: RefCell<Option<Credentials>>,
}

impl Login {
    pub(super) const fn of(provider: SharedCredentialsProvider) -> Self {
        Self { provider, known: RefCell::new(None) }
    }

    pub(super) async fn credentials(&self) -> Result<Credentials, OperatorApiError> {
        let lasts = |known: &Credentials| known.expiry().is_none_or(|end| end > SystemTime::now() + MARGIN);
        let known = self.known.borrow().clone().filter(lasts);
        if let Some(known) = known {
            return Ok(known);
        }
        let found = self.provider.provide_credentials().await;
        let found = found.map_err(|error| no_credentials(&chain(&error)))?;
        self.known.replace(Some(found.clone()));
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use aws_credential_types::provider::{ProvideCredentials, future};

    use super::*;

    /// A provider of credentials with this lifetime, which counts its calls.
    #[derive(Debug)]
    struct Role {
        lasts: Option<Duration>,
        asked: Arc<AtomicU32>,
    }

    impl ProvideCredentials for Role {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            self.asked.fetch_add(1, Ordering::Relaxed);
            let end = self.lasts.map(|lasts| SystemTime::now() + lasts);
            future::ProvideCredentials::ready(Ok(Credentials::new("AKIAANA", "secret", None, end, "test")))
        }
    }

    #[test]
    fn a_role_is_asked_for_again_only_before_it_ends() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for (lasts, expected) in
            [(None, 1), (Some(Duration::from_hours(1)), 1), (Some(Duration::from_mins(1)), 3), (Some(MARGIN), 3)]
        {
            let asked = Arc::new(AtomicU32::new(0));
            let role = Role { lasts, asked: Arc::clone(&asked) };
            let login = Login::of(SharedCredentialsProvider::new(role));
            for _ in 0..3 {
                assert_eq!(runtime.block_on(login.credentials()).unwrap().access_key_id(), "AKIAANA");
            }
            assert_eq!(asked.load(Ordering::Relaxed), expected, "{lasts:?}");
        }
    }
}
