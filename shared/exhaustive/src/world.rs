//! The AWS of a bounded model, as small as possible, and the changes that it makes by itself.

use std::collections::{BTreeMap, BTreeSet};

use driftless_planner::fact::Fact;
use driftless_planner::ids::InstanceId;
use driftless_planner::record::{Cutover, CutoverPhase, Phase, Record, Replacement, Surge};
use jiff::{SignedDuration, Timestamp};

use crate::canon::{OLD_AFTER, Pieces};

/// The step in which time advances. Every duration of a bounded model is a multiple of it, and the planner's shortest
/// requeue delay is equal to it.
pub const TICK: SignedDuration = SignedDuration::from_mins(2);

/// The desired capacity that operators want of a live group, and the number of its instances at the start.
pub const SIZE: u32 = 2;

/// The resources that a pass reads, and what operators want of them.
#[derive(Debug, Clone)]
pub struct World {
    pub now: Timestamp,
    /// The groups: one, or blue and green.
    pub groups: Vec<Pool>,
    /// The non-compliant instances, each with the time of the finding.
    pub drifted: BTreeMap<u32, Timestamp>,
    /// Since when a freeze is in force.
    pub frozen_since: Option<Timestamp>,
    /// The launch tokens that a call can still repeat, each with the instance that was launched.
    pub launched: BTreeMap<String, u32>,
    /// The number of the newest instance.
    pub last_id: u32,
    /// The highest number of an initial instance. Later instances have higher numbers.
    pub first_ids: u32,
    /// Commands that no decision has consumed.
    pub facts: Vec<Fact>,
    /// The load balancer and the launch templates of a pair of colors. None: there is a single group.
    pub colors: Option<Colors>,
    /// Instances that Driftless terminated since the oldest pending decision.
    pub taken: BTreeSet<u32>,
}

/// The resources of a pair of colors besides its groups. The index of blue is 0, that of green is 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Colors {
    /// The weight of each color in the only forward action.
    pub weights: [u32; 2],
    /// The number of the newest image, counted from 1.
    pub newest_image: u32,
    /// The versions of each color's launch template, each with its image and its token.
    pub templates: [Vec<(u32, Option<String>)>; 2],
    /// The index of the color whose alarm is in ALARM.
    pub in_alarm: Option<usize>,
    /// Whether the fleet holds a cutover slot.
    pub has_slot: bool,
}

/// An Auto Scaling group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    pub min: u32,
    pub max: u32,
    pub desired: u32,
    /// The version of the launch template that the group launches.
    pub version: u64,
    /// The instances of the group, the oldest first.
    pub servers: Vec<Server>,
    /// The bounds that operators want.
    pub wanted: Bounds,
    /// Number of extra instances that Driftless keeps and has reported to on-call. An operator removes them.
    pub kept: u32,
}

/// What operators want of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    pub min: u32,
    pub max: u32,
    pub desired: u32,
}

/// An instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// The number of the instance. A higher number is a newer instance.
    pub id: u32,
    pub life: Life,
    /// Whether the instance fails its health checks.
    pub is_sick: bool,
    /// Whether the instance is protected from scale-in.
    pub is_protected: bool,
    pub launched_at: Timestamp,
    /// Whether Driftless caused the launch of the instance.
    pub is_ours: bool,
    /// The launch template version from which the instance was launched.
    pub version: u64,
}

/// The lifecycle state of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Life {
    Pending,
    InService,
    Terminating,
}

/// The instance id of this number.
///
/// # Panics
/// Never: the number has at most 8 of 17 digits.
pub fn instance_id(number: u32) -> InstanceId {
    #[expect(clippy::expect_used, reason = "the text is built as the id demands")]
    format!("i-{number:017x}").parse().expect("an id of 17 hexadecimal digits")
}

/// The number of an instance. None: the id does not belong to this model.
pub fn number(id: &InstanceId) -> Option<u32> {
    u32::from_str_radix(id.as_str().strip_prefix("i-")?, 16).ok()
}

impl Server {
    /// Whether the instance is in service and passes its health checks.
    pub fn serves(&self) -> bool {
        self.life == Life::InService && !self.is_sick
    }

    /// Whether the instance counts towards desired capacity.
    pub fn is_active(&self) -> bool {
        self.life != Life::Terminating
    }
}

impl Pool {
    /// A group with [`SIZE`] healthy instances that were launched long ago.
    pub fn full(first_id: u32, max: u32, long_ago: Timestamp) -> Self {
        let server = |id| Server {
            id,
            life: Life::InService,
            is_sick: false,
            is_protected: false,
            launched_at: long_ago,
            is_ours: false,
            version: 1,
        };
        let wanted = Bounds { min: 1, max, desired: SIZE };
        let servers = (first_id..first_id + SIZE).map(server).collect();
        Self { min: wanted.min, max: wanted.max, desired: wanted.desired, version: 1, servers, wanted, kept: 0 }
    }

