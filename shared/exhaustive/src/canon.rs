//! Decides which states are equal: each state is written in a form without absolute ids and times.
//!
//! A state is written as text. Each instance id becomes its rank among all ids of the state, each time becomes its
//! distance from now, and each time in a token becomes its rank among these times. A past time that is so old that no
//! decision depends on its exact distance is written as "old". Everything else is compared unchanged.

use std::hash::{DefaultHasher, Hasher};

use jiff::Timestamp;

/// An age in seconds. No decision of a bounded model depends on the exact age of a time that is at least this old.
pub const OLD_AFTER: i64 = 4 * 60;

/// Number of hexadecimal digits of an instance id after `i-`.
const ID_DIGITS: usize = 17;
/// Number of digits of a time in a token, which is in seconds since 1970.
const SECOND_DIGITS: usize = 10;

/// A piece of a text: an id, a time, or the text between ids and times, of which only the hash is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    Plain(u128),
    Id(u64),
    Time(i64),
    TokenTime(i64),
}

/// A text in pieces. The text is split only once, however often it is compared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pieces(Vec<Piece>);

impl Pieces {
    /// Splits a text into pieces.
    pub fn of(text: &str) -> Self {
        let mut pieces = Self::default();
        pieces.text(text);
        pieces
    }

    /// Splits a text and adds its pieces.
    pub fn text(&mut self, text: &str) {
        let text = text.as_bytes();
        let (mut plain_from, mut at) = (0, 0);
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            let found = id(rest).or_else(|| time(rest)).or_else(|| second(rest));
            match found {
                Some((piece, length)) => {
                    self.bytes(text.get(plain_from..at).unwrap_or_default());
                    self.0.push(piece);
                    at += length;
                    plain_from = at;
                }
                None => at += plain_length(rest),
            }
        }
        self.bytes(text.get(plain_from..).unwrap_or_default());
    }

    /// Adds bytes that contain no ids and no times.
    pub fn bytes(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.0.push(Piece::Plain(hash(|hasher| hasher.write(bytes))));
        }
    }

    /// Adds a number.
    pub fn number(&mut self, number: u64) {
        self.0.push(Piece::Plain(u128::from(number)));
    }

    /// Adds the number of an instance.
    pub fn id(&mut self, id: u32) {
        self.0.push(Piece::Id(u64::from(id)));
    }

    /// Adds the pieces of another text.
    pub fn add(&mut self, others: &Self) {
        self.0.extend_from_slice(&others.0);
    }

    /// The fingerprint of the pieces at this time. It has 128 bits: among 100 million states the probability of a
    /// collision is below 1 in 10^22.
    pub fn fingerprint(&self, now: Timestamp) -> u128 {
        let (ids, tokens) = self.known();
        hash(|hasher| {
            for piece in &self.0 {
                match piece {
                    Piece::Plain(plain) => hasher.write_u128(*plain),
                    Piece::Id(id) => hasher.write_usize(ids.partition_point(|known| known < id)),
                    Piece::Time(second) => hasher.write_i64((second - now.as_second()).max(-OLD_AFTER)),
                    Piece::TokenTime(second) => hasher.write_usize(tokens.partition_point(|known| known < second)),
                }
            }
        })
    }

    /// All ids, and all times in tokens, each sorted and without duplicates.
    fn known(&self) -> (Vec<u64>, Vec<i64>) {
        let (mut ids, mut tokens) = (Vec::with_capacity(16), Vec::new());
        for piece in &self.0 {
            match piece {
                Piece::Id(id) => ids.push(*id),
                Piece::TokenTime(second) => tokens.push(*second),
                Piece::Plain(_) | Piece::Time(_) => {}
            }
        }
        ids.sort_unstable();
        ids.dedup();
        tokens.sort_unstable();
        tokens.dedup();
        (ids, tokens)
    }
}

/// A hash of 128 bits: two 64-bit hashes with different seeds.
fn hash(write: impl Fn(&mut DefaultHasher)) -> u128 {
    let half = |seed| {
        let mut hasher = DefaultHasher::new();
        hasher.write_u8(seed);
        write(&mut hasher);
        u128::from(hasher.finish())
    };
    (half(0) << 64) | half(1)
}

