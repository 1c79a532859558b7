//! The report: what is printed, and the sections of `docs/performance.md` and `docs/internals/performance-goals.md`.

use std::fmt::Write as _;

use driftless_testkit::plot::{Bar, Color};

use crate::burst::Told;
use crate::cases::Goals;
use crate::measure::{Figures, Measured};

/// Where the section of a page begins and ends.
const MARKS: (&str, &str) = ("<!-- bench -->", "<!-- end of bench -->");

/// The most that a warm event may take, in times of its baseline.
const WARM_TIMES: f64 = 1.8;
/// How many times longer boto3 and Cloud Custodian must take at least.
const PEER_TIMES: [(&str, f64); 2] = [("boto3", 40.0), ("custodian", 60.0)];

/// What was measured.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Lines about the machine and how it was measured.
    pub about: Vec<String>,
    pub cases: Vec<CaseReport>,
    /// What people use instead.
    pub peers: Vec<PeerReport>,
    pub burst: Option<Told>,
    /// How much longer a call takes in the measurement with a network, in milliseconds.
    pub network_ms: f64,
}

/// A case of ours.
#[derive(Debug, Clone)]
pub struct CaseReport {
    pub function: &'static str,
    pub id: String,
    /// The event in a few words.
    pub title: &'static str,
    /// What the function has to reach.
    pub goals: Goals,
    pub measured: Measured,
    /// The size of its zip, in MB.
    pub zip: f64,
}

/// A peer.
#[derive(Debug, Clone)]
pub struct PeerReport {
    pub name: String,
    pub title: String,
    pub versions: Vec<String>,
    /// The cases that it is compared with.
    pub compared_with: Vec<String>,
    pub figures: Figures,
    /// The size of what is uploaded, in MB.
    pub zip: f64,
}

/// A goal, and how it was met.
#[derive(Debug, Clone, PartialEq)]
pub struct Goal {
    /// What is to be reached, and by whom.
    pub what: String,
    pub is: f64,
    pub bound: f64,
    /// Whether the figure may be no larger, or no smaller.
    pub at_most: bool,
}

impl Goal {
    /// Whether it is met: the bound itself is.
    pub fn is_met(&self) -> bool {
        if self.at_most { self.is <= self.bound } else { self.is >= self.bound }
    }
}

impl Report {
    /// The bars of the plot: each of ours and its baseline, and the peers.
    pub fn bars(&self) -> Vec<Bar> {
        let mut bars = Vec::new();
        for case in &self.cases {
            let (own, floor) = (case.measured.tls.start, case.measured.floor.start);
            bars.push(Bar { label: case.id.clone(), value: own, color: Color::Own });
            bars.push(Bar { label: "its baseline".to_owned(), value: floor, color: Color::Below });
        }
        let peers = self.peers.iter();
        bars.extend(peers.map(|peer| Bar { label: peer.name.clone(), value: peer.figures.start, color: Color::Peer }));
        bars
    }

    /// Every goal.
    pub fn goals(&self) -> Vec<Goal> {
        let mut goals = Vec::new();
        for case in &self.cases {
            let (start, rss, zip) = match case.goals {
                Goals::Detector => (8.0, 8.0, 1.5),
                Goals::Reconcile => (12.0, 12.0, 4.0),
                Goals::None => continue,
            };
            let mut at_most = |what: &str, is: f64, bound: f64| {
                goals.push(Goal { what: format!("{} of `{}`", what, case.id), is, bound, at_most: true });
            };
            at_most("cold start, ms, TLS", case.measured.tls.start, start);
            at_most("warm p50, times the baseline", case.measured.http.p50 / case.measured.floor.p50, WARM_TIMES);
            at_most("resident memory, MiB", case.measured.tls.rss, rss);
            at_most("zip, MB", case.zip, zip);
        }
        for peer in &self.peers {
            let Some((_, times)) = PEER_TIMES.iter().find(|(name, _)| *name == peer.name) else { continue };
            for case in self.cases.iter().filter(|case| peer.compared_with.contains(&case.id)) {
                let is = peer.figures.start / case.measured.tls.start;
                let what = format!("cold start of {}, times `{}`", peer.name, case.id);
                goals.push(Goal { what, is, bound: *times, at_most: false });
            }
        }
        goals
    }

    /// The tables.
    pub fn tables(&self) -> String {
        let mut text = String::new();
        self.of_users(&mut text);
        self.of_developers(&mut text);
        text
    }

    /// Figures for users who compare Driftless with its alternatives.
    fn of_users(&self, text: &mut String) {
        self.of_peers(text);
        self.starts(text);
        self.warm(text);
    }

    /// Figures for developers of Driftless.
    fn of_developers(&self, text: &mut String) {
        self.verdict(text);
        self.ratios(text);
        self.calls(text);
        self.of_burst(text);
    }

