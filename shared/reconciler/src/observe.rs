//! The reads of one reconcile pass: at most three rounds. The reads of one round are made in parallel.

use std::collections::{BTreeMap, BTreeSet};

use driftless_planner::ids::{FleetName, InstanceId, RuleName, TargetGroupArn};
use driftless_planner::image::Image;
use driftless_planner::observation::{Group, Observation, RuleReading, TargetHealth};
use driftless_planner::policy::{Defaults, Policy};
use driftless_planner::read_plan::{self, StoredState};
use driftless_planner::reading::{AlarmReading, Reading};
use driftless_planner::record::Record;
use futures_util::future::{join_all, join3, join5, try_join_all};

use crate::ports::{CallResult, Ports, Stored};

/// The results of the first round: the reads that depend only on the fleet's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstRound {
    /// The groups that carry the fleet's tag.
    pub groups: Vec<Group>,
    /// The images that are tagged for the fleet.
    pub images: Vec<Image>,
    /// The rows of the fleet in the table, and the account's rows that concern the fleet.
    pub stored: Stored,
}

/// Makes the first round of reads: the groups and images that are tagged for the fleet, and its stored state.
pub async fn first_round<P: Ports>(ports: &P, fleet: &FleetName) -> CallResult<FirstRound> {
    let (groups, images, stored) = join3(ports.groups_of(fleet), ports.images_for(fleet), ports.load(fleet)).await;
    Ok(FirstRound { groups: groups?, images: images?, stored: stored? })
}

/// Makes the second and the third round of reads: everything that `decide` needs beyond the first round.
pub async fn observe<P: Ports>(
    ports: &P,
    fleet: &FleetName,
    first: &FirstRound,
    defaults: &Defaults,
) -> CallResult<Observation> {
    let record = first.stored.record.as_ref();
    let policy = read_plan::policy(fleet, &first.groups, defaults);
    let known = StoredState { record, has_news: !first.stored.facts.is_empty() };
    let asked = read_plan::first(fleet, &first.groups, &first.images, known, policy.as_ref());
    let ((forwards, settings, targets), compliance, (templates, newest), alarms, images) = join5(
        join3(
            when_asked(&asked.target_groups, ports.forwards(&asked.target_groups)),
            when_asked(&asked.target_group_settings, ports.target_group_settings(&asked.target_group_settings)),
            targets(ports, &asked.targets),
        ),
        compliance(ports, &asked.rules),
        futures_util::future::join(
            try_join_all(
                asked.templates.iter().map(async |version| Ok((version.clone(), ports.template(version).await?))),
            ),
            try_join_all(
                asked
                    .newest_templates
                    .iter()
                    .map(async |template| Ok((template.clone(), ports.newest_template(template).await?))),
            ),
        ),
        when_asked(&asked.alarms, ports.alarms(&asked.alarms)),
        when_asked(&asked.images, ports.images(&asked.images)),
    )
    .await;
    let tagged = first.images.iter().map(|image| (image.id.clone(), image.clone()));
    let images = images?.into_iter().chain(tagged).collect();
    let mut seen = Observation {
        groups: first.groups.clone(),
        account: first.stored.account.clone(),
        forwards: forwards?,
        target_group_settings: Reading::of(asked.target_group_settings, settings?),
        targets: targets?,
        compliance,
        templates: templates?.into_iter().collect(),
        newest_templates: newest?.into_iter().collect(),
        alarms: AlarmReading::of(asked.alarms, alarms?),
        images: Reading::of(asked.images, images),
        ..Observation::default()
    };
    second_round(ports, fleet, record, policy.as_ref(), &mut seen).await?;
    Ok(seen)
}

/// Reads the health of those targets of the fleet that the decision did not need. `driftless status` shows it to
/// operators.
pub async fn rest_of_targets<P: Ports>(ports: &P, seen: &mut Observation) -> CallResult<()> {
    let of_groups = seen.groups.iter().flat_map(|group| &group.target_groups);
    let unread: BTreeSet<TargetGroupArn> = of_groups.filter(|arn| !seen.targets.is_asked(arn)).cloned().collect();
    let read = targets(ports, &unread).await?;
    seen.targets.extend(read);
    Ok(())
}

async fn targets<P: Ports>(
    ports: &P,
    asked: &BTreeSet<TargetGroupArn>,
) -> CallResult<Reading<TargetGroupArn, BTreeMap<InstanceId, TargetHealth>>> {
    let read = asked.iter().map(async |arn| Ok((arn.clone(), Some(ports.target_health(arn).await?))));
    Ok(try_join_all(read).await?.into_iter().collect())
}

/// Reads the compliance results of rules. A rule that cannot be read is left out: no replacement starts because of it,
/// and facts about it stay stored. A failed read must not block anything else, least of all the rollback of a bad
/// release. The resync fails in that case, which reports that AWS Config does not respond.
async fn compliance<P: Ports>(ports: &P, rules: &BTreeSet<RuleName>) -> BTreeMap<RuleName, RuleReading> {
    let read = rules.iter().map(async |rule| match ports.non_compliant(rule).await {
        Ok(reading) => Some((rule.clone(), reading)),
        Err(error) => {
            tracing::error!(
                event = "rule_read_failed",
                error_type = "Retryable",
                %rule,
                %error,
                "the compliance of a rule could not be read: no replacement starts for it"
            );
            None
        }
    });
    join_all(read).await.into_iter().flatten().collect()
}

async fn second_round<P: Ports>(
    ports: &P,
    fleet: &FleetName,
    record: Option<&Record>,
    policy: Option<&Policy>,
    seen: &mut Observation,
) -> CallResult<()> {
    let asked = read_plan::second(fleet, seen, record, policy);
    if asked.is_empty() {
        return Ok(());
    }
    let (machines, (refreshes, hooks), failures, templates, targets) = join5(
        when_asked(&asked.machines, ports.machines(&asked.machines)),
        futures_util::future::join(
            try_join_all(asked.refreshes.iter().map(async |group| Ok((group.clone(), ports.refresh(group).await?)))),
            try_join_all(
                asked.hook_timeouts.iter().map(async |group| Ok((group.clone(), ports.hook_timeout(group).await?))),
            ),
        ),
        try_join_all(
            asked.launch_failures.iter().map(async |group| Ok((group.clone(), ports.launch_failure(group).await?))),
        ),
        try_join_all(asked.templates.iter().map(async |version| Ok((version.clone(), ports.template(version).await?)))),
        targets(ports, &asked.targets),
    )
    .await;
    seen.targets.extend(targets?);
    seen.machines = Reading::of(asked.machines, machines?);
    seen.refreshes = refreshes?.into_iter().collect();
    seen.hook_timeouts = hooks?.into_iter().map(|(group, timeout)| (group, Some(timeout))).collect();
    seen.launch_failures = failures?.into_iter().collect();
    seen.templates.extend(templates?);
    Ok(())
}

/// Makes the call if there are any keys, and no call for an empty set.
async fn when_asked<K, V: Default>(keys: &BTreeSet<K>, call: impl Future<Output = CallResult<V>>) -> CallResult<V> {
    if keys.is_empty() { Ok(V::default()) } else { call.await }
}
