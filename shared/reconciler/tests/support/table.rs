//! The table.

use std::collections::{BTreeMap, BTreeSet};

use driftless_planner::check;
use driftless_planner::decision::Decision;
use driftless_planner::event::EventBatch;
use driftless_planner::fact::{Fact, Subject};
use driftless_planner::ids::FleetName;
use driftless_planner::observation::{Freeze, FreezeScope};
use driftless_planner::record::Record;
use driftless_planner::storm::{LOOKS_MAX, minute_of};
use driftless_reconciler::ports::{
    Acquired, Audience, Called, Committed, Filing, Lease, Released, Remembered, Store, Stored,
};
use jiff::Timestamp;

use super::world::{Lock, Row, State, World};

fn row<'a>(state: &'a mut State, fleet: &FleetName) -> &'a mut Row {
    state.rows.entry(fleet.clone()).or_default()
}

fn freezes(state: &State, fleet: &FleetName) -> Vec<Freeze> {
    let concerns = |freeze: &&Freeze| match &freeze.scope {
        FreezeScope::Account => true,
        FreezeScope::Fleet(frozen) => frozen == fleet,
    };
    state.freezes.iter().filter(concerns).cloned().collect()
}

fn is_held_by(lock: &Lock, lease: &Lease) -> bool {
    lock.holder.as_ref() == Some(&lease.holder) && lock.fence == lease.fence
}

impl Store for World {
    async fn indexed(&self, subjects: &BTreeSet<Subject>) -> Called<BTreeMap<Subject, BTreeSet<FleetName>>> {
        self.call("indexed", subjects, |state| {
            let asked = state.index.iter().filter(|(subject, _)| subjects.contains(subject));
            Ok(asked.map(|(subject, fleets)| (subject.clone(), fleets.clone())).collect())
        })
        .await
    }

    async fn index(&self, entries: &BTreeMap<Subject, BTreeSet<FleetName>>, _: Timestamp) -> Called<()> {
        self.call("index", entries, |state| {
            state.index.extend(entries.clone());
            Ok(())
        })
        .await
    }

    async fn file(&self, fleet: &FleetName, fact: &Fact, _: Timestamp) -> Called<Filing> {
        self.call("file", (fleet, fact.key()), |state| Ok(state.file(fleet, fact))).await
    }

    async fn take_look(&self, now: Timestamp) -> Called<bool> {
        self.call("take_look", now, |state| {
            let taken = state.looks_taken.entry(minute_of(now)).or_default();
            let is_left = *taken < LOOKS_MAX;
            *taken += u32::from(is_left);
            Ok(is_left)
        })
        .await
    }

    async fn remembered(&self, facts: &[(&FleetName, &Fact)]) -> Called<Remembered> {
        self.call("remembered", facts.len(), |state| {
            let mut remembered = Remembered::default();
            for (fleet, fact) in facts {
                let row = row(state, fleet);
                let heard = row.heard.get(&fact.key()).map(|at| (((*fleet).clone(), fact.key()), *at));
                remembered.heard.extend(heard);
                remembered.next_wakes.extend(row.lock.next_wake.map(|at| ((*fleet).clone(), at)));
            }
            Ok(remembered)
        })
        .await
    }

    async fn acquire(&self, fleet: &FleetName, holder: &str, now: Timestamp, until: Timestamp) -> Called<Acquired> {
        self.call("acquire", (fleet, holder), |state| {
            let lock = &mut row(state, fleet).lock;
            if lock.holder.is_some() && lock.until > now {
                return Ok(Acquired::Busy { until: lock.until });
            }
            lock.holder = Some(holder.to_owned());
            lock.until = until;
            lock.fence += 1;
            Ok(Acquired::Held(Lease {
                fleet: fleet.clone(),
                holder: holder.to_owned(),
                fence: lock.fence,
                wakes: lock.wakes,
                next_wake: lock.next_wake,
                until,
            }))
        })
        .await
    }

    async fn release(&self, lease: &Lease, next_wake: Option<Timestamp>) -> Called<Released> {
        self.call("release", (&lease.holder, next_wake), |state| {
            let lock = &mut row(state, &lease.fleet).lock;
            if !is_held_by(lock, lease) {
                return Ok(Released::Lost);
            }
            if lock.wakes != lease.wakes {
                return Ok(Released::Woken(Lease { wakes: lock.wakes, next_wake: lock.next_wake, ..lease.clone() }));
            }
            lock.holder = None;
            lock.next_wake = next_wake;
            Ok(Released::Free)
        })
        .await
    }

    async fn claim_wake(&self, fleet: &FleetName, at: Timestamp, now: Timestamp) -> Called<bool> {
        self.call("claim_wake", (fleet, at), |state| {
            let lock = &mut row(state, fleet).lock;
            if lock.next_wake.is_some_and(|next| next > now && next <= at) {
                return Ok(false);
            }
            lock.next_wake = Some(at);
            Ok(true)
        })
        .await
    }

    async fn load(&self, fleet: &FleetName) -> Called<Stored> {
        self.call("load", fleet, |state| {
            let freezes = freezes(state, fleet);
            let account = state.account.clone();
            let row = row(state, fleet);
            Ok(Stored {
                account,
                record: row.record.clone(),
                facts: row.facts.values().cloned().collect(),
                freezes,
                outbox: row.outbox.clone(),
                half_told: row.half_told.clone(),
                events: row.events.clone(),
                fingerprint: row.fingerprint.clone(),
            })
        })
        .await
    }

