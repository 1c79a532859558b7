//! Event bursts. One bad rule can make AWS Config report every instance of an account within a minute. Driftless
//! coalesces such facts, so that the number of reconcile passes grows with the number of fleets and not with the number
//! of events. Calls to Auto Scaling and EC2 share one rate limit for each account, of which a rollback needs a part.

use jiff::{SignedDuration, Timestamp};

use crate::fact::Fact;
use crate::hash::fnv1a;
use crate::ids::FleetName;

/// The time within which a fleet with coalesced facts gets its one pass. Each fleet has its own second within this
/// time. A hundred fleets then make about two passes a second with about six calls to Auto Scaling and EC2 each, well
/// below the account's rate limits. The delay is short compared with the debounce of minutes. Drift outside a burst
/// gets a pass at once.
pub const COALESCE_WITHIN: SignedDuration = SignedDuration::from_secs(60);

/// The most immediate passes within one minute, over all fleets, that facts which can wait may cause. The limit also
/// catches a burst that arrives too slowly to fill a batch. These passes use a tenth of the calls that an account may
/// make in a minute.
pub const IMMEDIATE_RUNS_PER_MINUTE_MAX: u32 = 20;

/// One batch of the queue (ten messages at most) with facts about this many fleets counts as an event burst.
const BURST_FLEETS: usize = 4;

impl Fact {
    /// Whether the pass for this fact can be delayed and combined with others. A compliance result can wait, because
    /// Config took minutes to find it and Driftless acts on it only after the debounce. An alarm, an image and an
    /// operator's command cannot wait.
    pub const fn can_wait(&self) -> bool {
        match self {
            Self::Compliance(_) => true,
            Self::Alarm(_) | Self::Image(_) | Self::Command(_) => false,
        }
    }
}

/// The minute for which [`IMMEDIATE_RUNS_PER_MINUTE_MAX`] limits the passes, as a number since the Unix epoch.
pub fn minute_of(now: Timestamp) -> i64 {
    now.as_second().div_euclid(60)
}

/// Whether a batch of facts that can wait is an event burst, given the number of fleets that the facts are about.
pub const fn is_burst(fleets: usize) -> bool {
    fleets >= BURST_FLEETS
}

/// The time of the pass for a fleet's coalesced facts. Each fleet has its own second, derived from its name, in every
/// period of [`COALESCE_WITHIN`]; the pass runs at the next occurrence of that second. Until then every call returns
/// the same time.
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