    /// An idle group of size 0.
    pub const fn idle() -> Self {
        let wanted = Bounds { min: 0, max: 0, desired: 0 };
        Self { min: 0, max: 0, desired: 0, version: 1, servers: Vec::new(), wanted, kept: 0 }
    }

    /// Number of instances of the group that count towards its desired capacity.
    pub fn active(&self) -> u32 {
        count(self.servers.iter().filter(|server| server.is_active()))
    }

    /// Number of healthy instances of the group.
    pub fn serving(&self) -> u32 {
        count(self.servers.iter().filter(|server| server.serves()))
    }
}

/// Number of elements.
pub fn count<T>(things: impl Iterator<Item = T>) -> u32 {
    u32::try_from(things.count()).unwrap_or(u32::MAX)
}

impl World {
    /// The instance with this number, and its group.
    pub fn server(&self, id: u32) -> Option<(&Pool, &Server)> {
        let mut all = self.groups.iter().flat_map(|pool| pool.servers.iter().map(move |server| (pool, server)));
        all.find(|(_, server)| server.id == id)
    }

    /// The instance with this number, to change it.
    pub fn server_mut(&mut self, id: u32) -> Option<&mut Server> {
        self.groups.iter_mut().flat_map(|pool| &mut pool.servers).find(|server| server.id == id)
    }

    /// All instances.
    pub fn servers(&self) -> impl Iterator<Item = &Server> {
        self.groups.iter().flat_map(|pool| &pool.servers)
    }

    /// Auto Scaling launches missing instances, and terminates the oldest unprotected instances above desired capacity.
    pub fn balance(&mut self, at: usize, is_ours: bool) {
        while self.groups.get(at).is_some_and(|pool| pool.active() < pool.desired) {
            self.spawn(at, is_ours);
        }
        let Some(pool) = self.groups.get_mut(at) else { return };
        while pool.active() > pool.desired {
            let may_go = |server: &&mut Server| server.life == Life::InService && !server.is_protected;
            match pool.servers.iter_mut().find(may_go) {
                Some(victim) => victim.life = Life::Terminating,
                None => break,
            }
        }
    }

    /// Launches an instance in the group with this index. Returns the number of the instance.
    pub fn spawn(&mut self, at: usize, is_ours: bool) -> u32 {
        self.last_id += 1;
        let server = Server {
            id: self.last_id,
            life: Life::Pending,
            is_sick: false,
            is_protected: false,
            launched_at: self.now,
            is_ours,
            version: self.groups.get(at).map_or(1, |pool| pool.version),
        };
        if let Some(pool) = self.groups.get_mut(at) {
            pool.servers.push(server);
        }
        self.last_id
    }

    /// Begins to terminate an instance. `with_decrement` lowers desired capacity by one.
    pub fn take(&mut self, id: u32, with_decrement: bool) {
        let Some(at) = self.groups.iter().position(|pool| pool.servers.iter().any(|server| server.id == id)) else {
            return;
        };
        if let Some(server) = self.server_mut(id) {
            server.life = Life::Terminating;
        }
        if let Some(pool) = self.groups.get_mut(at) {
            pool.desired = pool.desired.saturating_sub(u32::from(with_decrement));
        }
        self.balance(at, false);
    }

    /// Config finds an instance non-compliant. The findings of the initial instances are old, since a decision depends
    /// on the time of a finding only for replacement instances.
    pub fn find_drifted(&mut self, id: u32) {
        let recorded_at = if id > self.first_ids { self.now } else { Timestamp::UNIX_EPOCH };
        self.drifted.insert(id, recorded_at);
    }

    /// An operator removes the extra instances of a group that Driftless kept.
    pub fn take_back(&mut self, at: usize) {
        if let Some(pool) = self.groups.get_mut(at) {
            pool.desired = pool.desired.saturating_sub(pool.kept).max(pool.wanted.desired);
            pool.kept = 0;
        }
        self.balance(at, false);
    }

    /// Removes an instance that is terminated, and its finding.
    pub fn forget(&mut self, id: u32) {
        for pool in &mut self.groups {
            pool.servers.retain(|server| server.id != id);
        }
        self.drifted.remove(&id);
    }

    /// Forgets all launch tokens except these, since no later call repeats the others.
    pub fn forget_launches(&mut self, known: &BTreeSet<&str>) {
        self.launched.retain(|token, _| known.contains(token.as_str()));
    }

