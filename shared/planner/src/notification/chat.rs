//! The body for a chat channel: a custom notification of Amazon Q Developer, version 1.0.
//!
//! Amazon Q Developer silently drops a message that does not match its schema, so each field has a limit here that
//! every chat platform accepts: 150 characters fit a Slack heading, 3,000 a Slack block. Longer text is cut; a command
//! never is.

use std::collections::BTreeMap;

use serde::Serialize;

use super::message::{Parts, headline};
use super::suggestion::Suggestion;

/// The longest title, in characters.
const TITLE_MAX: usize = 150;
/// The longest why, in characters as they are written, escapes included.
const WHY_MAX: usize = 1_800;
/// The longest next, likewise. With the labels and the runbook both stay below 3,000.
const NEXT_MAX: usize = 800;
/// The longest summary, which is what a phone shows.
const SUMMARY_MAX: usize = 250;
/// The longest thread id.
pub(super) const THREAD_MAX: usize = 128;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    version: &'static str,
    source: &'static str,
    id: &'a str,
    content: Content,
    metadata: Metadata<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Content {
    text_type: &'static str,
    title: String,
    description: String,
    next_steps: Vec<String>,
    keywords: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    thread_id: &'a str,
    summary: String,
    event_type: String,
    related_resources: Vec<String>,
    additional_context: BTreeMap<&'static str, String>,
}

pub(super) fn body(parts: &Parts<'_>) -> Result<String, serde_json::Error> {
    let Parts { notification, wording, suggestions, runbook, thread } = parts;
    let details = &notification.details;
    let read = runbook.as_ref().map_or_else(String::new, |runbook| format!("\n*Runbook:* {runbook}"));
    let (why, next) = (escaped(&wording.why, WHY_MAX), escaped(&wording.next, NEXT_MAX));
    let description = format!("*Why:* {why}\n*Next:* {next}{read}");
    let severity = notification.severity().word();
    let mut context = BTreeMap::from([
        ("fleet", notification.fleet.to_string()),
        ("kind", details.kind().to_owned()),
        ("severity", severity.to_owned()),
        ("id", notification.id.clone()),
    ]);
    context.extend(details.condition().map(|condition| ("condition", escaped(condition, TITLE_MAX))));
    context.extend(runbook.iter().map(|runbook| ("runbook", runbook.clone())));
    serde_json::to_string(&Body {
        version: "1.0",
        source: "custom",
        id: &notification.id,
        content: Content {
            text_type: "client-markdown",
            title: escaped(&headline(parts), TITLE_MAX),
            description,
            next_steps: suggestions.iter().map(step).collect(),
            keywords: vec![notification.fleet.to_string(), escaped(details.topic(), TITLE_MAX), severity.to_owned()],
        },
        metadata: Metadata {
            thread_id: thread,
            summary: escaped(&format!("{}: {}", notification.fleet, wording.what), SUMMARY_MAX),
            event_type: format!("driftless.{}", details.kind()),
            related_resources: notification.groups.iter().map(|group| escaped(group.as_str(), SUMMARY_MAX)).collect(),
            additional_context: context,
        },
    })
}

/// A command stands in a code span, where only a backtick is markup; no command contains one. Commands in the effect
/// text get plain quotes.
fn step(suggestion: &Suggestion) -> String {
    let Suggestion { purpose, effect, command } = suggestion;
    format!("*{}* `{command}`: {}", purpose.label(), escaped(effect, SUMMARY_MAX))
}

/// A thread id in characters that every platform accepts.
pub(super) fn thread_id(text: &str) -> String {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "-_.:".contains(character);
    text.chars().map(|character| if is_plain(character) { character } else { '-' }).take(THREAD_MAX).collect()
}

/// `text` for a platform that renders markdown: without mentions, links or markup. Slack escapes only by entities, and
/// Teams does not know them, so each markup character becomes a lookalike. Cut at `limit` characters, never within an
/// escape.
fn escaped(text: &str, limit: usize) -> String {
    let characters: Vec<char> = text.chars().collect();
    let (mut escaped, mut length) = (String::new(), 0);
    for (index, character) in characters.iter().enumerate() {
        let is_word = |at: Option<usize>| {
            at.and_then(|at| characters.get(at)).is_some_and(|character| character.is_alphanumeric())
        };
        let is_within_word = is_word(index.checked_sub(1)) && is_word(index.checked_add(1));
        let harmless = match character {
            '&' => "&amp;".to_owned(),
            '<' => "&lt;".to_owned(),
            '>' => "&gt;".to_owned(),
            '@' => '\u{ff20}'.to_string(),
            '*' => '\u{2217}'.to_string(),
            '~' => '\u{223c}'.to_string(),
            '`' => '\''.to_string(),
            // A text in brackets is a link only because of the character after it.
            ']' if characters.get(index + 1).is_some_and(|next| "([:".contains(*next)) => '\u{ff3d}'.to_string(),
            // An underscore within a word is no markup, and rule names must stay unchanged.
            '_' if !is_within_word => '\u{ff3f}'.to_string(),
            other => other.to_string(),
        };
        length += harmless.chars().count();
        let is_last = index + 1 == characters.len();
        if length > limit || (length == limit && !is_last) {
            escaped.push('\u{2026}');
            break;
        }
        escaped.push_str(&harmless);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_text_is_markup() {
        for (text, harmless) in [
            ("<!channel> <@U1> <https://a.example|b>", "&lt;!channel&gt; &lt;＠U1&gt; &lt;https://a.example|b&gt;"),
            ("@here, @channel", "＠here, ＠channel"),
            ("[click](https://a.example)", "[click］(https://a.example)"),
            ("*bold* ~gone~ `code` _slanted_", "∗bold∗ ∼gone∼ 'code' ＿slanted＿"),
            ("restricted_ssh_eu-1", "restricted_ssh_eu-1"),
            ("[a][b] [b]: c", "[a］[b] [b］: c"),
            ("1 datapoint [9.0] was above", "1 datapoint [9.0] was above"),
            ("&lt;", "&amp;lt;"),
        ] {
            assert_eq!(escaped(text, 100), harmless);
        }
    }

    #[test]
    fn a_long_text_is_cut_at_the_limit_and_never_within_an_escape() {
        assert_eq!(escaped("abcd", 5), "abcd");
        assert_eq!(escaped("abcde", 5), "abcde");
        assert_eq!(escaped("abcdef", 5), "abcd…");
        assert_eq!(escaped("abc<", 5), "abc…");
        assert_eq!(escaped("a&b", 7), "a&amp;b");
        assert_eq!(escaped("a&b", 6), "a…");
    }

    #[test]
    fn a_thread_is_named_in_plain_characters() {
        assert_eq!(thread_id("app:rule-breaker-open:<a b>"), "app:rule-breaker-open:-a-b-");
        for (length, kept) in [(THREAD_MAX - 1, THREAD_MAX - 1), (THREAD_MAX, THREAD_MAX), (THREAD_MAX + 1, THREAD_MAX)]
        {
            assert_eq!(thread_id(&"a".repeat(length)).len(), kept);
        }
    }
}
