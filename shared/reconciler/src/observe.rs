//! One look at a fleet: at most three rounds of reads, those of a round made together.

use std::collections::BTreeMap;

use driftless_planner::ids::FleetName;
use driftless_planner::observation::{Group, Observation};
use driftless_planner::policy::Defaults;
use driftless_planner::questions;
use driftless_planner::record::Record;
use futures_util::future::{join, join3, join4, try_join_all};

use crate::ports::{Called, Ports};

/// Reads what a decision needs to know, from the groups on: the first of the three rounds is the caller's.
pub async fn observe<P: Ports>(
    ports: &P,
    fleet: &FleetName,
    groups: Vec<Group>,
    record: Option<&Record>,
    defaults: &Defaults,
) -> Called<Observation> {
    let asked = questions::first(fleet, &groups, record, defaults);
    let (traffic, targets, compliance, templates) = join4(
        ports.weights(&asked.target_groups),
        try_join_all(asked.target_groups.iter().map(async |arn| Ok((arn.clone(), ports.target_health(arn).await?)))),
        try_join_all(asked.rules.iter().map(async |rule| Ok((rule.clone(), ports.non_compliant(rule).await?)))),
        try_join_all(asked.templates.iter().map(async |version| Ok((version.clone(), ports.template(version).await?)))),
    )
    .await;
    let mut seen = Observation {
        groups,
        traffic: traffic?,
        targets: targets?.into_iter().collect(),
        compliance: compliance?.into_iter().collect(),
        templates: present(templates?),
        ..Observation::default()
    };
    let asked = questions::second(&seen, record);
    if asked.machines.is_empty() {
        return Ok(seen);
    }
    let (machines, refreshing, failures) = join3(
        ports.machines(&asked.machines),
        try_join_all(asked.refreshes.iter().map(async |group| Ok((group.clone(), ports.is_refreshing(group).await?)))),
        try_join_all(
            asked.launch_failures.iter().map(async |group| Ok((group.clone(), ports.launch_failure(group).await?))),
        ),
    )
    .await;
    seen.machines = machines?;
    seen.refreshing =
        refreshing?.into_iter().filter(|(_, is_refreshing)| *is_refreshing).map(|(group, _)| group).collect();
    seen.launch_failures = present(failures?);
    Ok(seen)
}

/// The first round: the groups, and everything that is stored.
pub async fn first_round<P: Ports>(ports: &P, fleet: &FleetName) -> (Called<Vec<Group>>, Called<crate::ports::Stored>) {
    join(ports.groups_of(fleet), ports.load(fleet)).await
}

fn present<K: Ord, V>(answers: Vec<(K, Option<V>)>) -> BTreeMap<K, V> {
    answers.into_iter().filter_map(|(key, answer)| Some((key, answer?))).collect()
}
