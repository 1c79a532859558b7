//! Numeric values of a policy, with their arithmetic.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The most replacements at once in a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Budget {
    Count(u32),
    /// A share of the group's instances, rounded down, but at least 1 if at least 2 instances are healthy.
    Share(Percent),
}

impl Budget {
    /// The limit as a number of instances, for a group with this number of members, of which `serving` are healthy.
    /// Unhealthy instances count against the limit too.
    pub fn limit(self, members: u32, serving: u32) -> u32 {
        match self {
            Self::Count(count) => count,
            Self::Share(share) => {
                let minimum_healthy = u64::from(members) * u64::from(share.0) / 100;
                let at_least = u32::from(serving >= 2);
                u32::try_from(minimum_healthy).unwrap_or(u32::MAX).max(at_least)
            }
        }
    }
}

/// A whole percentage from 0 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Percent(pub(super) u8);

impl Percent {
    /// 100 %.
    pub const ALL: Self = Self(100);

    /// The number, 0 to 100.
    pub const fn get(self) -> u8 {
        self.0
    }

    /// Whether `part` is more than this share of `whole`. If `whole` is 0, every `part` above 0 is.
    pub fn is_exceeded_by(self, part: usize, whole: usize) -> bool {
        // In u128 no product of two sizes overflows.
        part as u128 * 100 > whole as u128 * u128::from(self.0)
    }

    /// This share of `whole`, rounded up: rounding must not lower the minimum healthy.
    pub fn of_rounded_up(self, whole: u32) -> u32 {
        u32::try_from((u64::from(whole) * u64::from(self.0)).div_ceil(100)).unwrap_or(u32::MAX)
    }
}

impl TryFrom<u8> for Percent {
    type Error = String;

    fn try_from(number: u8) -> Result<Self, String> {
        if number <= 100 { Ok(Self(number)) } else { Err(format!("{number} is more than 100 %")) }
    }
}

impl From<Percent> for u8 {
    fn from(percent: Percent) -> Self {
        percent.0
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} %", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_the_budget_rounds_down_but_allows_one_where_two_serve() {
        let ten_percent = Budget::Share(Percent(10));
        for (members, limit) in [(0, 0), (1, 0), (2, 1), (19, 1), (20, 2), (21, 2), (1000, 100)] {
            assert_eq!(ten_percent.limit(members, members), limit, "{members}");
        }
        for (serving, limit) in [(1, 0), (2, 1), (3, 1)] {
            assert_eq!(ten_percent.limit(5, serving), limit, "{serving} of 5 serve");
        }
        assert_eq!(Budget::Count(3).limit(1, 1), 3);
    }

    #[test]
    fn a_share_is_exceeded_only_above_it() {
        let quarter = Percent(25);
        for (part, whole, is_exceeded) in [(1, 8, false), (2, 8, false), (3, 8, true), (0, 0, false), (1, 0, true)] {
            assert_eq!(quarter.is_exceeded_by(part, whole), is_exceeded, "{part} of {whole}");
        }
    }

    #[test]
    fn a_minimum_is_rounded_up() {
        for (whole, minimum_healthy) in [(0, 0), (1, 1), (3, 3), (9, 9), (10, 9), (11, 10), (20, 18)] {
            assert_eq!(Percent(90).of_rounded_up(whole), minimum_healthy, "{whole}");
        }
    }
}
