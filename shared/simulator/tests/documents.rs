//! Every document that a scenario produces is valid by its published schema: each message, each transition event, and after
//! each line of the scenario every response of the status function.
//!
//! `ONLY=28-` runs the scenarios whose names begin with `28-`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper of a test fails the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, fs, thread};

use driftless_api::answer;
use driftless_planner::ids::InstanceId;
use driftless_planner::policy::Defaults;
use driftless_reconciler::ports::Clock as _;
use driftless_simulator::executor::Simulation;
use driftless_simulator::function::Function;
use driftless_simulator::scenario::Scenario;
use driftless_status::FleetStatus;
use driftless_status::request::{Answer, Question};
use driftless_status::why::Subject;
use driftless_testkit::schemas::Published;
use jiff::SignedDuration;
use serde_json::{Value, json};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The schemas of the documents.
struct Schemas {
    message: Published,
    event: Published,
    response: Published,
    fleet: Published,
}

impl Schemas {
    fn read() -> Self {
        let of = |name: &str| Published::of(&fs::read_to_string(root().join("docs/schemas").join(name)).unwrap());
        Self {
            message: of("message.v1.json"),
            event: of("event.v1.json"),
            response: of("status-response.v1.json"),
            fleet: of("status-fleet.v1.json"),
        }
    }
}

/// What the scenarios produced.
#[derive(Default)]
struct Produced {
    /// How many documents of each kind were checked.
    counts: BTreeMap<&'static str, usize>,
    /// The states of the fleets whose status was checked.
    states: BTreeSet<String>,
    /// The documents that are not valid.
    invalid: Vec<String>,
}

impl Produced {
    fn check(&mut self, kind: &'static str, schema: &Published, document: &Value) {
        *self.counts.entry(kind).or_default() += 1;
        for problem in schema.problems(document) {
            self.invalid.push(format!("{kind}: {problem}\n{document:#}"));
        }
    }
}

fn ask(simulation: &mut Simulation, question: Question) -> Option<Answer> {
    let visit = |ports: Function| async move {
        let until = ports.now() + SignedDuration::from_secs(20);
        answer(&ports, &Defaults::default(), &question, until).await
    };
    simulation.visit(visit)
}

/// Sends every query that the status function supports.
fn query_all(simulation: &mut Simulation, schemas: &Schemas, produced: &mut Produced) {
    let mut get = |question| {
        // None: the function died by a fault of the scenario.
        let response = ask(simulation, question)?;
        produced.check("response", &schemas.response, &json!(response));
        if let Answer::Fleet(status) = &response {
            produced.check("fleet", &schemas.fleet, &json!(status));
            produced.states.insert(json!(status.state).as_str().unwrap().to_owned());
        }
        Some(response)
    };
    let Some(Answer::Fleets(fleets)) = get(Question::Fleets) else { return };
    for fleet in fleets.fleets {
        let Some(Answer::Fleet(status)) = get(Question::Fleet { fleet: fleet.fleet.clone() }) else { continue };
        for subject in subjects(&status) {
            get(Question::Why { subject, fleet: Some(fleet.fleet.clone()) });
        }
        get(Question::History { fleet: fleet.fleet, instance: None, before: None, limit: 1_000 });
    }
}

/// The fleet, and the first drifted instance and image of it.
fn subjects(status: &FleetStatus) -> Vec<Subject> {
    let instance = status.drifted.first().map(|work| Subject::Instance(InstanceId::clone(&work.instance)));
    let image = status.images.first().map(|image| Subject::Image(image.image.clone()));
    [Some(Subject::Fleet(status.fleet.clone())), instance, image].into_iter().flatten().collect()
}

fn play(path: &Path, schemas: &Schemas) -> Produced {
    let scenario = Scenario::parse(&fs::read_to_string(path).unwrap()).unwrap_or_else(|error| panic!("{error}"));
    let mut produced = Produced::default();
    let (mut messages, mut events) = (0, 0);
    let after = |simulation: &mut Simulation| {
        query_all(simulation, schemas, &mut produced);
        let world = simulation.shared().lock();
        for (_, message) in world.topic.sent.iter().skip(messages) {
            produced.check("message", &schemas.message, &serde_json::from_str(&message.json).unwrap());
        }
        for event in world.topic.events.iter().skip(events) {
            produced.check("event", &schemas.event, &serde_json::from_str(&event.detail).unwrap());
        }
        (messages, events) = (world.topic.sent.len(), world.topic.events.len());
    };
    scenario.played(after).unwrap();
    produced
}

#[test]
fn every_document_of_every_scenario_is_valid_by_its_published_schema() {
    let entries = fs::read_dir(root().join("tests/scenarios")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|ending| ending == "scenario")).collect();
    files.sort();
    let only = env::var("ONLY").ok();
    if let Some(only) = &only {
        files.retain(|path| path.file_name().unwrap().to_string_lossy().starts_with(only));
    }
    let (next, all, schemas) = (AtomicUsize::new(0), Mutex::new(Produced::default()), Schemas::read());
    let player = || {
        while let Some(path) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            let produced = play(path, &schemas);
            let mut all = all.lock().unwrap();
            for (kind, count) in produced.counts {
                *all.counts.entry(kind).or_default() += count;
            }
            all.states.extend(produced.states);
            let name = path.file_name().unwrap().display();
            all.invalid.extend(produced.invalid.into_iter().map(|problem| format!("{name}: {problem}")));
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(player);
        }
    });
    let all = all.into_inner().unwrap();
    let first: Vec<&String> = all.invalid.iter().take(3).collect();
    assert!(first.is_empty(), "{} documents are not valid, such as {first:#?}", all.invalid.len());
    if only.is_none() {
        for kind in ["event", "fleet", "message", "response"] {
            assert!(all.counts.get(kind).is_some_and(|count| *count > 500), "{:?}", all.counts);
        }
        assert!(all.states.len() > 8, "{:?}", all.states);
    }
}
