//! Contracts about the commit. It writes record, history and outbox in one transaction if record and lease are
//! unchanged since they were read; otherwise it writes nothing.

use anyhow::{bail, ensure};
use driftless_planner::decision::Decision;
use driftless_planner::event::EventBatch;
use driftless_planner::history::{Change, HistoryEntry};
use driftless_planner::ids::FleetName;
use driftless_planner::notification::{Details, Notification};
use driftless_planner::observation::FreezeScope;
use driftless_planner::record::{BorrowedSetting, Release, Setting};
use driftless_planner::template::TemplateVersion;
use driftless_reconciler::ports::{Acquired, Audience, Clock as _, Committed, Store as _};
use futures_util::future::try_join_all;
use jiff::{SignedDuration, Timestamp};

use crate::World;
use crate::support::{LEASE, STEP, decision, fleet, lease, stored};

fn release(since: Timestamp) -> anyhow::Result<Release> {
    let template = TemplateVersion { template: "lt-0123456789abcdef0".parse()?, version: 7 };
    Ok(Release { template, image: "ami-0123456789abcdef0".parse()?, since, build: Some("7".into()) })
}

fn notification(fleet: &FleetName, id: &str, at: Timestamp) -> anyhow::Result<Notification> {
    let details = Details::Adopted { release: release(at)? };
    Ok(Notification { id: id.to_owned(), fleet: fleet.clone(), groups: vec!["app-blue".parse()?], at, details })
}

/// A decision whose record has a value in every part that can hold a time, a map or an enum.
fn full(fleet: &FleetName, version: u64, at: Timestamp) -> anyhow::Result<Decision> {
    let mut decided = decision(fleet, version);
    let next = &mut decided.next;
    next.release = Some(release(at)?);
    next.asked_to_replace.insert("i-0123456789abcdef0".parse()?, "ana".into());
    next.backlog.insert("i-0123456789abcdef1".parse()?);
    for setting in [
        Setting::Maximum { had: 4, wrote: 5 },
        Setting::BorrowedMinimum { had: 0, wrote: [3, 4].into() },
        Setting::Protection { instance: "i-0123456789abcdef2".parse()? },
    ] {
        next.borrowed_settings.push(BorrowedSetting { group: "app-blue".parse()?, setting, since: at });
    }
    decided.notifications = vec![notification(fleet, &format!("{fleet}-{version}-a"), at)?];
    Ok(decided)
}

pub(crate) async fn the_first_record_is_committed_where_none_is_and_read_back_as_it_was<W: World>(
    world: &W,
) -> anyhow::Result<()> {
    let (ports, fleet) = (world.ports(), fleet("commit-first")?);
    let held = lease(ports, &fleet, "first").await?;
    ensure!(ports.load(&fleet).await?.record.is_none());
    let now = ports.now();
    ensure!(ports.commit(&held, Some(1), &decision(&fleet, 2), now).await? == Committed::Conflict, "there is none yet");
    let first = full(&fleet, 1, now)?;
    ensure!(ports.commit(&held, None, &first, now).await? == Committed::Yes);
    let stored = ports.load(&fleet).await?;
    ensure!(stored.record.as_ref() == Some(&first.next), "{:?}\nfor {:?}", stored.record, first.next);
    ensure!(stored.outbox == first.notifications, "{:?}", stored.outbox);
    // A second commit under the same lease, on top of the first.
    ensure!(ports.commit(&held, Some(1), &decision(&fleet, 2), now).await? == Committed::Yes);
    ensure!(ports.load(&fleet).await?.record == Some(decision(&fleet, 2).next));
    Ok(())
}

pub(crate) async fn a_record_that_is_not_the_one_that_was_read_is_not_replaced<W: World>(
    world: &W,
) -> anyhow::Result<()> {
    let (ports, fleet) = (world.ports(), fleet("commit-version")?);
    let held = lease(ports, &fleet, "first").await?;
    let now = ports.now();
    let first = full(&fleet, 5, now)?;
    ensure!(ports.commit(&held, None, &first, now).await? == Committed::Yes);
    let before = ports.load(&fleet).await?;
    for read in [None, Some(4), Some(6)] {
        let answer = ports.commit(&held, read, &full(&fleet, 7, now)?, now).await?;
        ensure!(answer == Committed::Conflict, "read as {read:?}");
        ensure!(ports.load(&fleet).await? == before, "nothing of it was written");
    }
    Ok(())
}

pub(crate) async fn a_commit_needs_the_lease_until_its_very_end<W: World>(world: &W) -> anyhow::Result<()> {
    let (ports, fleet) = (world.ports(), fleet("commit-lease")?);
    let held = lease(ports, &fleet, "first").await?;
    for at in [held.until, held.until + STEP] {
        let answer = ports.commit(&held, None, &decision(&fleet, 1), at).await?;
        ensure!(answer == Committed::Conflict, "at {at}, the lease ending at {}", held.until);
    }
    ensure!(ports.load(&fleet).await?.record.is_none());
    let answer = ports.commit(&held, None, &decision(&fleet, 1), held.until - STEP).await?;
    ensure!(answer == Committed::Yes, "a moment before its end");
    ports.release(&held, None).await?;
    let answer = ports.commit(&held, Some(1), &decision(&fleet, 2), held.until - STEP).await?;
    ensure!(answer == Committed::Conflict, "given back");
    Ok(())
}

