//! Cost: counted calls times list prices, in the tables of docs/cost.md. Only the prices, and the quantities of the
//! template in `fixed`, are written by hand.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use driftless_simulator::account::Size;
use driftless_simulator::world::Counts;
use jiff::SignedDuration;

use crate::burst::burst;
use crate::support::{IdleFleets, calls, idle_fleets, run};

/// The simulated time, which is extrapolated to a month.
const WATCHED_HOURS: i64 = 1;
const MONTH_HOURS: i64 = 730;
/// The date of the prices.
const DATE: &str = "2026-11-21";

/// A list price of us-east-1 in dollars, with the monthly free tier.
struct Price {
    what: &'static str,
    dollars: f64,
    each: f64,
    unit: &'static str,
    free: f64,
}

const fn price(what: &'static str, dollars: f64, each: f64, unit: &'static str, free: f64) -> Price {
    Price { what, dollars, each, unit, free }
}

const LAMBDA_REQUESTS: &str = "Lambda requests";
const LAMBDA_TIME: &str = "Lambda arm64 duration";
const WRITES: &str = "DynamoDB writes";
const READS: &str = "DynamoDB reads";
const SQS: &str = "SQS requests";
const SNS: &str = "SNS publishes";
const SCHEDULER: &str = "Scheduler invocations";
const METRICS: &str = "CloudWatch metrics";
const ALARMS: &str = "CloudWatch alarm metrics";
const DASHBOARD: &str = "CloudWatch dashboards";
const LOGS: &str = "CloudWatch log lines of metrics";
const KEY: &str = "KMS keys";
const EVENTS: &str = "EventBridge custom events";
const TRACES: &str = "X-Ray traces recorded";

const PRICES: [Price; 14] = [
    price(LAMBDA_REQUESTS, 0.20, 1e6, "requests", 1e6),
    price(LAMBDA_TIME, 13.3334, 1e6, "GB-seconds", 4e5),
    price(WRITES, 0.625, 1e6, "write request units of 1 KB", 0.0),
    price(READS, 0.125, 1e6, "read request units of 4 KB", 0.0),
    price(SQS, 0.40, 1e6, "requests", 1e6),
    price(SNS, 0.50, 1e6, "publishes", 1e6),
    price(SCHEDULER, 1.00, 1e6, "invocations", 14e6),
    price(METRICS, 0.30, 1.0, "metric", 10.0),
    price(ALARMS, 0.10, 1.0, "metric that an alarm watches", 10.0),
    price(DASHBOARD, 3.00, 1.0, "dashboard", 0.0),
    price(LOGS, 0.50, 1e9, "bytes taken in", 5e9),
    price(KEY, 1.00, 1.0, "key", 0.0),
    price(EVENTS, 1.00, 1e6, "events", 0.0),
    price(TRACES, 5.00, 1e6, "traces", 1e5),
];

/// Quantities by billed unit.
type Amounts = BTreeMap<&'static str, f64>;

/// Lambda bills gigabyte-seconds. One call of a detector runs with 128 MB for a time that is rounded up, since calls on
/// the simulated AWS have no real duration.
const DETECTOR_GIGABYTES: f64 = 0.125;
const DETECTOR_SECONDS: f64 = 0.1;
const RECONCILE_GIGABYTES: f64 = 0.25;

/// A row, an event or a request: each is small enough for one unit.
const WRITE: f64 = 1.0;
/// Each item of a transaction costs two units.
const IN_TRANSACTION: f64 = 2.0;
const EVENTUAL: f64 = 0.5;
/// Size of a stored fingerprint in bytes. One unit reads 4 KB.
const FINGERPRINT: f64 = 110.0;
/// Polls of an empty queue in an hour: Lambda has five pollers that wait for 20 s each.
const POLLS_PER_HOUR: f64 = 5.0 * 180.0;
/// The queues of the three detectors and the reconcile queue.
const QUEUES: f64 = 4.0;
/// Size of a metric line of one fleet in the log, in bytes.
const METRIC_LINE: f64 = 250.0;

fn number(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap())
}

