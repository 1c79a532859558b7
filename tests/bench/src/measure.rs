//! Measurements: each candidate runs in fresh processes, alternating with the others, so that other load on the machine
//! affects all of them.

use std::time::Duration;

use anyhow::{Context as _, ensure};

use crate::cases::{Case, Places, is_success};
use crate::cloud::{Call, Cloud, Wire};
use crate::floor::{rounds, script};
use crate::peers::Peer;
use crate::process::{Program, tail};
use crate::runtime::{self, Run};
use crate::statistics::{median, percentile};
use crate::world::World;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Fresh processes of each function and of its baseline.
    pub processes: usize,
    /// Further events of each.
    pub warm: usize,
    /// Fresh processes of each peer.
    pub of_peers: usize,
    /// How much longer each call takes in the measurement with a network.
    pub network: Duration,
}

/// What a further event of a peer may cost in all, per process: a slow one is given fewer.
const PEER_BUDGET_MS: f64 = 3000.0;
/// The fewest further events of a peer.
const PEER_WARM_MIN: usize = 5;
/// The delay of each recorded call, so that parallel calls overlap visibly.
const RECORDING_DELAY: Duration = Duration::from_millis(20);

/// Medians over fresh processes; the 99th percentile is over all warm events. Times in milliseconds, memory in MiB.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Figures {
    /// From the start of the process to its first request for work.
    pub init: f64,
    pub first: f64,
    pub start: f64,
    /// Processor time of both.
    pub cpu_start: f64,
    /// A further event.
    pub p50: f64,
    /// The slowest of a hundred.
    pub p99: f64,
    /// Processor time of a further event.
    pub cpu: f64,
    /// Peak of the resident memory.
    pub rss: f64,
}

impl Figures {
    fn of(runs: &[Run]) -> anyhow::Result<Self> {
        let over = |figure: &dyn Fn(&Run) -> f64| {
            median(&runs.iter().map(figure).collect::<Vec<_>>()).context("nothing was measured")
        };
        let warm: Vec<f64> = runs.iter().flat_map(|run| run.warm.iter().copied()).collect();
        Ok(Self {
            init: over(&|run| run.init)?,
            first: over(&|run| run.first)?,
            start: over(&|run| run.init + run.first)?,
            cpu_start: over(&|run| run.cpu_first)?,
            p50: over(&|run| median(&run.warm).unwrap_or(f64::NAN))?,
            p99: percentile(&warm, 0.99).context("no warm event was measured")?,
            cpu: over(&|run| run.cpu_warm)?,
            rss: over(&|run| run.peak_kib / 1024.0)?,
        })
    }
}

/// What was measured of a case.
#[derive(Debug, Clone)]
pub struct Measured {
    pub tls: Figures,
    pub http: Figures,
    /// The same calls on plain sockets.
    pub floor: Figures,
    /// The duration of a further event over TLS when each call takes [`Effort::network`] longer, and that of the
    /// baseline.
    pub network: (f64, f64),
    /// The calls of an event, in rounds.
    pub rounds: Vec<Vec<String>>,
}

impl Measured {
    /// The duration beyond the baseline, in milliseconds: over HTTP, warm.
    pub fn added(&self) -> f64 {
        let calls: usize = self.rounds.iter().map(Vec::len).sum();
        #[expect(clippy::cast_precision_loss, reason = "a few calls")]
        {
            (self.http.p50 - self.floor.p50) / calls.max(1) as f64
        }
    }
}

/// One of those that are measured in turn.
struct Candidate {
    program: Program,
    event: String,
    world: World,
    delay: Duration,
    /// All events of a process, the first one included.
    events: usize,
    processes: usize,
    runs: Vec<Run>,
}

/// Measures what is asked for.
#[derive(Debug)]
pub struct Bench<'a> {
    pub places: &'a Places,
    pub cloud: &'a Cloud,
    /// How much is measured.
    pub effort: Effort,
}

