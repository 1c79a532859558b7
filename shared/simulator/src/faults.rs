//! Faults of the calls between the production loop and the simulated world, drawn at random for each call.

use driftless_reconciler::ports::CallErrorKind;
use jiff::{SignedDuration, Timestamp};

use crate::rng::Rng;

/// The time after which a client gives up a call.
pub const CALL_TIMEOUT: SignedDuration = SignedDuration::from_secs(4);

/// The longest time to a response that counts as fast.
pub const QUICK: SignedDuration = SignedDuration::from_millis(120);

/// How often each fault occurs: in how many of a million calls, events or functions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rates {
    /// The request never arrives.
    pub request_lost: u32,
    /// The call takes effect and the response never arrives.
    pub reply_lost: u32,
    /// The function dies before the request leaves.
    pub crash_before: u32,
    /// The function dies while the call is under way: the call takes effect.
    pub crash_after: u32,
    /// AWS throttles the call.
    pub throttled: u32,
    /// The response takes seconds.
    pub slow: u32,
    /// A describe call shows a state of a moment ago.
    pub stale: u32,
    /// The function sleeps for longer than its lease after a call.
    pub asleep: u32,
    /// Auto Scaling refuses a write because of a scaling activity.
    pub busy: u32,
    /// An event never arrives.
    pub event_lost: u32,
    /// An event or a message arrives twice.
    pub duplicated: u32,
    /// An event arrives minutes late.
    pub event_late: u32,
}

impl Rates {
    /// All rates are zero.
    pub fn none() -> Self {
        Self::default()
    }

    /// Draws the rates of one run. The upper limit of each rate is 0, 5, 25 or 100 % of its worst value, so that most
    /// faults are rare in a run.
    pub fn drawn(rng: &mut Rng) -> Self {
        let mut rate = |worst: u64| {
            let ceiling = [0, worst / 20, worst / 4, worst];
            let ceiling = rng.pick(&ceiling).copied().unwrap_or(0);
            u32::try_from(rng.below(ceiling + 1)).unwrap_or(0)
        };
        Self {
            request_lost: rate(10_000),
            reply_lost: rate(10_000),
            crash_before: rate(5_000),
            crash_after: rate(5_000),
            throttled: rate(20_000),
            slow: rate(50_000),
            stale: rate(100_000),
            asleep: rate(2_000),
            // `day::faults` sets this rate for a whole run.
            busy: 0,
            event_lost: rate(500_000),
            duplicated: rate(200_000),
            event_late: rate(300_000),
        }
    }
}

/// The outcome of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The call takes effect, and the response arrives.
    Fine,
    RequestLost,
    /// The call takes effect, and the response is lost.
    ReplyLost,
    /// The function dies before the request is sent.
    CrashBefore,
    /// The function dies after it has sent the request, and the call takes effect.
    CrashAfter,
    /// The call returns this kind of error and has no effect.
    Fails(CallErrorKind),
}

impl Fate {
    /// The name of this fate in traces and counts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::RequestLost => "request lost",
            Self::ReplyLost => "reply lost",
            Self::CrashBefore => "crash before a call",
            Self::CrashAfter => "crash after a call",
            Self::Fails(CallErrorKind::Throttled) => "throttled",
            Self::Fails(_) => "refused",
        }
    }
}

/// The course of one call.
#[derive(Debug, Clone, Copy)]
pub struct Course {
    pub fate: Fate,
    /// Whether the token bucket is empty, so that the SDK retries the call.
    pub is_refused_for_now: bool,
    /// The time from the request to the effect of the call.
    pub request: SignedDuration,
    /// The time from the effect of the call to its response.
    pub reply: SignedDuration,
    /// How long the function sleeps after the response.
    pub sleep: SignedDuration,
}

/// Draws the course of a call from the rates.
pub fn course(rng: &mut Rng, rates: &Rates) -> Course {
    let ladder = [
        (rates.request_lost, Fate::RequestLost),
        (rates.reply_lost, Fate::ReplyLost),
        (rates.crash_before, Fate::CrashBefore),
        (rates.crash_after, Fate::CrashAfter),
        (rates.throttled, Fate::Fails(CallErrorKind::Throttled)),
    ];
    let fate = ladder.into_iter().find(|(rate, _)| rng.happens(*rate)).map_or(Fate::Fine, |(_, fate)| fate);
    let longest = if rng.happens(rates.slow) { 1_900 } else { 60 };
    let mut leg = || rng.duration(SignedDuration::from_millis(2), SignedDuration::from_millis(longest));
    let (request, reply) = (leg(), leg());
    let sleep = if rng.happens(rates.asleep) {
        rng.duration(SignedDuration::from_secs(20), SignedDuration::from_secs(120))
    } else {
        SignedDuration::ZERO
    };
    Course { fate, is_refused_for_now: false, request, reply, sleep }
}

/// The token bucket that all calls to EC2 and Auto Scaling share.
#[derive(Debug, Clone)]
pub struct Bucket {
    tokens: i64,
    filled_at: Timestamp,
}

/// Capacity of the bucket, in calls.
const BURST: i64 = 100;
/// Number of calls that the bucket regains each second.
const PER_SECOND: i64 = 20;

impl Bucket {
    /// A full bucket.
    pub const fn new(now: Timestamp) -> Self {
        Self { tokens: BURST, filled_at: now }
    }

    /// Takes the token of one call out of the bucket. False: the bucket is empty.
    pub fn take(&mut self, now: Timestamp) -> bool {
        let seconds = now.duration_since(self.filled_at).as_secs();
        if seconds > 0 {
            self.tokens = (self.tokens + seconds.saturating_mul(PER_SECOND)).min(BURST);
            self.filled_at = now;
        }
        let has_one = self.tokens > 0;
        self.tokens -= i64::from(has_one);
        has_one
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bucket_is_empty_after_its_burst_and_fills_with_time() {
        let start = Timestamp::UNIX_EPOCH;
        let mut bucket = Bucket::new(start);
        assert!((0..BURST).all(|_| bucket.take(start)));
        assert!(!bucket.take(start));
        assert!(bucket.take(start + SignedDuration::from_secs(1)));
    }

    #[test]
    fn without_faults_every_call_is_fine() {
        let mut rng = Rng::new(3);
        assert!((0..1_000).all(|_| course(&mut rng, &Rates::none()).fate == Fate::Fine));
    }
}