    fn ratios(&self, text: &mut String) {
        let network = self.network_ms;
        let header = [
            "event".to_owned(),
            "calls".to_owned(),
            "rounds of calls".to_owned(),
            "cold start, times the baseline".to_owned(),
            "warm p50, times the baseline".to_owned(),
            "warm p50 over TLS, times the baseline".to_owned(),
            format!("with {network} ms a call, times the baseline"),
        ];
        let rows = self.cases.iter().map(|case| {
            let Measured { tls, http, floor, network, rounds } = &case.measured;
            let calls: usize = rounds.iter().map(Vec::len).sum();
            [
                format!("`{}`: {}", case.id, case.title),
                calls.to_string(),
                rounds.len().to_string(),
                times(http.start / floor.start),
                times(http.p50 / floor.p50),
                times(tls.p50 / floor.p50),
                times(network.0 / network.1),
            ]
        });
        text.push_str("### Compared with the baseline\n\nThe baseline is a small process that makes the same calls in the same rounds on plain sockets, unsigned. Function and baseline use HTTP unless the column says TLS.\n\n");
        table(text, &header, rows);
    }

    fn of_peers(&self, text: &mut String) {
        if self.peers.is_empty() {
            return;
        }
        let mut compared: Vec<&CaseReport> = Vec::new();
        for case in &self.cases {
            if self.peers.iter().any(|peer| peer.compared_with.contains(&case.id)) {
                compared.push(case);
            }
        }
        let mut header = vec!["program".to_owned()];
        for case in &compared {
            header.push(format!("cold start, times `{}`", case.id));
        }
        header.extend(["CPU of a warm event", "resident memory", "zip"].map(|what| {
            format!("{what}, times `{}`", compared.last().map(|case| case.id.as_str()).unwrap_or_default())
        }));
        let rows = self.peers.iter().map(|peer| {
            let mut row = vec![format!("{}: {}", peer.name, peer.title)];
            row.extend(compared.iter().map(|case| times(peer.figures.start / case.measured.tls.start)));
            if let Some(case) = compared.last() {
                let ours = &case.measured.tls;
                row.push(times(peer.figures.cpu / ours.cpu));
                row.push(times(peer.figures.rss / ours.rss));
                row.push(times(peer.zip / case.zip));
            }
            row
        });
        text.push_str("How many times as much each alternative takes for one drifted instance, measured in the same run over TLS:\n\n");
        table(text, &header, rows);
    }

    fn starts(&self, text: &mut String) {
        let header = [
            "cold start, over TLS",
            "init, ms",
            "first event, ms",
            "cold start, ms",
            "CPU, ms",
            "cold start over HTTP, ms",
            "baseline, ms",
            "resident memory, MiB",
            "zip, MB",
        ];
        let row = |name: String, figures: &Figures, beside: Option<(f64, f64)>, zip: f64| {
            let Figures { init, first, start, cpu_start, rss, .. } = *figures;
            let mut row = vec![name];
            row.extend([init, first, start, cpu_start].map(|figure| format!("{figure:.2}")));
            row.extend([or_dash(beside.map(|(http, _)| http)), or_dash(beside.map(|(_, floor)| floor))]);
            row.extend([format!("{rss:.1}"), format!("{zip:.2}")]);
            row
        };
        let ours = self.cases.iter().map(|case| {
            let Measured { tls, http, floor, .. } = &case.measured;
            row(format!("`{}`", case.id), tls, Some((http.start, floor.start)), case.zip)
        });
        let peers = self.peers.iter().map(|peer| row(peer.name.clone(), &peer.figures, None, peer.zip));
        text.push_str("The measured times. They depend on the machine; the ratios above depend on it less.\n\n");
        table(text, &header.map(str::to_owned), ours.chain(peers));
    }

    fn warm(&self, text: &mut String) {
        let header = [
            "warm events, over TLS",
            "p50, ms",
            "p99, ms",
            "CPU, ms",
            "p50 over HTTP, ms",
            "p50 of the baseline, ms",
            "CPU of the baseline, ms",
            "added to a call, ms",
        ];
        let row = |name: String, figures: &Figures, beside: Option<&CaseReport>| {
            let Figures { p50, p99, cpu, .. } = *figures;
            let mut row = vec![name];
            row.extend([p50, p99, cpu].map(|figure| format!("{figure:.2}")));
            row.push(or_dash(beside.map(|case| case.measured.http.p50)));
            row.push(or_dash(beside.map(|case| case.measured.floor.p50)));
            row.push(or_dash(beside.map(|case| case.measured.floor.cpu)));
            row.push(or_dash(beside.map(|case| case.measured.added())));
            row
        };
        let ours = self.cases.iter().map(|case| row(format!("`{}`", case.id), &case.measured.tls, Some(case)));
        let peers = self.peers.iter().map(|peer| row(peer.name.clone(), &peer.figures, None));
        table(text, &header.map(str::to_owned), ours.chain(peers));
    }

