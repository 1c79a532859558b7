//! One word for one thing: phrases and identifiers that are not used any more, in every file of the repository.

mod lists;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use super::root;
use lists::{EXEMPT, IDENTIFIERS, MARKER, PHRASES, Scope};

/// Between the words of a phrase: spaces and ends of lines, with what a comment or a text begins or ends its lines with.
const BETWEEN: &str = " \t\r\n-_/!#>*\\";

/// A word as it stands in a text, or a part of a compound identifier: `LoadBalancer` and `load_balancer` are two words.
#[derive(Clone, Copy)]
struct Word<'t> {
    line: usize,
    start: usize,
    text: &'t str,
}

/// A word that is not to be used, and where it stands. Line 0 is the path of the file.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    line: usize,
    word: &'static str,
    instead: &'static str,
}

fn words(text: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let (mut start, mut line, mut before) = (None, 1, ' ');
    let mut end = |start: &mut Option<(usize, usize)>, end: usize| {
        if let Some((begin, line)) = start.take()
            && let Some(text) = text.get(begin..end)
        {
            words.push(Word { line, start: begin, text });
        }
    };
    for (at, letter) in text.char_indices() {
        let is_hump = letter.is_uppercase() && before.is_lowercase();
        if !letter.is_alphanumeric() || is_hump {
            end(&mut start, at);
        }
        if letter.is_alphanumeric() && start.is_none() {
            start = Some((at, line));
        }
        line += usize::from(letter == '\n');
        before = letter;
    }
    end(&mut start, text.len());
    words
}

/// A phrase of the list, where it is wrong, and what to use.
type Entry = (&'static str, Scope, &'static str);

/// A word of a phrase, behind what stands before it in the phrase.
type Part = (&'static str, &'static str);

fn parts(phrase: &'static str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut end = 0;
    for word in words(phrase) {
        parts.push((phrase.get(end..word.start).unwrap_or_default(), word.text));
        end = word.start + word.text.len();
    }
    parts
}

/// Whether a phrase begins with the first of these words.
fn begins(text: &str, words: &[Word<'_>], phrase: &[Part], scope: Scope) -> bool {
    let is_word = |word: &str, other: &str| match scope {
        Scope::ExactCase => word == other,
        Scope::Everywhere | Scope::Markdown => word.eq_ignore_ascii_case(other),
    };
    let mut before: Option<Word<'_>> = None;
    words.len() >= phrase.len()
        && words.iter().zip(phrase).all(|(word, (between, expected))| {
            let gap =
                before.and_then(|before| text.get(before.start + before.text.len()..word.start)).unwrap_or_default();
            let is_gap = gap == *between || (between.trim().is_empty() && gap.chars().all(|one| BETWEEN.contains(one)));
            let is_first = before.replace(*word).is_none();
            is_word(word.text, expected) && (is_first || is_gap)
        })
}

/// The phrases in a text.
fn phrases(text: &str, is_markdown: bool) -> Vec<Found> {
    let mut by_first: BTreeMap<String, Vec<(Vec<Part>, &Entry)>> = BTreeMap::new();
    for entry in PHRASES.iter().filter(|(_, scope, _)| is_markdown || *scope != Scope::Markdown) {
        let phrase = parts(entry.0);
        let first = phrase.first().expect("a phrase has a word").1.to_lowercase();
        by_first.entry(first).or_default().push((phrase, entry));
    }
    let words = words(text);
    let found = words.iter().enumerate().flat_map(|(at, first)| {
        let rest = words.get(at..).unwrap_or_default();
        let candidates = by_first.get(&first.text.to_lowercase()).into_iter().flatten();
        candidates
            .filter(move |(phrase, (_, scope, _))| begins(text, rest, phrase, *scope))
            .map(move |(_, (word, _, instead))| Found { line: first.line, word, instead })
    });
    found.collect()
}

/// The identifiers in a source. Behind `//` Rust has prose, where a name that is a plain word means no identifier.
fn identifiers(text: &str, is_rust: bool) -> Vec<Found> {
    let is_plain = |name: &str| !name.contains('_') && !name.chars().skip(1).any(char::is_uppercase);
    let names: BTreeMap<&str, &(&'static str, &'static str)> =
        IDENTIFIERS.iter().map(|entry| (entry.0, entry)).filter(|(name, _)| is_rust || !is_plain(name)).collect();
    let in_line = |(number, line): (usize, &str)| {
        let code = line.split("//").next().unwrap_or_default().len();
        let mut found = Vec::new();
        let mut start = 0;
        for name in line.split(|letter: char| !letter.is_alphanumeric() && letter != '_') {
            let is_code = start < code || !is_plain(name);
            start += name.len() + 1;
            if let Some((word, instead)) = names.get(name).copied().filter(|_| is_code) {
                found.push(Found { line: number + 1, word, instead });
            }
        }
        found
    };
    text.lines().enumerate().flat_map(in_line).collect()
}

fn is_of(path: &str, extension: &str) -> bool {
    Path::new(path).extension().is_some_and(|found| found == extension)
}

/// What stands in a file and in its path, but for lines that show an old name as such.
fn wrong(path: &str, text: &str) -> Vec<Found> {
    let is_rust = is_of(path, "rs");
    let marked: BTreeSet<usize> =
        text.lines().enumerate().filter(|(_, line)| line.contains(MARKER)).map(|(number, _)| number + 1).collect();
    let mut found = phrases(text, is_of(path, "md"));
    found.extend(identifiers(text, is_rust));
    found.retain(|found| !marked.contains(&found.line));
    found.extend(phrases(path, false).into_iter().map(|found| Found { line: 0, ..found }));
    found
}

/// Every file of the repository that is text, by its path. What is new and not ignored is one.
fn tracked(root: &Path) -> Vec<(String, String)> {
    let arguments = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let listed = Command::new("git").args(arguments).current_dir(root).output().expect("git lists the files");
    assert!(listed.status.success(), "git ls-files: {}", String::from_utf8_lossy(&listed.stderr));
    let paths = String::from_utf8(listed.stdout).expect("paths are UTF-8");
    let read = |path: &str| Some((path.to_owned(), std::fs::read_to_string(root.join(path)).ok()?));
    paths.split('\0').filter(|path| !path.is_empty() && *path != "Cargo.lock").filter_map(read).collect()
}

fn exemption(path: &str) -> Option<&'static str> {
    EXEMPT.iter().copied().find(|exempt| path == *exempt || (exempt.ends_with('/') && path.starts_with(exempt)))
}