pub(crate) async fn a_commit_with_an_older_fence_changes_nothing<W: World>(world: &W) -> anyhow::Result<()> {
    let (ports, fleet) = (world.ports(), fleet("commit-fence")?);
    let late = lease(ports, &fleet, "late").await?;
    let now = late.until;
    let Acquired::Held(held) = ports.acquire(&fleet, "first", now, now + LEASE).await? else { bail!("not free") };
    ensure!(ports.commit(&held, None, &full(&fleet, 1, now)?, now).await? == Committed::Yes);
    let before = ports.load(&fleet).await?;
    for at in [late.until - STEP, now] {
        let answer = ports.commit(&late, Some(1), &full(&fleet, 2, now)?, at).await?;
        ensure!(answer == Committed::Conflict, "whoever wakes up late, at {at}");
    }
    // The same holder with its earlier lease: a function that was believed dead.
    let again = lease_again(world, &fleet, now).await?;
    ensure!(again.fence > held.fence);
    let answer = ports.commit(&held, Some(1), &full(&fleet, 2, now)?, now).await?;
    ensure!(answer == Committed::Conflict, "the fence has moved on");
    ensure!(ports.load(&fleet).await? == before);
    Ok(())
}

async fn lease_again<W: World>(
    world: &W,
    fleet: &FleetName,
    now: Timestamp,
) -> anyhow::Result<driftless_reconciler::ports::Lease> {
    match world.ports().acquire(fleet, "first", now, now + LEASE).await? {
        Acquired::Held(lease) => Ok(lease),
        Acquired::Busy { until } => bail!("the holder itself is kept out until {until}"),
    }
}

pub(crate) async fn a_commit_that_is_repeated_is_a_conflict_and_changes_nothing<W: World>(
    world: &W,
) -> anyhow::Result<()> {
    let (ports, fleet) = (world.ports(), fleet("commit-twice")?);
    let held = lease(ports, &fleet, "first").await?;
    let now = ports.now();
    let decided = full(&fleet, 1, now)?;
    ensure!(ports.commit(&held, None, &decided, now).await? == Committed::Yes);
    let before = ports.load(&fleet).await?;
    let later = now + SignedDuration::from_secs(1);
    let again = ports.commit(&held, None, &decided, later).await?;
    ensure!(again == Committed::Conflict);
    ensure!(ports.load(&fleet).await? == before);
    Ok(())
}

pub(crate) async fn of_several_commits_at_once_one_stands<W: World>(world: &W) -> anyhow::Result<()> {
    let (ports, fleet) = (world.ports(), fleet("commit-race")?);
    let held = lease(ports, &fleet, "first").await?;
    let now = ports.now();
    let mut read = None;
    for version in 1..=3_u64 {
        let mut decided = Vec::new();
        for number in 0..4_u64 {
            let mut one = full(&fleet, version, now)?;
            one.next.borrowed_settings.clear();
            one.next.launches_by_desired_since = Some(stored(now)? + SignedDuration::from_secs(number.cast_signed()));
            decided.push(one);
        }
        // Each commit has its own time. Another contract covers the repetition of one commit.
        let commits = decided.iter().zip(0..).map(|(one, step)| ports.commit(&held, read, one, now + STEP * step));
        let answers = try_join_all(commits).await?;
        let stands: Vec<_> =
            answers.iter().zip(&decided).filter(|(answer, _)| **answer == Committed::Yes).map(|(_, one)| one).collect();
        let [one] = stands[..] else { bail!("{answers:?}") };
        let found = ports.load(&fleet).await?;
        ensure!(found.record.as_ref() == Some(&one.next), "{:?}", found.record);
        let told = usize::try_from(version)?;
        ensure!(found.outbox.len() == told, "what does not stand tells nothing: {:?}", found.outbox);
        read = Some(version);
    }
    Ok(())
}

pub(crate) async fn notifications_wait_in_the_outbox_in_their_order_until_they_are_told<W: World>(
    world: &W,
) -> anyhow::Result<()> {
    let (ports, fleet) = (world.ports(), fleet("commit-outbox")?);
    let held = lease(ports, &fleet, "first").await?;
    let now = ports.now();
    let mut ids = Vec::new();
    // More than ten, so that the order of numbers differs from the order of texts.
    for version in 1..=12_u64 {
        let mut decided = decision(&fleet, version);
        // Not in alphabetical order either.
        for letter in ["b", "a"] {
            let id = format!("{fleet}-{letter}-{version}");
            decided.notifications.push(notification(&fleet, &id, now)?);
            ids.push(id);
        }
        let read = (version > 1).then(|| version - 1);
        ensure!(ports.commit(&held, read, &decided, now).await? == Committed::Yes, "version {version}");
    }
    let waiting = |stored: &driftless_reconciler::ports::Stored| -> Vec<String> {
        stored.outbox.iter().map(|notification| notification.id.clone()).collect()
    };
    let found = waiting(&ports.load(&fleet).await?);
    ensure!(found == ids, "{found:?}");
    let told: Vec<String> = ids.iter().take(3).cloned().collect();
    for _ in 0..2 {
        ports.mark_delivered(&fleet, &told).await?;
        let found = waiting(&ports.load(&fleet).await?);
        ensure!(found.iter().eq(ids.iter().skip(3)), "{found:?}");
    }
    Ok(())
}