    fn calls(&self, text: &mut String) {
        text.push_str(
            "### Calls of each event\n\nAn arrow separates rounds. The calls of one round run at the same time.\n\n",
        );
        let header = ["event", "calls"].map(str::to_owned);
        let rows = self.cases.iter().map(|case| {
            let rounds = case.measured.rounds.iter().map(|round| counted(round));
            [format!("`{}`", case.id), rounds.collect::<Vec<_>>().join(" → ")]
        });
        table(text, &header, rows);
    }

    fn of_burst(&self, text: &mut String) {
        let Some(burst) = &self.burst else { return };
        let header = [
            "fleets",
            "events",
            "distinct",
            "facts stored",
            "writes tried",
            "reconcile passes",
            "batches of `reconcile`",
            "p50, ms",
            "p99, ms",
            "CPU of all runs, s",
            "largest resident memory, MiB",
            "queue empty after, s",
        ];
        let counts =
            [burst.fleets, burst.events, burst.distinct, burst.stored, burst.filings, burst.looks, burst.batches];
        let (p50, p99) = burst.batch_ms;
        let mut row: Vec<String> = counts.iter().map(usize::to_string).collect();
        row.extend([p50, p99, burst.cpu_s, burst.rss].map(|figure| format!("{figure:.1}")));
        row.push(format!("{:.0}", burst.over_s));
        text.push_str("### An event burst in real time\n\nOne run. Every instance of every fleet breaks a rule, and AWS Config reports each finding twice, in random order, within one minute. One process of the detector and five of `reconcile` run at the same time, over TLS.\n\n");
        table(text, &header.map(str::to_owned), [row]);
        let calls = burst.calls.iter().map(|(service, count)| format!("{service} {count}"));
        let _ = writeln!(text, "AWS calls: {}.\n", calls.collect::<Vec<_>>().join(", "));
    }

    fn verdict(&self, text: &mut String) {
        let header = ["goal", "measured", "bound", "result"].map(str::to_owned);
        let rows = self.goals().into_iter().map(|goal| {
            let sign = if goal.at_most { "≤" } else { "≥" };
            let verdict = if goal.is_met() { "met" } else { "**missed**" };
            [goal.what, format!("{:.2}", goal.is), format!("{sign} {}", goal.bound), verdict.to_owned()]
        });
        let rows: Vec<_> = rows.collect();
        table(text, &header, rows);
    }

    /// The section of `docs/performance.md`, between its marks.
    pub fn section(&self) -> String {
        let mut text = format!("{}\n![Cold starts](performance-bench.svg)\n\n", MARKS.0);
        self.of_users(&mut text);
        self.conditions(&mut text);
        text.push_str(MARKS.1);
        text
    }

    /// The section of `docs/internals/performance-goals.md`, between its marks.
    pub fn goals_section(&self) -> String {
        let mut text = format!("{}\n", MARKS.0);
        self.of_developers(&mut text);
        self.conditions(&mut text);
        text.push_str(MARKS.1);
        text
    }

    /// What the figures depend on: the machine, and the versions of the alternatives.
    fn conditions(&self, text: &mut String) {
        text.push_str("How it was measured:\n\n");
        for line in &self.about {
            let _ = writeln!(text, "- {line}");
        }
        for peer in &self.peers {
            let _ = writeln!(text, "- {}: {}.", peer.name, peer.versions.join(", "));
        }
    }
}

/// A page with another section between the marks. None: the marks are not there.
pub fn replaced(page: &str, section: &str) -> Option<String> {
    let (before, rest) = page.split_once(MARKS.0)?;
    let (_, after) = rest.split_once(MARKS.1)?;
    Some(format!("{before}{section}{after}"))
}

fn or_dash(figure: Option<f64>) -> String {
    figure.map_or_else(|| "–".to_owned(), |figure| format!("{figure:.2}"))
}

fn times(ratio: f64) -> String {
    if ratio < 10.0 { format!("{ratio:.2}") } else { format!("{ratio:.0}") }
}

/// Calls of a round, those of one name together.
fn counted(round: &[String]) -> String {
    let mut parts: Vec<(&str, usize)> = Vec::new();
    for name in round {
        match parts.last_mut() {
            Some((last, count)) if *last == name.as_str() => *count += 1,
            Some(_) | None => parts.push((name, 1)),
        }
    }
    let part = |(name, count): (&str, usize)| if count == 1 { name.to_owned() } else { format!("{name} ×{count}") };
    parts.into_iter().map(part).collect::<Vec<_>>().join(", ")
}

