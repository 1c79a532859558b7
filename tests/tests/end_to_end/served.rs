//! Requests are served throughout: only a bad image returns errors.

use driftless_tests::load::{Load, Server, Tally};
use driftless_tests::patience::{Poll, wait_until};

use crate::rollout::CUTOVER;

/// No request was lost, and only servers of a bad image returned errors.
pub(crate) fn assert_served(tally: &Tally, bad_image: Option<&str>) {
    assert_eq!(tally.lost, [].into(), "{tally:#?}");
    let of_good_ones = tally.answers_of(|server| Some(server.image.as_str()) != bad_image);
    assert_eq!(of_good_ones.errors, 0, "{tally:#?}");
    assert!(of_good_ones.served > 0, "{tally:#?}");
}

/// Waits until such servers answer requests.
pub(crate) async fn wait_until_served(load: &Load, by: impl Fn(&Server) -> bool) -> anyhow::Result<()> {
    let now = load.tally();
    wait_until("they serve", CUTOVER, async || {
        let later = load.tally().since(&now).answers_of(&by);
        Ok(if later.served > 0 { Poll::Is(()) } else { Poll::NotYet(format!("{later:?}")) })
    })
    .await
}
