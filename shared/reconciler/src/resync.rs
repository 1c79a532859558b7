//! The resync. Every few minutes it reads all fleets in batches, and sends a request for each fleet that needs a
//! reconcile pass.

use std::collections::BTreeMap;

use driftless_planner::ids::FleetName;
use driftless_planner::observation::FreezeScope;
use driftless_planner::policy::Defaults;
use driftless_planner::request::{FleetRequest, ReconcileRequest};
use driftless_planner::resync::{Fleet, Read, Resynced, alarm_prefixes, fleets, index, resync as find_work, rules};
use futures_util::future::{join_all, join5};
use jiff::SignedDuration;

use crate::ports::{CallError, CallResult, Ports};
use crate::publisher::Announcements;

/// The time over which the requests are spread, because all fleets of an account share one rate limit of Auto Scaling.
/// 4 of the 5 minutes between two resyncs leave the last pass a minute to finish.
const SPREAD: SignedDuration = SignedDuration::from_mins(4);

/// Finds the fleets whose events were lost or whose work is due, and sends a request for each of them.
pub async fn resync<P: Ports>(ports: &P, defaults: &Defaults) -> CallResult<Resynced> {
    let (groups, open, known, images, in_alarm) =
        join5(ports.all_groups(), ports.open_fleets(), ports.fingerprints(), ports.all_images(), ports.in_alarm())
            .await;
    let (fleets, misnamed) = fleets(groups?, defaults);
    let rules = rules(&fleets);
    // A failed read must not keep the resync from the fleets that do not depend on it.
    let mut unread = None;
    let mut compliance = BTreeMap::new();
    for (rule, reading) in join_all(rules.iter().map(async |rule| (rule, ports.non_compliant(rule).await))).await {
        if let Some(reading) = read(reading, &mut unread, "a rule") {
            compliance.insert(rule.clone(), reading);
        }
    }
    let images = read(images, &mut unread, "the images");
    let in_alarm = read(in_alarm, &mut unread, "the alarms").unwrap_or_default();
    let (open, known) = (open?, known?);
    let everything = Read {
        compliance: &compliance,
        in_alarm: &in_alarm,
        images: images.as_deref(),
        open: &open,
        known: &known,
        now: ports.now(),
    };
    let mut resynced = find_work(&fleets, everything);
    remember_subjects(ports, &fleets, &resynced, &mut unread).await;
    resynced.misnamed = misnamed;
    for group in &resynced.misnamed {
        tracing::error!(
            event = "fleet_tag_invalid",
            error_type = "InvalidTag",
            group,
            "the tag driftless:fleet is no fleet name; the group is not managed"
        );
    }
    let requests = resynced.in_order();
    let count = i32::try_from(requests.len()).unwrap_or(i32::MAX).max(1);
    // A few fleets need no spreading: one request a second.
    let step = (SPREAD / count).min(SignedDuration::from_secs(1));
    let spread = requests.iter().zip(0_i32..).map(|((fleet, reason), position)| {
        tracing::info!(event = "resync_request", %fleet, %reason, "the resync requests a reconcile pass");
        let request = ReconcileRequest::Reconcile(FleetRequest { fleet: (*fleet).clone(), due: None });
        // SQS delays by whole seconds.
        (request, SignedDuration::from_secs((step * position).as_secs()))
    });
    ports.send_all(&spread.collect::<Vec<_>>()).await?;
    put_account_events(ports, &mut unread).await;
    // Published numbers must cover all fleets, so an incomplete resync fails, after it has sent every request that it
    // could.
    unread.map_or(Ok(resynced), Err)
}

/// Puts the account's events (freeze and thaw) on the bus, because they are in no fleet's outbox.
async fn put_account_events<P: Ports>(ports: &P, unread: &mut Option<CallError>) {
    let Some(batches) = read(ports.account_events().await, unread, "the events of the account") else { return };
    let mut announcements = Announcements::default();
    announcements.put_all(ports, &FreezeScope::Account, &batches).await;
    if let Some(error) = announcements.failed() {
        read::<()>(Err(error), unread, "the event bus, which was to take the events of the account");
    }
}

/// The result of a read. None: the read failed. `unread` keeps the first such error, with which the resync fails at its
/// end.
fn read<T>(answer: CallResult<T>, unread: &mut Option<CallError>, what: &'static str) -> Option<T> {
    match answer {
        Ok(answer) => Some(answer),
        Err(error) => {
            tracing::error!(event = "resync_read_failed", error_type = "Retryable", what, %error, "a read failed");
            unread.get_or_insert(error);
            None
        }
    }
}

/// Writes into the index which fleets own which alarms and target groups. This is needed because events of CloudWatch
/// name only the alarm or the target group.
async fn remember_subjects<P: Ports>(
    ports: &P,
    fleets: &BTreeMap<FleetName, Fleet>,
    resynced: &Resynced,
    unread: &mut Option<CallError>,
) {
    let prefixes = alarm_prefixes(fleets);
    let answer = if prefixes.is_empty() { Ok(BTreeMap::new()) } else { ports.alarms(&prefixes).await };
    let Some(alarms) = read(answer, unread, "the alarms that policies name by their beginnings") else { return };
    let entries = index(fleets, &alarms.into_keys().collect(), resynced);
    if !entries.is_empty() {
        read(ports.index(&entries, ports.now()).await, unread, "the index, which was to be written");
    }
}