/// The counts in billed units. `events`: events of AWS, each of which starts a detector; `indexed`: instances whose
/// fleet the index stores.
fn billed(counts: &Counts, fleets: usize, events: usize, indexed: usize) -> Amounts {
    let of = |operation: &str| number(calls(counts, operation));
    let fleets = number(u64::try_from(fleets).unwrap());
    let [events, indexed] = [events, indexed].map(|count| number(u64::try_from(count).unwrap()));
    let (of_detectors, of_reconcile) = (events / 10.0, number(counts.functions));
    let resyncs = of("open_fleets");
    // A commit writes four items (record, lease, history, outbox); storing a fact writes two (the fact and the request
    // count).
    let transactions = of("commit") * 4.0 + of("store") * 2.0;
    let locks = of("acquire") + of("release") + of("claim_request") + of("take_immediate_run");
    // The resync stores four index entries for each fleet that it requests: a target group of each color, an alarm and
    // the fingerprint.
    let others = of("mark_delivered")
        + of("mark_published")
        + of("remember") * 4.0
        + of("take_slot")
        + of("give_slot")
        + indexed;
    let decided = of("load") * (1.0 + 3.0 + EVENTUAL) + of("freezes") * 2.0;
    // A batch of ten facts reads the index entry of each, and its deduplication time with the lease of its fleet.
    let shared = (of("dynamodb:BatchGetItem") * 10.0 + of("deduplication") * 20.0) * EVENTUAL;
    let resynced = resyncs * EVENTUAL * (2.0 + (fleets * FINGERPRINT / 4096.0).ceil());
    let requests = of("sqs:SendMessage") + of("sqs:SendMessageBatch");
    // An event is sent, received and deleted, and so is its fact. A batch holds ten where they arrive together.
    let carried = events + of_detectors * 3.0 + of_reconcile * 2.0;
    let lived = counts.lived.as_secs_f64() * RECONCILE_GIGABYTES;
    Amounts::from([
        (LAMBDA_REQUESTS, of_detectors + of_reconcile),
        (LAMBDA_TIME, lived + of_detectors * DETECTOR_SECONDS * DETECTOR_GIGABYTES),
        (TRACES, of_detectors + of_reconcile),
        (EVENTS, of("events:PutEvents")),
        (WRITES, transactions * IN_TRANSACTION * WRITE + (locks + others) * WRITE),
        (READS, decided + shared + resynced),
        (SQS, requests + carried),
        (SNS, of("sns:Publish") + of("sns:Publish (chat)")),
        (SCHEDULER, resyncs),
        (LOGS, resyncs * fleets * METRIC_LINE),
    ])
}

/// Monthly cost without any event.
fn fixed(fleets: usize) -> Amounts {
    let fleets = number(u64::try_from(fleets).unwrap());
    let hours = f64::from(i32::try_from(MONTH_HOURS).unwrap());
    Amounts::from([
        (SQS, QUEUES * POLLS_PER_HOUR * hours),
        (METRICS, 9.0 + fleets),
        (ALARMS, 30.0),
        (DASHBOARD, 1.0),
        (KEY, 1.0),
    ])
}

/// Monthly cost of an account in which nothing changes.
fn idle(fleets: usize) -> Amounts {
    let IdleFleets { mut simulation, .. } = idle_fleets(Size { fleets, instances: 10 });
    run(&mut simulation, SignedDuration::from_hours(WATCHED_HOURS));
    let counts = simulation.shared().lock().counts.clone();
    let months = f64::from(i32::try_from(MONTH_HOURS).unwrap()) / f64::from(i32::try_from(WATCHED_HOURS).unwrap());
    let mut amounts = billed(&counts, fleets, 0, 0);
    for amount in amounts.values_mut() {
        *amount *= months;
    }
    for (what, amount) in fixed(fleets) {
        *amounts.entry(what).or_default() += amount;
    }
    amounts
}

fn dollars(amounts: &Amounts, is_free_used_up: bool) -> f64 {
    let cost = |price: &Price| {
        let amount = amounts.get(price.what).copied().unwrap_or(0.0);
        let free = if is_free_used_up { 0.0 } else { price.free };
        (amount - free).max(0.0) * price.dollars / price.each
    };
    PRICES.iter().map(cost).sum()
}

