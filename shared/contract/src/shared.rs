//! Contracts about state that several fleets share: cutover slots, freezes, the index, fingerprints, and the list of
//! fleets with open work.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::ensure;
use driftless_planner::fact::Subject;
use driftless_planner::ids::FleetName;
use driftless_planner::notification::{Details, Notification};
use driftless_planner::observation::{Freeze, FreezeScope};
use driftless_planner::record::{BorrowedSetting, Release, Setting};
use driftless_planner::template::TemplateVersion;
use driftless_reconciler::ports::{Clock as _, Committed, Ports, Store as _};
use futures_util::future::try_join_all;
use jiff::SignedDuration;

use crate::World;
use crate::support::{decision, eventually, fact, fleet, lease, stored};

pub(crate) async fn slots_are_taken_up_to_the_limit_kept_and_given_back<W: World>(world: &W) -> anyhow::Result<()> {
    let ports = world.ports();
    let (first, second) = (fleet("turn-1")?, fleet("turn-2")?);
    let (third, late) = (fleet("turn-3")?, fleet("turn-4")?);
    let now = stored(ports.now())? + SignedDuration::from_micros(500);
    for fleet in [&first, &second, &third] {
        ensure!(ports.take_slot(fleet, 3, now).await?, "{fleet} finds one");
    }
    ensure!(!ports.take_slot(&late, 3, now).await?, "there is none left");
    ensure!(ports.take_slot(&first, 3, now + SignedDuration::from_secs(9)).await?, "it has one already");
    ensure!(ports.take_slot(&second, 1, now).await?, "also where the limit is lower by now");
    let slots = ports.load(&late).await?.account.slots;
    let since = stored(now)?;
    let expected = [&first, &second, &third].map(|fleet| (fleet.clone(), since)).into();
    ensure!(slots == expected, "everyone sees since when: {slots:?}");
    ports.give_slot(&second).await?;
    ports.give_slot(&second).await?;
    ensure!(ports.take_slot(&late, 3, now).await?, "it was given back");
    for fleet in [&first, &second, &third, &late] {
        ports.give_slot(fleet).await?;
    }
    let slots = ports.load(&late).await?.account.slots;
    ensure!(slots.is_empty(), "{slots:?}");
    Ok(())
}

pub(crate) async fn slots_taken_at_once_are_not_more_than_the_limit<W: World>(world: &W) -> anyhow::Result<()> {
    let ports = world.ports();
    let fleets = (0..5).map(|number| fleet(&format!("turn-race-{number}"))).collect::<Result<Vec<FleetName>, _>>()?;
    let now = ports.now();
    let taken = try_join_all(fleets.iter().map(|fleet| ports.take_slot(fleet, 3, now))).await?;
    let slots = ports.load(&fleet("turn-race")?).await?.account.slots;
    try_join_all(fleets.iter().map(|fleet| ports.give_slot(fleet))).await?;
    let holders: Vec<&FleetName> =
        fleets.iter().zip(&taken).filter(|(_, is_taken)| **is_taken).map(|(fleet, _)| fleet).collect();
    ensure!(holders.len() == 3, "{taken:?}");
    ensure!(slots.keys().eq(holders), "whoever was told so has one: {slots:?} for {taken:?}");
    ensure!(ports.load(&fleet("turn-race")?).await?.account.slots.is_empty(), "all were given back");
    Ok(())
}

pub(crate) async fn a_freeze_concerns_its_fleet_or_all_of_them<W: World>(world: &W) -> anyhow::Result<()> {
    let (ports, one, other) = (world.ports(), fleet("freeze-one")?, fleet("freeze-other")?);
    let now = ports.now();
    let freeze = |scope: FreezeScope, reason: &str| Freeze {
        reason: reason.into(),
        owner: "ana".into(),
        since: now,
        expires_at: Some(now + SignedDuration::from_hours(1)),
        scope,
    };
    let of_one = freeze(FreezeScope::Fleet(one.clone()), "one");
    world.freeze(&of_one).await?;
    ensure!(ports.freezes(&one).await? == std::slice::from_ref(&of_one));
    ensure!(ports.freezes(&other).await?.is_empty(), "it is not the other one's");
    // A second freeze replaces the first.
    let again = freeze(FreezeScope::Fleet(one.clone()), "again");
    world.freeze(&again).await?;
    let of_all = freeze(FreezeScope::Account, "all");
    world.freeze(&of_all).await?;
    let reasons = async |fleet: &FleetName| -> anyhow::Result<(BTreeSet<String>, BTreeSet<String>)> {
        let words = |freezes: Vec<Freeze>| freezes.iter().map(|freeze| freeze.reason.to_string()).collect();
        Ok((words(ports.freezes(fleet).await?), words(ports.load(fleet).await?.freezes)))
    };
    let both: BTreeSet<String> = ["again".to_owned(), "all".to_owned()].into();
    let all: BTreeSet<String> = ["all".to_owned()].into();
    let found = (reasons(&one).await?, reasons(&other).await?);
    world.thaw(&of_all.scope).await?;
    ensure!(found == ((both.clone(), both), (all.clone(), all)), "read both ways: {found:?}");
    ensure!(ports.freezes(&one).await? == std::slice::from_ref(&again));
    world.thaw(&again.scope).await?;
    world.thaw(&again.scope).await?;
    ensure!(ports.freezes(&one).await?.is_empty());
    Ok(())
}

