//! Tokens of commits, and the hash that spreads the waits of writers. Both are derived from their inputs and never
//! random, so that a commit that is sent twice takes effect once.

use driftless_planner::hash::fnv1a;
use driftless_reconciler::ports::Lease;
use jiff::Timestamp;

/// The most characters of a client request token in DynamoDB.
const LENGTH_MAX: usize = 36;

/// The token of one commit. It depends on the fleet, the version, the fencing number of the lease, the time of the
/// decision and the variant of the commit (with or without deleting facts). A new decision on the same version has
/// other contents, which DynamoDB would refuse under the old token.
pub(crate) fn commit_token(lease: &Lease, next_version: u64, now: Timestamp, variant: &str) -> String {
    let hash = hash_of(&[
        lease.fleet.as_str().as_bytes(),
        &next_version.to_be_bytes(),
        &lease.fence.to_be_bytes(),
        &now.as_nanosecond().to_be_bytes(),
        variant.as_bytes(),
    ]);
    // The hash alone would do; version and fence help readers of CloudTrail.
    let token = format!("{hash:016x}-{next_version}-{}", lease.fence);
    token.chars().take(LENGTH_MAX).collect()
}

/// A hash of several parts. The length of each part is hashed too, so that the borders between parts count.
pub(crate) fn hash_of(parts: &[&[u8]]) -> u64 {
    let lengths_and_bytes = parts.iter().flat_map(|part| {
        let length = u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes();
        length.into_iter().chain(part.iter().copied())
    });
    fnv1a(&lengths_and_bytes.collect::<Vec<u8>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(fleet: &str, fence: u64) -> Lease {
        Lease {
            fleet: fleet.parse().unwrap(),
            holder: "run".to_owned(),
            fence,
            requests: 0,
            next_request: None,
            until: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_token_is_the_same_for_the_same_commit_only() {
        let token = |fleet: &str, fence, version, nanosecond, variant: &str| {
            let now = Timestamp::from_nanosecond(nanosecond).unwrap();
            commit_token(&lease(fleet, fence), version, now, variant)
        };
        let one = token("app", 3, 7, 1, "a");
        // Fixed for every build: a new version that is deployed in between must not commit the same decision twice.
        assert_eq!(one, "d8d4af30c5173e96-7-3");
        for other in [
            token("apq", 3, 7, 1, "a"),
            token("app", 4, 7, 1, "a"),
            token("app", 3, 8, 1, "a"),
            token("app", 3, 7, 2, "a"),
            token("app", 3, 7, 1, "b"),
        ] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn a_token_never_exceeds_the_limit_of_dynamodb() {
        let token = commit_token(&lease(&"a".repeat(40), u64::MAX), u64::MAX, Timestamp::MAX, "facts");
        assert_eq!(token.len(), LENGTH_MAX);
    }
}
