//! Contracts about Config, CloudWatch, and the reconcile queue.

use std::collections::BTreeSet;

use anyhow::{Context as _, bail, ensure};
use driftless_planner::action::Bounds;
use driftless_planner::alarm::AlarmPattern;
use driftless_planner::alarm::AlarmState;
use driftless_planner::fact::ComplianceType;
use driftless_planner::ids::{AlarmName, RuleName};
use driftless_planner::observation::RuleReading;
use driftless_planner::request::{FleetRequest, ReconcileRequest};
use driftless_reconciler::ports::{Alarms as _, Compliance as _, RequestQueue as _};
use jiff::SignedDuration;

use crate::sizes::stable;
use crate::support::fleet;
use crate::world::spec;
use crate::{Fleet, World};

pub(crate) async fn config_tells_who_breaks_a_rule_now_and_which_rules_it_does_not_know<W: World>(
    world: &W,
) -> anyhow::Result<()> {
    let ports = world.ports();
    let Fleet { blue, .. } = world.fleet(&spec("config", Bounds { min: 0, max: 4, desired: 2 })?).await?;
    let found = stable(world, &blue.group, 2).await?;
    let [one, other] = &found.members[..] else { bail!("{found:?}") };
    let (rule, second): (RuleName, RuleName) = ("contract-rule-1".parse()?, "contract-rule-2".parse()?);
    ensure!(ports.non_compliant(&rule).await? == RuleReading::NoSuchRule);
    world.report_compliance(&one.id, &rule, ComplianceType::NonCompliant).await?;
    world.report_compliance(&other.id, &rule, ComplianceType::Compliant).await?;
    world.report_compliance(&other.id, &second, ComplianceType::NonCompliant).await?;
    let breaking = async |rule: &RuleName| match ports.non_compliant(rule).await? {
        RuleReading::NonCompliant(found) => anyhow::Ok(found),
        RuleReading::NoSuchRule => bail!("{rule} is not known"),
    };
    let found = breaking(&rule).await?;
    let finding = found.get(&one.id).context("it is not found")?;
    ensure!(found.len() == 1 && finding.recorded_at <= driftless_reconciler::ports::Clock::now(ports), "{found:?}");
    ensure!(breaking(&second).await?.keys().eq([&other.id]));
    world.report_compliance(&one.id, &rule, ComplianceType::Compliant).await?;
    ensure!(breaking(&rule).await?.is_empty(), "and the rule is still known");
    Ok(())
}

pub(crate) async fn alarms_are_found_by_name_and_by_prefix_with_what_they_watch<W: World>(
    world: &W,
) -> anyhow::Result<()> {
    let ports = world.ports();
    let Fleet { blue, .. } = world.fleet(&spec("alarms", Bounds { min: 0, max: 4, desired: 1 })?).await?;
    let names: [AlarmName; 3] = ["contract-5xx".parse()?, "contract-slow".parse()?, "contrast-5xx".parse()?];
    let [first, second, third] = &names;
    world.alarm(first, &blue.target_group, AlarmState::Ok).await?;
    world.alarm(second, &blue.target_group, AlarmState::Alarm).await?;
    world.alarm(third, &blue.target_group, AlarmState::Ok).await?;
    let found = async |patterns: &[&str]| {
        let patterns: BTreeSet<AlarmPattern> =
            patterns.iter().map(|pattern| pattern.parse()).collect::<Result<_, _>>()?;
        anyhow::Ok(ports.alarms(&patterns).await?)
    };
    for (patterns, expected) in [
        (&["contract-5xx"][..], &[first][..]),
        (&["contract-5xx", "contract-none"], &[first]),
        (&["contract-*"], &[first, second]),
        (&["contract-*", "contract-5xx", "contrast-5xx"], &[first, second, third]),
        (&["contract-none*"], &[]),
        (&[], &[]),
    ] {
        let found = found(patterns).await?;
        ensure!(found.keys().eq(expected.iter().copied()), "{patterns:?}: {found:?}");
    }
    let all = found(&["contract-*"]).await?;
    let (quiet, is_in_alarm) = (all.get(first).context("none")?, all.get(second).context("none")?);
    ensure!((quiet.state, is_in_alarm.state) == (AlarmState::Ok, AlarmState::Alarm), "{all:?}");
    ensure!(quiet.subject.target_groups == [blue.target_group.dimension()], "{quiet:?}");
    ensure!(quiet.subject.instances.is_empty() && quiet.subject.groups.is_empty(), "{quiet:?}");
    ensure!(quiet.window == Some(SignedDuration::from_mins(3)), "{quiet:?}");
    let in_alarm = ports.in_alarm().await?;
    ensure!(in_alarm.contains_key(second) && !in_alarm.contains_key(first), "{in_alarm:?}");
    world.alarm(second, &blue.target_group, AlarmState::Ok).await?;
    ensure!(!ports.in_alarm().await?.contains_key(second));
    Ok(())
}

pub(crate) async fn a_request_may_be_delayed_by_up_to_fifteen_minutes<W: World>(world: &W) -> anyhow::Result<()> {
    let ports = world.ports();
    let message = ReconcileRequest::Reconcile(FleetRequest { fleet: fleet("request-none")?, due: None });
    for delay in [SignedDuration::from_millis(1), SignedDuration::from_mins(15)] {
        ports.send(&message, delay).await?;
    }
    Ok(())
}