/// The length of the text before the next place at which an id or a time can begin.
fn plain_length(rest: &[u8]) -> usize {
    let first_is_digit = rest.first().is_some_and(u8::is_ascii_digit);
    // If a number is not an id or a time, neither is a suffix of it.
    let start = if first_is_digit { rest.iter().take_while(|byte| byte.is_ascii_digit()).count() } else { 1 };
    let may_begin = |byte: &u8| byte.is_ascii_digit() || *byte == b'i';
    start + rest.iter().skip(start).position(may_begin).unwrap_or(rest.len() - start)
}

fn id(rest: &[u8]) -> Option<(Piece, usize)> {
    let digits = rest.strip_prefix(b"i-")?.get(..ID_DIGITS)?;
    let number = u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    Some((Piece::Id(number), 2 + ID_DIGITS))
}

/// Reads a time such as `2026-11-20T12:00:00Z`. Returns its piece and its length.
fn time(rest: &[u8]) -> Option<(Piece, usize)> {
    if rest.get(4) != Some(&b'-') || rest.get(10) != Some(&b'T') {
        return None;
    }
    let length = rest.iter().position(|byte| *byte == b'Z')? + 1;
    let time: Timestamp = std::str::from_utf8(rest.get(..length)?).ok()?.parse().ok()?;
    Some((Piece::Time(time.as_second()), length))
}

fn second(rest: &[u8]) -> Option<(Piece, usize)> {
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits != SECOND_DIGITS {
        return None;
    }
    let second = std::str::from_utf8(rest.get(..digits)?).ok()?.parse().ok()?;
    Some((Piece::TokenTime(second), digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: &str = "2026-11-20T12:00:00Z";

    fn print(text: &str, now: &str) -> u128 {
        Pieces::of(text).fingerprint(now.parse().unwrap())
    }

    #[test]
    fn only_the_distance_of_a_time_counts() {
        let text = |time: &str| format!("{{\"at\":\"{time}\",\"desired\":2}}");
        let one = print(&text("2026-11-20T12:02:00Z"), NOON);
        assert_eq!(one, print(&text("2026-11-21T00:02:00Z"), "2026-11-21T00:00:00Z"));
        assert_ne!(one, print(&text("2026-11-20T12:03:00Z"), NOON));
    }

    #[test]
    fn what_is_old_is_old_from_the_limit_on() {
        let ago = |seconds: i64| {
            let now: Timestamp = NOON.parse().unwrap();
            print(&(now - jiff::SignedDuration::from_secs(seconds)).to_string(), NOON)
        };
        assert_ne!(ago(OLD_AFTER - 1), ago(OLD_AFTER));
        assert_eq!(ago(OLD_AFTER), ago(OLD_AFTER + 1));
    }

    #[test]
    fn only_the_order_of_ids_counts() {
        let text = |one: u64, other: u64| format!("a i-{one:017x} b i-{other:017x} c i-{one:017x}");
        assert_eq!(print(&text(1, 2), NOON), print(&text(7, 9), NOON));
        assert_ne!(print(&text(1, 2), NOON), print(&text(9, 7), NOON));
        assert_ne!(print(&text(1, 2), NOON), print(&text(1, 1), NOON));
    }

    #[test]
    fn of_tokens_only_the_instance_the_attempt_and_the_order_count() {
        let token = |id: u64, attempt: u32, second: i64| format!("driftless-i-{id:017x}-{attempt}-{second}");
        let both = |one: String, other: String| print(&format!("{one} {other}"), NOON);
        let (now, later) = (1_795_000_000, 1_795_000_120);
        let known = both(token(1, 1, now), token(1, 1, later));
        assert_eq!(known, both(token(3, 1, later), token(3, 1, later + 1)));
        assert_ne!(known, both(token(1, 1, now), token(1, 1, now)));
        assert_ne!(known, both(token(1, 1, now), token(1, 2, later)));
        assert_ne!(known, both(token(1, 1, later), token(1, 1, now)));
    }

    #[test]
    fn other_numbers_count_as_they_are() {
        assert_ne!(print("desired 2", NOON), print("desired 3", NOON));
        assert_ne!(print("12345678901", NOON), print("12345678902", NOON));
    }
}
