//! The order of image builds, as the tag `driftless:build` or an `image.published` event names them.

use std::cmp::Ordering;

/// Compares two builds in natural order: runs of digits as numbers, other characters as text. `9` comes before `10`,
/// `1.9.0` before `1.10.0`, and ISO dates in calendar order.
pub(super) fn compare_builds(one: &str, other: &str) -> Ordering {
    let (one, other) = (chunks(one), chunks(other));
    for (left, right) in one.iter().zip(&other) {
        let order = match (is_number(left), is_number(right)) {
            (true, true) => {
                let (left, right) = (left.trim_start_matches('0'), right.trim_start_matches('0'));
                left.len().cmp(&right.len()).then_with(|| left.cmp(right))
            }
            (true | false, false) | (false, true) => left.cmp(right),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    one.len().cmp(&other.len())
}

fn chunks(text: &str) -> Vec<String> {
    let mut chunks: Vec<String> = Vec::new();
    for character in text.chars() {
        match chunks.last_mut() {
            Some(last) if is_number(last) == character.is_ascii_digit() => last.push(character),
            Some(_) | None => chunks.push(character.to_string()),
        }
    }
    chunks
}

fn is_number(chunk: &str) -> bool {
    chunk.starts_with(|character: char| character.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_are_ordered_as_people_mean_them() {
        for (earlier, later) in [
            ("9", "10"),
            ("1.9.0", "1.10.0"),
            ("2026-09-30", "2026-10-01"),
            ("20261120T090000Z", "20261120T100000Z"),
            ("build-7", "build-7.1"),
            ("007", "8"),
        ] {
            assert_eq!(compare_builds(earlier, later), Ordering::Less, "{earlier} {later}");
            assert_eq!(compare_builds(later, earlier), Ordering::Greater, "{later} {earlier}");
        }
        assert_eq!(compare_builds("007", "7"), Ordering::Equal);
    }
}