    /// Adds the part of the world that affects later states to the pieces. Of the launch time of an instance only its
    /// order relative to the admission of surges matters.
    pub fn write(&self, record: Option<&Record>, pieces: &mut Pieces) {
        let surges = record.into_iter().flat_map(|record| record.replacements.values());
        let mut admitted: Vec<i64> =
            surges.filter_map(|work| work.phase().surge()).map(|surge| surge.admitted_at.as_second()).collect();
        admitted.sort_unstable();
        admitted.dedup();
        for pool in &self.groups {
            let Pool { min, max, desired, version, servers, wanted, kept } = pool;
            let sizes = [*min, *max, *desired, wanted.min, wanted.max, wanted.desired, *kept, count(servers.iter())];
            pieces.number(sizes.iter().fold(0, |all, size| all << 8 | u64::from(*size)));
            pieces.number(*version);
            for server in servers {
                let Server { id, life, is_sick, is_protected, launched_at, is_ours, version } = server;
                let since = count(admitted.iter().filter(|at| **at <= launched_at.as_second()));
                let life = match life {
                    Life::Pending => 0,
                    Life::InService => 1,
                    Life::Terminating => 2,
                };
                // An instance of this very second is distinct from one that a surge admitted now launches.
                let is_new = *launched_at >= self.now;
                let flags = u64::from(*is_sick) | u64::from(*is_protected) << 1 | u64::from(*is_ours) << 2;
                // The time of its next finding depends on this.
                let is_first = *id <= self.first_ids;
                let flags = flags | u64::from(is_new) << 3;
                pieces.id(*id);
                pieces.number(u64::from(is_first) << 63 | version << 16 | u64::from(since) << 8 | flags << 4 | life);
            }
        }
        self.write_events(record, pieces);
    }

    fn write_events(&self, record: Option<&Record>, pieces: &mut Pieces) {
        for (id, recorded_at) in &self.drifted {
            let is_same = |work: &Replacement| work.findings.values().any(|known| known.recorded_at == *recorded_at);
            let is_known = record.and_then(|record| record.replacements.get(&instance_id(*id))).is_some_and(is_same);
            // The age of a drift counts only up to the debounce.
            let (is_new, is_young) = (self.now == *recorded_at, self.now < *recorded_at + TICK);
            pieces.id(*id);
            pieces.number(0x1000 | u64::from(is_known) | u64::from(is_young) << 1 | u64::from(is_new) << 2);
        }
        if let Some(since) = self.frozen_since {
            pieces.number(0x200);
            let work = record.into_iter().flat_map(|record| record.replacements.values());
            for (surge, deadlines, counts_for) in work.filter_map(|work| deadlines(work.phase())) {
                for deadline in deadlines.into_iter().flatten().filter(|_| surge.paused_since.is_none()) {
                    // The next pass stops the deadline from this moment, because of the freeze.
                    let left = deadline.duration_since(since.max(surge.admitted_at)).as_secs().max(-counts_for);
                    pieces.number(left.unsigned_abs() << 1 | u64::from(left < 0));
                }
            }
        }
        if let (Some(since), Some(cutover)) = (self.frozen_since, record.and_then(|record| record.cutover.as_ref())) {
            for deadline in deadlines_of_cutover(cutover).into_iter().flatten() {
                let left = deadline.duration_since(since.max(cutover.since())).as_secs();
                pieces.number(left.max(0).unsigned_abs());
            }
        }
        for (token, id) in &self.launched {
            pieces.text(token);
            pieces.id(*id);
        }
        for id in &self.taken {
            pieces.number(0x300);
            pieces.id(*id);
        }
        if let Some(Colors { weights: [blue, green], newest_image, templates, in_alarm, has_slot }) = &self.colors {
            let in_alarm = in_alarm.map_or(9, |color| color as u64);
            let small = in_alarm << 4 | u64::from(*has_slot);
            pieces.number(u64::from(*blue) << 48 | u64::from(*green) << 32 | u64::from(*newest_image) << 16 | small);
            for (image, token) in templates.iter().flatten() {
                pieces.number(0x2000 | u64::from(*image));
                pieces.text(token.as_deref().unwrap_or_default());
            }
        }
        for fact in &self.facts {
            pieces.text(&format!("{fact:?}"));
        }
    }
}

/// The deadlines of a replacement that a pause moves, and for how many seconds after its passing such a deadline still
/// matters.
const fn deadlines(phase: &Phase) -> Option<(&Surge, [Option<Timestamp>; 2], i64)> {
    match phase {
        Phase::Launching(surge) => Some((surge, [Some(surge.deadline), None], OLD_AFTER)),
        Phase::Verifying(verifying) => Some((&verifying.surge, [Some(verifying.surge.deadline), None], 0)),
        Phase::Terminating(terminating) => Some((&terminating.surge, [Some(terminating.surge.deadline), None], 0)),
        Phase::Retiring(retiring) => {
            Some((&retiring.surge, [Some(retiring.surge.deadline), Some(retiring.deadline)], 0))
        }
        Phase::Cancelling(_) | Phase::LaunchingAfter(_) | Phase::Debouncing | Phase::Blocked(_) | Phase::Stopped(_) => {
            None
        }
    }
}

/// The deadlines of a cutover that a freeze moves before any pass has seen the freeze.
fn deadlines_of_cutover(cutover: &Cutover) -> [Option<Timestamp>; 2] {
    let until = if let CutoverPhase::Baking { until } | CutoverPhase::Warm { until } = cutover.phase() {
        Some(*until)
    } else {
        None
    };
    let deadline = Some(cutover.deadline()).filter(|deadline| *deadline != Timestamp::MAX);
    if cutover.paused_since().is_some() { [None, None] } else { [deadline, until] }
}