fn table<R: AsRef<[String]>>(text: &mut String, header: &[String], rows: impl IntoIterator<Item = R>) {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    text.push_str(&line(header));
    text.push_str(&line(&vec!["---".to_owned(); header.len()]));
    for row in rows {
        text.push_str(&line(row.as_ref()));
    }
    text.push('\n');
}

#[cfg(test)]
mod testing {
    use super::*;

    fn figures(start: f64, warm: f64) -> Figures {
        let (init, first) = (start / 4.0, start * 0.75);
        Figures { init, first, start, cpu_start: start / 2.0, p50: warm, p99: warm * 2.0, cpu: warm / 2.0, rss: 7.5 }
    }

    /// A detector, and a peer that is 50 times as slow.
    pub(super) fn report() -> Report {
        let measured = Measured {
            tls: figures(8.0, 1.0),
            http: figures(6.0, 0.9),
            floor: figures(3.0, 0.5),
            network: (7.0, 6.0),
            rounds: vec![vec!["sqs:SendMessage".to_owned(), "sqs:SendMessage".to_owned()]],
        };
        let case = CaseReport {
            function: "detector",
            id: "detector/one".to_owned(),
            title: "one message",
            goals: Goals::Detector,
            measured,
            zip: 1.6,
        };
        let peer = |name: &str, times: f64| PeerReport {
            name: name.to_owned(),
            title: "in <Python>".to_owned(),
            versions: vec!["python 3.13".to_owned()],
            compared_with: vec!["detector/one".to_owned()],
            figures: figures(8.0 * times, 5.0),
            zip: 16.0,
        };
        let peers = vec![peer("boto3", 50.0), peer("custodian", 59.9)];
        Report { about: vec!["a machine".to_owned()], cases: vec![case], peers, burst: None, network_ms: 5.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_comparison_comes_first_and_each_ratio_is_of_what_it_says() {
        let text = testing::report().tables();
        let lines: Vec<&str> =
            text.lines().filter(|line| line.starts_with("| `") || line.starts_with("| boto3")).collect();
        assert_eq!(lines[0], "| boto3: in <Python> | 50 | 5.00 | 1.00 | 10 |");
        for row in [
            "| `detector/one`: one message | 2 | 1 | 2.00 | 1.80 | 2.00 | 1.17 |",
            "| `detector/one` | 2.00 | 6.00 | 8.00 | 4.00 | 6.00 | 3.00 | 7.5 | 1.60 |",
            "| `detector/one` | 1.00 | 2.00 | 0.50 | 0.90 | 0.50 | 0.25 | 0.20 |",
            "| `detector/one` | sqs:SendMessage ×2 |",
        ] {
            assert!(text.contains(row), "{row} in {text}");
        }
    }

    #[test]
    fn every_candidate_has_a_bar() {
        let bars = testing::report().bars();
        let labels: Vec<(&str, Color)> = bars.iter().map(|bar| (bar.label.as_str(), bar.color)).collect();
        let expected = [
            ("detector/one", Color::Own),
            ("its baseline", Color::Below),
            ("boto3", Color::Peer),
            ("custodian", Color::Peer),
        ];
        assert_eq!(labels, expected);
    }

    #[test]
    fn a_goal_is_met_at_its_bound_and_missed_beyond_it() {
        let met: Vec<bool> = testing::report().goals().iter().map(Goal::is_met).collect();
        assert_eq!(met, [true, true, true, false, true, false]);
    }

    #[test]
    fn goals_are_on_the_page_of_goals_only_and_the_comparison_is_on_the_other_one() {
        let (page, goals) = (testing::report().section(), testing::report().goals_section());
        for section in [&page, &goals] {
            assert!(section.contains("- a machine\n- boto3: python 3.13.\n"), "{section}");
        }
        let goal = "| zip, MB of `detector/one` | 1.60 | ≤ 1.5 | **missed** |";
        let comparison = "| boto3: in <Python> | 50 |";
        assert!(goals.contains(goal) && !goals.contains(comparison), "{goals}");
        assert!(page.contains(comparison) && !page.contains("missed"), "{page}");
    }

    #[test]
    fn only_what_is_between_the_marks_is_replaced() {
        let page = "before\n<!-- bench -->\nstale\n<!-- end of bench -->\nafter\n";
        let section = testing::report().section();
        let new = replaced(page, &section).unwrap();
        assert!(
            new.starts_with("before\n<!-- bench -->\n![Cold starts]")
                && new.ends_with("<!-- end of bench -->\nafter\n")
        );
        assert!(!new.contains("stale"));
        assert_eq!(replaced(&new, &section).as_deref(), Some(new.as_str()));
        assert_eq!(replaced("no marks", &section), None);
    }
}
