//! `make bench`: measures the release builds of the functions, a baseline that makes the same calls, and the peers. It prints
//! the tables, and writes them into `docs/performance.md` and `docs/internals/performance-goals.md`.
//!
//! It fails when something that is measured fails, and never because it is slow.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::Parser;
use driftless_bench::cases::{self, Case, Places};
use driftless_bench::cloud::Cloud;
use driftless_bench::measure::{Bench, Effort};
use driftless_bench::peers::{self, Peer};
use driftless_bench::report::{CaseReport, PeerReport, Report, replaced};
use driftless_bench::trust::Trust;
use driftless_bench::{burst, size};
use driftless_testkit::plot::svg;

const BYTES_OF_MB: f64 = 1e6;

const PLOT_TITLE: &str = "Cold start: init and first event, over TLS (baseline: over HTTP), logarithmic";

#[derive(Debug, Parser)]
#[command(about = "Measures the functions beside their baseline and what people use instead")]
struct Arguments {
    /// Fresh processes of each function.
    #[arg(long, default_value_t = 15)]
    processes: usize,
    /// Further events of each process.
    #[arg(long, default_value_t = 200)]
    warm: usize,
    /// Fresh processes of each peer.
    #[arg(long, default_value_t = 5)]
    of_peers: usize,
    /// How much longer each call takes in the measurement with a network, in milliseconds.
    #[arg(long, default_value_t = 5)]
    network: u64,
    /// Only cases and peers whose name contains this.
    #[arg(long)]
    only: Option<String>,
    /// Cargo's folder with the builds. Else the one that this program was built into.
    #[arg(long)]
    target: Option<PathBuf>,
    /// The profile whose builds of the functions are measured. Figures of another one than release say nothing.
    #[arg(long, default_value = "release")]
    profile: String,
    /// Writes docs/performance.md with its plot, and docs/internals/performance-goals.md.
    #[arg(long)]
    write: bool,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(bench(&arguments))
}

async fn bench(arguments: &Arguments) -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    let own = std::env::current_exe()?;
    let beside = || own.ancestors().nth(2).map(Path::to_path_buf);
    let target = arguments.target.clone().or_else(beside).context("cargo's folder is not known")?;
    let work = target.join("bench/logs");
    // Logs of earlier runs would be taken for those of this one.
    if work.exists() {
        std::fs::remove_dir_all(&work)?;
    }
    std::fs::create_dir_all(work.join("home"))?;
    let profile = arguments.profile.clone();
    let places = Places { roots: work.join("roots.pem"), root, target, profile, work };
    let trust = Trust::new()?;
    trust.write_roots(&cases::amazon_roots(&places.root), &places.roots)?;
    let cloud = Cloud::start(&trust).await?;

    let effort = Effort {
        processes: arguments.processes,
        warm: arguments.warm,
        of_peers: arguments.of_peers,
        network: Duration::from_millis(arguments.network),
    };
    let bench = Bench { places: &places, cloud: &cloud, effort };
    let is_asked = |name: &str| arguments.only.as_ref().is_none_or(|only| name.contains(only.as_str()));
    let all = cases::all(&places, &cloud).await?;
    let peers = peers::all(&places.root.join("tests/bench/peers"))?;
    let world = all.first().map(|case| case.world.clone()).unwrap_or_default();
    let mut report = about(&places, arguments);
    for case in all.iter().filter(|case| is_asked(&case.id())) {
        say(&format!("{} …", case.id()));
        report.cases.push(of_case(&bench, case).await?);
    }
    let event = cases::peer_event(&places)?;
    for peer in peers.iter().filter(|peer| is_asked(&peer.name)) {
        say(&format!("{} …", peer.name));
        let figures = bench.peer(peer, &event, &world).await?;
        report.peers.push(of_peer(peer, figures, &places)?);
    }
    if is_asked("burst") {
        say("burst …");
        report.burst = Some(burst::burst(&places, &cloud).await.context("burst")?);
    }
    show(&format!("\n{}\n\n{}", report.about.join("\n"), report.tables()));
    if arguments.write {
        ensure!(
            arguments.only.is_none() && arguments.profile == "release",
            "what is written is the whole, of what is shipped"
        );
        write(&report, &places.root)?;
    }
    Ok(())
}

async fn of_case(bench: &Bench<'_>, case: &Case) -> anyhow::Result<CaseReport> {
    let zip = megabytes(size::zipped(&bench.places.function(case.function))?);
    let measured = bench.case(case).await?;
    Ok(CaseReport { function: case.function, id: case.id(), title: case.title, goals: case.goals, measured, zip })
}

fn of_peer(peer: &Peer, figures: driftless_bench::measure::Figures, places: &Places) -> anyhow::Result<PeerReport> {
    Ok(PeerReport {
        name: peer.name.clone(),
        title: peer.title.clone(),
        versions: peer.versions(places)?,
        compared_with: peer.compared_with.clone(),
        figures,
        zip: megabytes(peer.size(places)?),
    })
}

#[expect(clippy::cast_precision_loss, reason = "no artifact is that large")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / BYTES_OF_MB
}

fn write(report: &Report, root: &Path) -> anyhow::Result<()> {
    let pages =
        [("docs/performance.md", report.section()), ("docs/internals/performance-goals.md", report.goals_section())];
    for (name, section) in pages {
        let page = root.join(name);
        let text = std::fs::read_to_string(&page)?;
        let text = replaced(&text, &section).with_context(|| format!("{name} has no place for the section"))?;
        std::fs::write(page, text)?;
    }
    let plot = svg(PLOT_TITLE, " ms", &report.bars());
    std::fs::write(root.join("docs/performance-bench.svg"), plot)?;
    Ok(())
}

/// What the figures depend on beside the code.
fn about(places: &Places, arguments: &Arguments) -> Report {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let cpu = cpu.trim_start_matches([' ', '\t', ':']);
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let told = |program: &str, argument: &str| {
        let output = Command::new(program).arg(argument).current_dir(&places.root).output();
        output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
    };
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    let Arguments { processes, warm, of_peers, network, .. } = arguments;
    let about = vec![
        format!(
            "{}, {cores} cores of {cpu} with a load of {load} before it began, {}.",
            jiff::Zoned::now().date(),
            told("uname", "-sr")
        ),
        format!(
            "{}: `cargo build --profile {} --locked` of each function by itself, for the architecture of this machine ({}). `template.yaml` deploys arm64.",
            told("rustc", "--version"),
            arguments.profile,
            std::env::consts::ARCH
        ),
        format!(
            "Medians of {processes} fresh processes ({of_peers} of each alternative) with up to {warm} warm events each. p99 is over all warm events."
        ),
        "A stub of AWS on the same machine answers every call over loopback, so that calls have no network latency."
            .to_owned(),
    ];
    #[expect(clippy::cast_precision_loss, reason = "a few milliseconds")]
    Report { about, network_ms: *network as f64, ..Report::default() }
}

#[expect(clippy::print_stderr, reason = "whoever waits for minutes is told what for")]
fn say(line: &str) {
    eprintln!("{line}");
}

#[expect(clippy::print_stdout, reason = "the tables are what this program is for")]
fn show(text: &str) {
    println!("{text}");
}