pub(crate) async fn the_index_knows_what_it_was_told_and_nothing_else<W: World>(world: &W) -> anyhow::Result<()> {
    let (ports, one, other) = (world.ports(), fleet("index-one")?, fleet("index-other")?);
    let instance = Subject::Instance("i-0123456789abcdeaa".parse()?);
    let alarm = Subject::Alarm("index-alarm".parse()?);
    let target_group = Subject::TargetGroup("targetgroup/index/73e2d6bc24d8a067".to_owned());
    let unknown = Subject::Instance("i-0123456789abcdeab".parse()?);
    let both: BTreeSet<FleetName> = [one.clone(), other.clone()].into();
    let entries: BTreeMap<Subject, BTreeSet<FleetName>> = [
        (instance.clone(), [one.clone()].into()),
        (alarm.clone(), both),
        (target_group.clone(), [other.clone()].into()),
    ]
    .into();
    let now = ports.now();
    ports.index(&entries, now).await?;
    let asked: BTreeSet<Subject> = entries.keys().cloned().chain([unknown]).collect();
    eventually(
        world,
        "the index knows all three",
        async || Ok((ports.indexed(&asked).await? == entries).then_some(())),
    )
    .await?;
    ensure!(ports.indexed(&BTreeSet::new()).await?.is_empty());
    // A new entry replaces the earlier one of the same subject.
    let moved: BTreeMap<Subject, BTreeSet<FleetName>> = [(alarm.clone(), [other.clone()].into())].into();
    ports.index(&moved, now).await?;
    eventually(world, "the alarm is one fleet's", async || {
        Ok((ports.indexed(&[alarm.clone()].into()).await? == moved).then_some(()))
    })
    .await
}

pub(crate) async fn a_fingerprint_is_remembered_until_the_next_one<W: World>(world: &W) -> anyhow::Result<()> {
    let (ports, fleet) = (world.ports(), fleet("fingerprint")?);
    ensure!(ports.load(&fleet).await?.fingerprint.is_none());
    for print in ["one", "two"] {
        ports.remember(&fleet, print).await?;
        ensure!(ports.load(&fleet).await?.fingerprint.as_deref() == Some(print));
        eventually(world, "the resync sees it", async || {
            Ok((ports.fingerprints().await?.get(&fleet).map(String::as_str) == Some(print)).then_some(()))
        })
        .await?;
    }
    Ok(())
}

pub(crate) async fn a_fleet_is_open_while_it_has_a_fact_a_notification_a_slot_or_in_progress_work<W: World>(
    world: &W,
) -> anyhow::Result<()> {
    let (ports, fleet) = (world.ports(), fleet("open-work")?);
    let now = ports.now();
    until(world, &fleet, false, "nothing is known of it").await?;
    let filed = fact(&fleet, "one", now);
    ports.store(&fleet, &filed, now).await?;
    until(world, &fleet, true, "a fact waits").await?;
    let held = lease(ports, &fleet, "first").await?;
    let mut decided = decision(&fleet, 1);
    decided.consumed = vec![filed.key()];
    commit(ports, &held, None, &decided).await?;
    until(world, &fleet, false, "it was consumed, and an idle record is no open work").await?;

    let template = TemplateVersion { template: "lt-0123456789abcdef0".parse()?, version: 7 };
    let release = Release { template, image: "ami-0123456789abcdef0".parse()?, since: now, build: None };
    let id = format!("{fleet}-2");
    let details = Details::Adopted { release };
    decided = decision(&fleet, 2);
    decided.notifications =
        vec![Notification { id: id.clone(), fleet: fleet.clone(), groups: Vec::new(), at: now, details }];
    commit(ports, &held, Some(1), &decided).await?;
    until(world, &fleet, true, "a notification waits").await?;
    ports.mark_delivered(&fleet, &[id]).await?;
    until(world, &fleet, false, "it was told").await?;

    decided = decision(&fleet, 3);
    let setting = Setting::Maximum { had: 4, wrote: 5 };
    decided.next.borrowed_settings.push(BorrowedSetting { group: "app-blue".parse()?, setting, since: now });
    commit(ports, &held, Some(2), &decided).await?;
    until(world, &fleet, true, "a setting must be restored").await?;
    commit(ports, &held, Some(3), &decision(&fleet, 4)).await?;
    until(world, &fleet, false, "it was").await?;

    ensure!(ports.take_slot(&fleet, 1, now).await?);
    until(world, &fleet, true, "it has a turn").await?;
    ports.give_slot(&fleet).await?;
    until(world, &fleet, false, "it gave it back").await
}

async fn commit(
    ports: &impl Ports,
    held: &driftless_reconciler::ports::Lease,
    read: Option<u64>,
    decided: &driftless_planner::decision::Decision,
) -> anyhow::Result<()> {
    ensure!(ports.commit(held, read, decided, ports.now()).await? == Committed::Yes, "{read:?} was read");
    Ok(())
}

async fn until<W: World>(world: &W, fleet: &FleetName, is_open: bool, because: &str) -> anyhow::Result<()> {
    eventually(world, because, async || {
        Ok((world.ports().open_fleets().await?.contains_key(fleet) == is_open).then_some(()))
    })
    .await
}
