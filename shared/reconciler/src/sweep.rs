//! The sweep: every few minutes, batched reads over all fleets, and a wake for each with something to do.

use std::collections::BTreeMap;

use driftless_planner::ids::FleetName;
use driftless_planner::policy::Defaults;
use driftless_planner::sweep::{Swept, fleets, rules, sweep as judge};
use driftless_planner::wake::{Wake, WakeMessage};
use futures_util::future::{join_all, join3, try_join_all};
use jiff::SignedDuration;

use crate::ports::{Called, Ports};

/// Wakes are spread over this long, so that the fleets of an account do not ask Auto Scaling, whose calls all share
/// one bucket, at one moment. Well within the 5 minutes to the next sweep.
const SPREAD: SignedDuration = SignedDuration::from_secs(60);

/// Finds what events have lost, and wakes whom it concerns.
pub async fn sweep<P: Ports>(ports: &P, defaults: &Defaults) -> Called<Swept> {
    let (groups, open, known) = join3(ports.all_groups(), ports.open_fleets(), ports.fingerprints()).await;
    let (fleets, misnamed) = fleets(groups?);
    let rules = rules(&fleets, defaults);
    let mut compliance = BTreeMap::new();
    let mut unread = None;
    for (rule, reading) in join_all(rules.iter().map(async |rule| (rule, ports.non_compliant(rule).await))).await {
        match reading {
            Ok(reading) => {
                compliance.insert(rule.clone(), reading);
            }
            // One rule that cannot be read must not keep the sweep from the fleets of the others.
            Err(error) => {
                tracing::error!(error_type = "Retryable", %rule, %error, "a rule could not be read by the sweep");
                unread.get_or_insert(error);
            }
        }
    }
    let mut swept = judge(&fleets, &compliance, &open?, &known?, defaults);
    swept.misnamed = misnamed;
    for group in &swept.misnamed {
        tracing::error!(
            error_type = "InvalidTag",
            group,
            "the tag driftless:fleet is no fleet name; the group is left alone"
        );
    }
    let count = i32::try_from(swept.wakes.len()).unwrap_or(i32::MAX).max(1);
    // Few fleets need no spreading: one a second.
    let step = (SPREAD / count).min(SignedDuration::from_secs(1));
    try_join_all(swept.wakes.iter().zip(0_i32..).map(|((fleet, reason), position)| {
        tracing::info!(%fleet, reason, "woken by the sweep");
        // SQS delays by whole seconds.
        send(ports, fleet, SignedDuration::from_secs((step * position).as_secs()))
    }))
    .await?;
    // What is not known of all must not be published as if it were: the sweep fails, after it has woken whom it could.
    unread.map_or(Ok(swept), Err)
}

async fn send<P: Ports>(ports: &P, fleet: &FleetName, delay: SignedDuration) -> Called<()> {
    ports.send(&WakeMessage::Wake(Wake { fleet: fleet.clone(), due: None }), delay).await
}
