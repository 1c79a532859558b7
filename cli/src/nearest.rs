//! Finds the known name that is nearest to a mistyped one.

/// The most fleets that an error names.
const NAMED_MAX: usize = 5;

/// The known name that is nearest to a mistyped one. The two may differ by one edit for every three letters that were
/// typed, and by at least one edit. An edit inserts, deletes or replaces a letter, or swaps two neighbors. None: every
/// name differs more.
pub(crate) fn nearest<'n>(typed: &str, names: &[&'n str]) -> Option<&'n str> {
    let edits_max = (typed.chars().count() / 3).max(1);
    let near = names.iter().map(|name| (strsim::osa_distance(typed, name), *name));
    near.filter(|(edits, _)| *edits <= edits_max).min().map(|(_, name)| name)
}

/// What to do if the typed fleet does not exist but these fleets do. None: the typed fleet exists.
pub(crate) fn advice(typed: &str, fleets: &[&str]) -> Option<String> {
    if fleets.contains(&typed) {
        return None;
    }
    if let Some(near) = nearest(typed, fleets) {
        return Some(format!("did you mean {near}? `driftless status` lists every fleet"));
    }
    let named = fleets.iter().take(NAMED_MAX).copied().collect::<Vec<_>>().join(", ");
    let advice = match fleets.len() {
        0 => "no Auto Scaling group carries the tag driftless:fleet here: check --region, --profile and --stack"
            .to_owned(),
        count if count > NAMED_MAX => {
            format!("the fleets are {named} and {} more: `driftless status` lists them", count - NAMED_MAX)
        }
        1 => format!("the only fleet is {named}"),
        _ => format!("the fleets are {named}"),
    };
    Some(advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_near_with_one_edit_for_every_three_letters() {
        let names = ["web", "checkout", "app"];
        for (typed, near) in [
            ("wbe", Some("web")),
            ("we", Some("web")),
            ("w", None),
            ("chekcout", Some("checkout")),
            ("checkuot-", Some("checkout")),
            ("shop", None),
            ("ap", Some("app")),
        ] {
            assert_eq!(nearest(typed, &names), near, "{typed}");
        }
    }

    #[test]
    fn without_a_near_one_the_first_five_fleets_are_named() {
        let six = ["a1", "b1", "c1", "d1", "e1", "f1"];
        for (count, expected) in [
            (0, "no Auto Scaling group carries the tag driftless:fleet here: check --region, --profile and --stack"),
            (1, "the only fleet is a1"),
            (5, "the fleets are a1, b1, c1, d1, e1"),
            (6, "the fleets are a1, b1, c1, d1, e1 and 1 more: `driftless status` lists them"),
        ] {
            assert_eq!(advice("payments", &six[..count]).as_deref(), Some(expected));
        }
        assert_eq!(advice("a1", &six), None, "it exists");
    }
}