fn page() -> String {
    let accounts = [("no fleets", 0), ("10 fleets", 10), ("100 fleets", 100), ("1,000 fleets", 1_000)];
    let mut bills: Vec<(&str, usize, Amounts)> =
        accounts.into_iter().map(|(name, fleets)| (name, fleets, idle(fleets))).collect();
    let burst = burst(100, 50);
    bills.push(("one event burst", 100, billed(&burst.counts, 100, burst.events, burst.distinct)));
    let mut page = String::from(INTRODUCTION);
    page.push_str("| account | $ a month | $ a month without free tiers | of it for each fleet | runs of functions |\n| --- | --- | --- | --- | --- |\n");
    for (name, fleets, amounts) in &bills {
        let (usual, full) = (dollars(amounts, false), dollars(amounts, true));
        let empty = bills.first().map_or(0.0, |(_, _, amounts)| dollars(amounts, true));
        let of_fleets = if *name == "one event burst" { full } else { full - empty };
        let each = if *fleets == 0 {
            "–".to_owned()
        } else {
            format!("{:.3}", of_fleets / number(u64::try_from(*fleets).unwrap()))
        };
        let runs = amounts.get(LAMBDA_REQUESTS).copied().unwrap_or(0.0);
        let _ = writeln!(page, "| {name} | {usual:.2} | {full:.2} | {each} | {runs:.0} |");
    }
    page.push_str("\n## Quantities a month\n\n| what |");
    for (name, _, _) in &bills {
        let _ = write!(page, " {name} |");
    }
    let _ = writeln!(page, "\n| --- |{}", " --- |".repeat(bills.len()));
    for price in &PRICES {
        let amounts = bills.iter().map(|(_, _, amounts)| amounts.get(price.what).copied().unwrap_or(0.0));
        let cells: Vec<String> = amounts.map(|amount| format!("{amount:.0}")).collect();
        let _ = writeln!(page, "| {} | {} |", price.what, cells.join(" | "));
    }
    let _ = write!(
        page,
        "\n## Prices\n\nList prices of us-east-1, as of {DATE}. Check those of your region.\n\n| what | $ | for | free each month |\n| --- | --- | --- | --- |\n"
    );
    for price in &PRICES {
        let Price { what, dollars, each, unit, free } = price;
        let _ = writeln!(page, "| {what} | {dollars} | {each} {unit} | {free} |");
    }
    page.push_str(SOURCES);
    page
}

const INTRODUCTION: &str = "\
# Cost

What Driftless costs in one account and region: calls counted on the simulated AWS, times list prices. It has not been compared with a
real bill yet. `make scale` compares this page with what it counts, and `make scale BLESS=1` writes it.

An idle account still runs the resync every 5 minutes and reconciles each fleet once an hour. The event burst is the one of
[Performance](performance.md#event-bursts): 10,000 events over 100 fleets, once. Read calls of Auto Scaling, EC2, load balancers, Config and
alarms cost nothing.

**Duration** is the time that the functions ran on the simulated AWS, where a call takes 4 to 120 ms, 62 ms on average. Most calls within a
region are faster, so the real bill should be lower. The functions' own processor time, some milliseconds a run
([Performance](performance.md)), is small beside that. Traces are counted as if X-Ray recorded all of them.

";

const SOURCES: &str = "
Sources: AWS's price lists for Lambda, DynamoDB (on demand, as halved in November 2024), SQS, SNS and KMS, and CloudWatch's
pricing page, as quoted by public pages. Prices of metrics, alarms and dashboards are those of
[Metrics](metrics.md). A write below 1 KB and a read below 4 KB count as one unit. A record with many
replacements is larger and costs more. The instances that run while both colors are up are not part of this bill. They cost more than all of it.

Lambda also polls empty queues: five pollers for each of four queues, and each poll waits 20 seconds.
";

#[test]
#[ignore = "made for the profile sim: make scale runs it"]
fn the_cost_is_what_was_counted_times_the_prices() {
    let page = page();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cost.md");
    if env::var_os("BLESS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let known = fs::read_to_string(&path).unwrap_or_default();
    let differs = (1..).zip(known.lines().zip(page.lines())).find(|(_, (was, is))| was != is);
    assert!(known == page, "docs/cost.md is not what is counted; the first line that differs: {differs:?}");
}