#[test]
fn no_file_uses_a_word_that_has_another_word_in_its_place() {
    let mut lines = Vec::new();
    for (path, text) in tracked(&root()).iter().filter(|(path, _)| exemption(path).is_none()) {
        for Found { line, word, instead } in wrong(path, text) {
            lines.push(format!("{path}:{line}: \"{word}\": use {instead}"));
        }
    }
    assert!(lines.is_empty(), "{} words to exchange (line 0 is a path):\n{}", lines.len(), lines.join("\n"));
}

#[test]
fn every_exemption_is_of_a_file_that_has_such_a_word() {
    let files = tracked(&root());
    let needed: BTreeSet<&str> =
        files.iter().filter_map(|(path, text)| exemption(path).filter(|_| !wrong(path, text).is_empty())).collect();
    let idle: Vec<_> = EXEMPT.iter().filter(|exempt| !needed.contains(*exempt)).collect();
    assert!(idle.is_empty(), "no old word is in {idle:?}: take them from the list");
}

#[test]
fn every_entry_says_what_to_use_and_is_listed_once() {
    let phrases = PHRASES.iter().map(|(word, _, instead)| (*word, *instead));
    let all: Vec<(&str, &str)> = phrases.chain(IDENTIFIERS.iter().copied()).collect();
    let distinct: BTreeSet<&str> = all.iter().map(|(word, _)| *word).collect();
    assert_eq!(distinct.len(), all.len(), "an entry is listed twice");
    for (word, instead) in all {
        assert!(!instead.is_empty() && word != instead, "{word}");
    }
}

/// The words that are found in a text, with their lines.
fn in_file(path: &str, text: &str) -> Vec<(usize, &'static str)> {
    wrong(path, text).into_iter().map(|found| (found.line, found.word)).collect()
}

#[test]
fn a_planted_phrase_is_found_however_its_words_are_joined_and_wherever_a_line_ends() {
    for planted in ["the way back is", "the Way-Back is", "fn way_back() {}", "struct WayBackKind;", "the way  back"] {
        assert_eq!(in_file("a.rs", planted), [(1, "way back")], "{planted}");
    }
    for end in ["\n", "\n/// ", "\n    // ", "\n//! ", "\n# ", "\n> ", " \\\n        "] {
        let planted = format!("first\nthe way{end}back is open");
        assert_eq!(in_file("a.rs", &planted), [(2, "way back")], "{planted:?}");
    }
    for (planted, word) in
        [("GO  HOLDS", "HOLDS"), ("at the Desk.", "desk"), ("set driftless:replace=x", "driftless:replace")]
    {
        assert_eq!(in_file("a.md", planted), [(1, word)], "{planted}");
    }
}

#[test]
fn a_word_inside_another_word_is_not_found_nor_are_the_words_of_a_phrase_apart() {
    for text in [
        "a deskew of strings, oranges and misdeeds",
        "the way. Back to it",
        "go back this way",
        "the guard holds, and `holds` is no column",
        "driftless-replace and driftless:replacement",
        "windswept sweepers",
    ] {
        assert_eq!(in_file("a.md", text), [], "{text}");
    }
}

#[test]
fn an_identifier_is_found_only_as_a_whole_and_a_plain_word_only_in_code() {
    assert_eq!(in_file("a.rs", "const A: u8 = LOOK_MIN;"), [(1, "LOOK_MIN")]);
    assert_eq!(in_file("a.md", "the constant `LOOK_MIN`"), [(1, "LOOK_MIN")]);
    assert_eq!(in_file("a.rs", "const A: u8 = LOOK_MINUTES + MY_LOOK_MIN;"), []);
    assert_eq!(in_file("a.rs", "fn a() -> Called<u8> {"), [(1, "Called")]);
    for text in ["// Called by the handler.", "fn a() {} // Called once", "fn a() -> CalledOnce {"] {
        assert_eq!(in_file("a.rs", text), [], "{text}");
    }
    assert_eq!(in_file("a.md", "Called by the handler."), []);
}

#[test]
fn a_word_that_code_may_keep_is_found_in_markdown_only() {
    let text = "its successor";
    assert_eq!(in_file("a.md", text), [(1, "successor")]);
    assert_eq!(in_file("a.rs", text), []);
}

#[test]
fn a_line_that_shows_an_old_name_as_such_may_have_it_and_a_path_may_not() {
    assert_eq!(in_file("a.md", &format!("`sweep` is an {MARKER}\nand a sweep")), [(2, "sweep")]);
    assert_eq!(in_file("docs/desk.md", ""), [(0, "desk")]);
}

#[test]
fn a_folder_exempts_what_is_in_it_and_a_file_only_itself() {
    assert_eq!(exemption("docs/adr/0001-a.md"), Some("docs/adr/"));
    assert_eq!(exemption("docs/policy.md"), Some("docs/policy.md"));
    assert_eq!(exemption("docs/policy.md.txt"), None);
    assert_eq!(exemption("other/docs/adr/a.md"), None);
}
