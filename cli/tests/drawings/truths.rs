//! Properties of every drawing.

use driftless_cli::draw::{Style, WIDTH_MAX, WIDTH_MIN, fleet, history, summary, why};
use driftless_status::why::Subject;

use crate::{golden, said};

/// Every drawing of this style.
fn drawings(style: Style) -> Vec<(String, String)> {
    let mut drawings = vec![("summary".to_owned(), summary(&golden::all(), style))];
    for world in said::worlds() {
        let status = said::status(&world);
        drawings.push((world.clone(), fleet(&status, style)));
        let instances = status.drifted.iter().map(|work| Subject::Instance(work.instance.clone()));
        for subject in instances.chain([Subject::Fleet(status.fleet.clone())]) {
            let answer = driftless_status::why::why(&status, &subject).unwrap();
            drawings.push((format!("why {world}"), why(&answer, style)));
        }
    }
    for world in ["rolled-back", "replaced"] {
        let said = said::history(world);
        drawings.push((format!("history {world}"), history(&said, said.lines[0].at, style)));
    }
    drawings
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    for columns in [WIDTH_MIN, 80, WIDTH_MAX] {
        for (name, drawing) in drawings(Style::plain(columns)) {
            for line in drawing.lines() {
                assert!(line.chars().count() <= columns, "{name} at {columns}: {line}");
                assert_eq!(line.trim_end(), line, "{name} at {columns}: trailing blanks");
            }
        }
    }
}

#[test]
fn without_colors_there_is_nothing_but_lines_of_printable_ascii() {
    for (name, drawing) in drawings(Style::plain(WIDTH_MAX)) {
        let strange: Vec<char> =
            drawing.chars().filter(|character| !(' '..='~').contains(character) && *character != '\n').collect();
        assert!(strange.is_empty(), "{name}: {strange:?}");
    }
}

#[test]
fn colors_change_nothing_but_colors() {
    let plain = drawings(Style::plain(WIDTH_MAX));
    for ((name, colored), (_, plain)) in drawings(Style::colored(WIDTH_MAX)).into_iter().zip(plain) {
        let mut parts = colored.split('\u{1b}');
        let mut stripped = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (code, text) = part.split_once('m').expect("a color ends with m");
            assert!(code.strip_prefix('[').is_some_and(|code| code.chars().all(|c| c.is_ascii_digit() || c == ';')));
            stripped.push_str(text);
        }
        assert_eq!(stripped, plain, "{name}");
    }
}

#[test]
fn what_others_wrote_reaches_no_terminal_as_a_command() {
    let mut status = said::status("half-way");
    let hostile = "x\u{1b}[2J\u{9b}31m\u{202e}\u{7}\r\ny";
    status.colors[0].group = "a\u{202e}b".parse().unwrap();
    status.policy.words[0].key = hostile.to_owned();
    status.go_on = Some(hostile.to_owned());
    let under_way = status.cutover.as_mut().unwrap();
    under_way.phase = hostile.to_owned();
    under_way.steps[0].phase = hostile.to_owned();
    let drawing = fleet(&status, Style::plain(WIDTH_MAX));
    for forbidden in ['\u{1b}', '\u{9b}', '\u{202e}', '\u{7}', '\r'] {
        assert!(!drawing.contains(forbidden), "{forbidden:?}");
    }
}

#[test]
fn every_drawing_of_a_fleet_says_whether_it_can_roll_back() {
    for world in said::worlds() {
        let drawing = fleet(&said::status(&world), Style::plain(WIDTH_MAX));
        let line = drawing.lines().find(|line| line.starts_with("  rollback "));
        let answer = line.and_then(|line| line.split_whitespace().nth(1));
        assert!(answer.is_some_and(|answer| ["yes:", "no:", "not", "running:"].contains(&answer)), "{world}: {line:?}");
    }
}