impl Bench<'_> {
    /// Measures a case and its baseline.
    pub async fn case(&self, case: &Case) -> anyhow::Result<Measured> {
        self.case_of(case).await.with_context(|| case.id())
    }

    async fn case_of(&self, case: &Case) -> anyhow::Result<Measured> {
        let calls = self.calls(case).await?;
        let file = self.places.work.join(format!("{}-{}.floor", case.function, case.name));
        std::fs::write(&file, script(&calls))?;
        let floor = Program {
            command: vec![baseline_binary(), file.display().to_string()],
            log: self.places.work.join("floor.log"),
            ..self.places.program(case.function, self.cloud, Wire::Http)
        };
        let own = |wire| self.places.program(case.function, self.cloud, wire);
        let Effort { processes, warm, network, .. } = self.effort;
        let (fewer, slowly) = (processes.div_ceil(3), warm.div_ceil(5));
        let candidate = |program, delay, events, processes| Candidate {
            program,
            event: case.event.clone(),
            world: case.world.clone(),
            delay,
            events: events + 1,
            processes,
            runs: Vec::new(),
        };
        let mut candidates = [
            candidate(own(Wire::Tls), Duration::ZERO, warm, processes),
            candidate(own(Wire::Http), Duration::ZERO, warm, processes),
            candidate(floor.clone(), Duration::ZERO, warm, processes),
            candidate(own(Wire::Tls), network, slowly, fewer),
            candidate(floor, network, slowly, fewer),
        ];
        self.in_turn(&mut candidates).await?;
        let [tls, http, floor, far, far_baseline] = &candidates;
        let figures = |candidate: &Candidate| Figures::of(&candidate.runs);
        let names = calls.iter().map(|round| {
            let mut names: Vec<String> = round.iter().map(Call::name).collect();
            names.sort();
            names
        });
        Ok(Measured {
            tls: figures(tls)?,
            http: figures(http)?,
            floor: figures(floor)?,
            network: (figures(far)?.p50, figures(far_baseline)?.p50),
            rounds: names.collect(),
        })
    }

    /// A peer.
    pub async fn peer(&self, peer: &Peer, event: &str, world: &World) -> anyhow::Result<Figures> {
        self.peer_of(peer, event, world).await.with_context(|| peer.name.clone())
    }

    async fn peer_of(&self, peer: &Peer, event: &str, world: &World) -> anyhow::Result<Figures> {
        let program = peer.program(self.places, self.cloud, Wire::Tls);
        self.cloud.set(world.clone(), Duration::ZERO);
        self.cloud.take_calls();
        let run = self.one(&program, event, 2).await?;
        // Two events: a call that a process makes only once does not belong to an event.
        let calls: Vec<String> = self.cloud.take_calls().iter().map(Call::name).collect();
        let each = |name: &String| calls.iter().filter(|call| *call == name).count() >= 2;
        ensure!(peer.calls.iter().all(each), "its calls should be {:?}, and are {calls:?}", peer.calls);
        let slow = run.warm.first().copied().unwrap_or(run.first).max(1.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small count")]
        let affordable = (PEER_BUDGET_MS / slow) as usize;
        let mut candidates = [Candidate {
            program,
            event: event.to_owned(),
            world: world.clone(),
            delay: Duration::ZERO,
            events: affordable.clamp(PEER_WARM_MIN, self.effort.warm.max(PEER_WARM_MIN)) + 1,
            processes: self.effort.of_peers,
            runs: Vec::new(),
        }];
        self.in_turn(&mut candidates).await?;
        let [measured] = &candidates;
        Figures::of(&measured.runs)
    }

    /// The calls of a warm event, in rounds.
    async fn calls(&self, case: &Case) -> anyhow::Result<Vec<Vec<Call>>> {
        let program = self.places.program(case.function, self.cloud, Wire::Http);
        let mut seen = Vec::new();
        for events in [1, 2] {
            self.cloud.set(case.world.clone(), RECORDING_DELAY);
            self.cloud.take_calls();
            let run = self.one(&program, &case.event, events).await?;
            ensure!(is_success(&run.answer), "it answered {}\n{}", run.answer, tail(&program.log));
            seen = self.cloud.take_calls().split_off(seen.len());
        }
        Ok(rounds(seen))
    }

    async fn in_turn(&self, candidates: &mut [Candidate]) -> anyhow::Result<()> {
        let most = candidates.iter().map(|candidate| candidate.processes).max().unwrap_or_default();
        for turn in 0..most {
            for candidate in candidates.iter_mut().filter(|candidate| turn < candidate.processes) {
                self.cloud.set(candidate.world.clone(), candidate.delay);
                let run = self.one(&candidate.program, &candidate.event, candidate.events).await?;
                self.cloud.take_calls();
                candidate.runs.push(run);
            }
        }
        Ok(())
    }

    async fn one(&self, program: &Program, event: &str, events: usize) -> anyhow::Result<Run> {
        let run = runtime::run(program, event, events).await;
        let problems = self.cloud.take_problems();
        ensure!(problems.is_empty(), "{:?}: {}", program.command, problems.join("\n"));
        run
    }
}

/// The binary `floor` is beside this program: one build makes both.
fn baseline_binary() -> String {
    let own = std::env::current_exe().unwrap_or_default();
    own.with_file_name("floor").display().to_string()
}
