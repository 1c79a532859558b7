//! Event bursts: after one bad rule, AWS Config reports every instance of an account within a minute. Driftless
//! coalesces such facts, so that the number of passes grows with the fleets and not with the events. Calls to Auto
//! Scaling and EC2 share one rate limit for each account, and a rollback needs some of it.

use jiff::{SignedDuration, Timestamp};

use crate::fact::Fact;
use crate::hash::fnv1a;
use crate::ids::FleetName;

/// The time within which a fleet with coalesced facts gets one pass, at a second of its own. A hundred fleets then make
/// two passes a second with about six calls to Auto Scaling and EC2 each, well below the account's rate limits. The
/// delay is short against the minutes of the debounce. Drift outside a burst gets a pass at once.
pub const COALESCE_WITHIN: SignedDuration = SignedDuration::from_secs(60);

/// Immediate passes that facts which can wait may cause in one minute, over all fleets. A burst that arrives slowly
/// fills no batch, so this limit catches it. These passes use a tenth of the calls that an account may make in a
/// minute.
pub const IMMEDIATE_RUNS_PER_MINUTE_MAX: u32 = 20;

/// Facts about this many fleets in one batch of the queue (ten messages at most) are no coincidence.
const BURST_FLEETS: usize = 4;

impl Fact {
    /// Whether the fact can wait for others. Driftless acts on a compliance result only after the debounce, and Config
    /// took minutes to find it. An alarm, an image and an operator's command cannot wait.
    pub const fn can_wait(&self) -> bool {
        match self {
            Self::Compliance(_) => true,
            Self::Alarm(_) | Self::Image(_) | Self::Command(_) => false,
        }
    }
}

/// The minute of [`IMMEDIATE_RUNS_PER_MINUTE_MAX`], counted from the epoch.
pub fn minute_of(now: Timestamp) -> i64 {
    now.as_second().div_euclid(60)
}

/// Whether facts that can wait, about so many fleets at once, are an event burst.
pub const fn is_burst(fleets: usize) -> bool {
    fleets >= BURST_FLEETS
}

/// The time of the coalesced pass: the next occurrence of the fleet's own second in each [`COALESCE_WITHIN`]. Until
/// then every caller gets the same time.
pub fn coalesced_at(fleet: &FleetName, now: Timestamp) -> Timestamp {
    let period = COALESCE_WITHIN.as_secs();
    let own = i64::try_from(fnv1a(fleet.as_str().as_bytes()) % period.unsigned_abs()).unwrap_or(0);
    let ahead = period - (now.as_second() - own).rem_euclid(period);
    Timestamp::from_second(now.as_second() + ahead).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_millisecond(milliseconds).unwrap()
    }

    #[test]
    fn whoever_asks_within_a_period_is_told_the_same_time_which_is_ahead() {
        let fleet: FleetName = "app".parse().unwrap();
        let own = coalesced_at(&fleet, at(0));
        for before in [1, 500, 1_000, 59_999, 60_000] {
            let now = own - SignedDuration::from_millis(before);
            assert_eq!(coalesced_at(&fleet, now), own, "{before} ms before");
        }
        assert_eq!(coalesced_at(&fleet, own), own + COALESCE_WITHIN);
    }

    #[test]
    fn fleets_are_spread_over_the_period() {
        let times: BTreeSet<Timestamp> =
            (0..100).map(|number| coalesced_at(&format!("fleet-{number}").parse().unwrap(), at(0))).collect();
        assert!(times.len() > 20, "{times:?}");
    }

    #[test]
    fn three_fleets_are_no_burst_and_four_are() {
        assert_eq!([3, 4, 5].map(is_burst), [false, true, true]);
    }
}