pub(crate) async fn it_is_remembered_who_was_told_of_a_notification_until_all_are<W: World>(
    world: &W,
) -> anyhow::Result<()> {
    let (ports, fleet) = (world.ports(), fleet("commit-partially-delivered")?);
    let held = lease(ports, &fleet, "first").await?;
    let now = ports.now();
    let decided = full(&fleet, 1, now)?;
    let id = decided.notifications.first().map(|one| one.id.clone()).unwrap_or_default();
    ensure!(ports.commit(&held, None, &decided, now).await? == Committed::Yes);
    ensure!(ports.load(&fleet).await?.partially_delivered.is_empty());
    for told in [Audience::OnCall, Audience::OnCall, Audience::Chat] {
        ports.mark_partially_delivered(&fleet, &id, told, now).await?;
        let stored = ports.load(&fleet).await?;
        ensure!(stored.partially_delivered == [(id.clone(), told)].into(), "{:?}", stored.partially_delivered);
        ensure!(stored.outbox == decided.notifications, "the other one is owed it still");
    }
    ports.mark_delivered(&fleet, &[id]).await?;
    let stored = ports.load(&fleet).await?;
    ensure!(stored.partially_delivered.is_empty() && stored.outbox.is_empty(), "{stored:?}");
    Ok(())
}

pub(crate) async fn events_are_committed_with_their_lines_and_wait_until_they_are_put_out<W: World>(
    world: &W,
) -> anyhow::Result<()> {
    let (ports, fleet) = (world.ports(), fleet("commit-events")?);
    let held = lease(ports, &fleet, "first").await?;
    let now = ports.now();
    let line = |number: usize| HistoryEntry {
        at: now,
        actor: "ana".to_owned(),
        change: Change::Command { command: "retry".to_owned(), is_done: true },
        why: format!("line {number}").as_str().into(),
    };
    let mut decided = decision(&fleet, 1);
    // More than one batch of DynamoDB.
    decided.history = (0..12).map(line).collect();
    let batches = decided.events();
    ensure!(batches.len() == 2, "{batches:?}");
    ensure!(ports.commit(&held, Some(7), &decided, now).await? == Committed::Conflict);
    ensure!(ports.load(&fleet).await?.events.is_empty(), "what does not stand is no event");
    ensure!(ports.commit(&held, None, &decided, now).await? == Committed::Yes);
    let in_any_order = |mut batches: Vec<EventBatch>| {
        batches.sort_by(|one, other| one.id.cmp(&other.id));
        batches
    };
    let all = in_any_order(batches);
    ensure!(in_any_order(ports.load(&fleet).await?.events) == all);
    let scope = FreezeScope::Fleet(fleet.clone());
    for (number, batch) in all.iter().enumerate() {
        for _ in 0..2 {
            ports.mark_published(&scope, std::slice::from_ref(&batch.id)).await?;
            let left = in_any_order(ports.load(&fleet).await?.events);
            ensure!(left.iter().eq(all.iter().skip(number + 1)), "{left:?}");
        }
    }
    ensure!(ports.account_events().await?.is_empty(), "those of a fleet are none of the account");
    Ok(())
}

pub(crate) async fn rules_that_an_instance_began_to_break_are_known_to_every_fleet<W: World>(
    world: &W,
) -> anyhow::Result<()> {
    let (ports, one, other) = (world.ports(), fleet("commit-drift")?, fleet("commit-other")?);
    let held = lease(ports, &one, "first").await?;
    let now = stored(ports.now())? + SignedDuration::from_micros(300);
    let rule: driftless_planner::ids::RuleName = "contract-rule".parse()?;
    let mut decided = decision(&one, 1);
    decided.begins_to_drift.insert(rule.clone());
    ensure!(ports.commit(&held, None, &decided, now).await? == Committed::Yes);
    for fleet in [&one, &other] {
        let account = ports.load(fleet).await?.account;
        let known = account.drifting.get(&rule).and_then(|fleets| fleets.get(&one));
        ensure!(known == Some(&stored(now)?), "{fleet} knows {:?}", account.drifting);
    }
    // The latest time wins.
    let later = now + SignedDuration::from_secs(7);
    decided.next.version = 2;
    ensure!(ports.commit(&held, Some(1), &decided, later).await? == Committed::Yes);
    let account = ports.load(&other).await?.account;
    ensure!(account.drifting.get(&rule).and_then(|fleets| fleets.get(&one)) == Some(&stored(later)?));
    Ok(())
}