    async fn freezes(&self, fleet: &FleetName) -> Called<Vec<Freeze>> {
        self.call("freezes", fleet, |state| Ok(freezes(state, fleet))).await
    }

    async fn commit(
        &self,
        lease: &Lease,
        read_version: Option<u64>,
        decision: &Decision,
        now: Timestamp,
    ) -> Called<Committed> {
        self.call("commit", (&lease.holder, &decision.actions), |state| {
            assert_eq!(check::decision(decision), Vec::<String>::new());
            let row = row(state, &lease.fleet);
            if !is_held_by(&row.lock, lease) || row.record.as_ref().map(|record| record.version) != read_version {
                return Ok(Committed::Conflict);
            }
            // As it is stored: what does not survive JSON does not survive the table.
            let stored = serde_json::to_string(&decision.next).unwrap();
            row.record = Some(serde_json::from_str(&stored).unwrap());
            row.facts.retain(|key, _| !decision.consumed.contains(key));
            row.journal.extend(decision.journal.clone());
            row.announced.extend(decision.notifications.iter().map(|notification| notification.id.clone()));
            row.outbox.extend(decision.notifications.clone());
            row.events.extend(decision.events());
            for rule in &decision.begins_to_drift {
                state.account.drifting.entry(rule.clone()).or_default().insert(lease.fleet.clone(), now);
            }
            Ok(Committed::Yes)
        })
        .await
    }

    async fn told(&self, fleet: &FleetName, ids: &[String]) -> Called<()> {
        self.call("told", ids, |state| {
            let row = row(state, fleet);
            row.outbox.retain(|notification| !ids.contains(&notification.id));
            row.half_told.retain(|id, _| !ids.contains(id));
            Ok(())
        })
        .await
    }

    async fn half_told(&self, fleet: &FleetName, id: &str, told: Audience, _: Timestamp) -> Called<()> {
        self.call("half_told", (id, told), |state| {
            row(state, fleet).half_told.insert(id.to_owned(), told);
            Ok(())
        })
        .await
    }

    async fn put_out(&self, scope: &FreezeScope, ids: &[String]) -> Called<()> {
        self.call("put_out", (scope, ids), |state| {
            let batches = match scope {
                FreezeScope::Account => &mut state.account_events,
                FreezeScope::Fleet(fleet) => &mut row(state, fleet).events,
            };
            batches.retain(|batch| !ids.contains(&batch.id));
            Ok(())
        })
        .await
    }

    async fn account_events(&self) -> Called<Vec<EventBatch>> {
        self.call("account_events", (), |state| Ok(state.account_events.clone())).await
    }

    async fn take_turn(&self, fleet: &FleetName, limit: usize, now: Timestamp) -> Called<bool> {
        self.call("take_turn", (fleet, limit), |state| {
            let turns = &mut state.account.turns;
            if turns.len() >= limit && !turns.contains_key(fleet) {
                return Ok(false);
            }
            turns.entry(fleet.clone()).or_insert(now);
            Ok(true)
        })
        .await
    }

    async fn give_turn(&self, fleet: &FleetName) -> Called<()> {
        self.call("give_turn", fleet, |state| {
            state.account.turns.remove(fleet);
            Ok(())
        })
        .await
    }

    async fn open_fleets(&self) -> Called<BTreeMap<FleetName, Option<Timestamp>>> {
        self.call("open_fleets", (), |state| {
            let is_open = |row: &Row| {
                row.record.as_ref().is_some_and(|record| record.open_since().is_some())
                    || !row.facts.is_empty()
                    || !row.outbox.is_empty()
                    || !row.events.is_empty()
            };
            let under_way = |row: &Row| row.record.as_ref().and_then(Record::under_way_since);
            let mut open: BTreeMap<FleetName, Option<Timestamp>> =
                state.account.turns.iter().map(|(fleet, since)| (fleet.clone(), Some(*since))).collect();
            let rows = state.rows.iter().filter(|(_, row)| is_open(row));
            for (fleet, since) in rows.map(|(fleet, row)| (fleet, under_way(row))) {
                let oldest = open.entry(fleet.clone()).or_default();
                *oldest = oldest.iter().copied().chain(since).min();
            }
            Ok(open)
        })
        .await
    }

    async fn fingerprints(&self) -> Called<BTreeMap<FleetName, String>> {
        self.call("fingerprints", (), |state| {
            let known = state.rows.iter().filter_map(|(fleet, row)| Some((fleet.clone(), row.fingerprint.clone()?)));
            Ok(known.collect())
        })
        .await
    }

    async fn remember(&self, fleet: &FleetName, fingerprint: &str) -> Called<()> {
        self.call("remember", (fleet, fingerprint), |state| {
            row(state, fleet).fingerprint = Some(fingerprint.to_owned());
            Ok(())
        })
        .await
    }
}

impl State {
    /// Files a fact, as the table does: not newer than what is known, it changes nothing.
    pub(crate) fn file(&mut self, fleet: &FleetName, fact: &Fact) -> Filing {
        let row = row(self, fleet);
        let (key, observed_at) = (fact.key(), fact.observed_at());
        if fact.can_wait() {
            if row.heard.get(&key).is_some_and(|heard| *heard >= observed_at) {
                return Filing::Known;
            }
            row.heard.insert(key.clone(), observed_at);
        } else if row.facts.get(&key).is_some_and(|known| known.observed_at() >= observed_at) {
            return Filing::Stored;
        } else {
            row.lock.wakes += 1;
        }
        row.facts.insert(key, fact.clone());
        Filing::Stored
    }
}
