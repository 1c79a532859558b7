//! Every message that on-call can act on links a page that begins with a command to run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use driftless_planner::notification::{Runbooks, Severity};

use crate::support::letters::{details, notification};

const SECTIONS: [&str; 4] = ["What you see", "What it means", "What to decide", "How to reverse"];

/// The pages, by name.
fn pages() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/runbooks");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: &Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
    files.map(|path| (name(&path), std::fs::read_to_string(&path).unwrap())).collect()
}

/// A topic of a runbook.
fn topics() -> BTreeSet<String> {
    let to_act_on = details().into_iter().filter(|(_, details)| details.severity() >= Severity::Notify);
    to_act_on.map(|(_, details)| details.topic().to_owned()).collect()
}

#[test]
fn each_page_about_a_message_begins_with_a_command_and_has_its_parts() {
    let pages = pages();
    for topic in topics() {
        let page = pages.get(&topic).unwrap_or_else(|| panic!("{topic} has no page"));
        let lines: Vec<&str> = page.lines().collect();
        assert!(lines[0].starts_with("# ") && lines[0].contains(&format!(" {topic}: ")), "{topic}: {}", lines[0]);
        assert_eq!((lines[1], lines[2]), ("", "```sh"), "{topic}");
        assert!(lines[3].starts_with("driftless "), "{topic}: {}", lines[3]);
        let sections: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix("## ")).collect();
        assert_eq!(sections, SECTIONS, "{topic}");
        assert_eq!(page.matches("```").count() % 2, 0, "{topic}");
    }
}

#[test]
fn no_page_is_about_a_message_that_is_gone() {
    let is_about_a_message = |page: &str| page.starts_with("# Message ") || page.starts_with("# State ");
    let named: BTreeSet<String> =
        pages().into_iter().filter(|(_, page)| is_about_a_message(page)).map(|(name, _)| name).collect();
    assert_eq!(named, topics());
}

#[test]
fn each_command_of_ours_in_a_page_is_one_that_messages_suggest_too() {
    // Beside them: what ends a freeze, which no message suggests.
    let mut verbs = BTreeSet::from(["thaw".to_owned()]);
    for (_, details) in details() {
        let text = notification(details, &[]).message().unwrap().text;
        let commands = text.lines().filter_map(|line| line.trim().strip_prefix("driftless "));
        verbs.extend(commands.filter_map(|command| command.split(' ').next()).map(str::to_owned));
    }
    for (name, page) in pages() {
        let mut is_code = false;
        for line in page.lines() {
            is_code ^= line.trim_start().starts_with("```");
            let Some(command) = line.trim_start().strip_prefix("driftless ").filter(|_| is_code) else { continue };
            let verb = command.split(' ').next().unwrap();
            assert!(verbs.contains(verb), "{name}: {line}");
        }
    }
}

#[test]
fn a_link_leads_to_the_page() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for topic in topics() {
        assert!(root.join(Runbooks::default().link(&topic)).is_file(), "{topic}");
    }
}
