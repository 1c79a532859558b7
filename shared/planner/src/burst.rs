//! Event bursts: one bad rule, and AWS Config reports every instance of an account within a minute. Such facts can wait for one
//! another, so that looks grow with the fleets and not with the events, and so that Auto Scaling and EC2, whose calls all share
//! one bucket, have some left for a rollback.

use jiff::{SignedDuration, Timestamp};

use crate::fact::Fact;
use crate::hash::fnv1a;
use crate::ids::FleetName;

/// A fleet whose facts wait is looked at once in so long, at a second of its own. A hundred fleets make two passes a second
/// then, of some six calls to Auto Scaling and EC2 each: well below what an account may ask of them. Against the minutes for which
/// a drift must last it is little; a drift that comes alone is looked at on the spot.
pub const COALESCE_WITHIN: SignedDuration = SignedDuration::from_secs(60);

/// So many looks on the spot may such facts cause within a minute, over all fleets: a event burst that comes slowly fills no batch, and is
/// one all the same. They are a tenth of the calls that an account may make in it.
pub const IMMEDIATE_RUNS_PER_MINUTE_MAX: u32 = 20;

/// Facts about so many fleets in one batch of the queue, which has room for ten, are no coincidence.
const BURST_FLEETS: usize = 4;

impl Fact {
    /// Whether it can wait for what else is reported. Config's verdict is acted on only when it has lasted, and Config itself
    /// took minutes to find it. An alarm, an image and an operator's word cannot wait.
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

/// Whether facts that can wait, about so many fleets at once, are a event burst.
pub const fn is_burst(fleets: usize) -> bool {
    fleets >= BURST_FLEETS
}

/// When a fleet whose facts wait is looked at: its own second of each [`COALESCE_WITHIN`], the next one after now. Whoever asks until then
/// is told the same.
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
