//! Patterns as IAM writes them: `*` stands for any text, `?` for one character.

/// Whether a text matches a pattern, letter by letter.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    // Most texts differ from the pattern before its first wildcard, and there are thousands of comparisons.
    let (literal, pattern) = pattern.split_at(pattern.find(['*', '?']).unwrap_or(pattern.len()));
    let Some(text) = text.strip_prefix(literal) else { return false };
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    // reachable[i]: the pattern so far matches the first i characters of the text.
    let mut reachable = vec![false; text.len() + 1];
    if let Some(start) = reachable.first_mut() {
        *start = true;
    }
    for symbol in pattern {
        reachable = after(symbol, &text, &reachable);
    }
    reachable.last().copied().unwrap_or_default()
}

/// Whether a text matches a pattern, whatever the case of its letters: so IAM compares actions.
pub(crate) fn matches_any_case(pattern: &str, text: &str) -> bool {
    matches(&pattern.to_ascii_lowercase(), &text.to_ascii_lowercase())
}

fn after(symbol: char, text: &[char], reachable: &[bool]) -> Vec<bool> {
    if symbol == '*' {
        let mut any_before = false;
        return reachable
            .iter()
            .map(|here| {
                any_before |= here;
                any_before
            })
            .collect();
    }
    let stepped = reachable.iter().zip(text).map(|(before, letter)| *before && (symbol == '?' || symbol == *letter));
    std::iter::once(false).chain(stepped).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_text_and_a_question_mark_one_character() {
        for (pattern, text, is_match) in [
            ("*", "", true),
            ("*", "anything", true),
            ("sqs:Send*", "sqs:SendMessage", true),
            ("sqs:Send*", "sqs:ReceiveMessage", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("arn:aws:sqs:*:driftless-reconcile", "arn:aws:sqs:us-east-1:123456789012:driftless-reconcile", true),
            ("arn:aws:sqs:*:driftless-reconcile", "arn:aws:sqs:us-east-1:123456789012:driftless-reconcile-dlq", false),
            ("arn:aws:sqs:us-east-1:1:q", "*", false),
            ("", "", true),
            ("", "x", false),
        ] {
            assert_eq!(matches(pattern, text), is_match, "{pattern} {text}");
        }
    }

    #[test]
    fn actions_have_no_case_but_resources_do() {
        assert!(matches_any_case("SQS:sendmessage", "sqs:SendMessage"));
        assert!(!matches("arn:aws:sqs:::Queue", "arn:aws:sqs:::queue"));
    }
}
