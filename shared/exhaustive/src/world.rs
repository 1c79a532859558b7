//! What AWS has, as small as it can be, and what it does by itself.

use std::collections::{BTreeMap, BTreeSet};

use driftless_planner::fact::Fact;
use driftless_planner::ids::InstanceId;
use driftless_planner::record::{Cutover, CutoverPhase, Phase, Record, Replacement, Surge};
use jiff::{SignedDuration, Timestamp};

use crate::canon::{OLD_AFTER, Pieces};

/// Time goes by in steps of this: every duration of a small world is a multiple of it, and the planner's own shortest
/// pause is as long.
pub const TICK: SignedDuration = SignedDuration::from_mins(2);

/// How many instances a group has when nothing happens.
pub const SIZE: u32 = 2;

/// Everything that is read, and what people want.
#[derive(Debug, Clone)]
pub struct World {
    pub now: Timestamp,
    /// The groups: one, or blue and green.
    pub groups: Vec<Pool>,
    /// What Config holds for non-compliant, and since when.
    pub drifted: BTreeMap<u32, Timestamp>,
    /// Since when a freeze stands.
    pub frozen_since: Option<Timestamp>,
    /// Which launch has led to which instance, by its token.
    pub launched: BTreeMap<String, u32>,
    /// The number of the newest instance.
    pub last_id: u32,
    /// The numbers of the servers that it began with go up to this.
    pub first_ids: u32,
    /// What people said and no decision has used yet.
    pub facts: Vec<Fact>,
    /// What moves between two colors. None: there is one group.
    pub colors: Option<Colors>,
    /// What Driftless has terminated since somebody began to hold a decision in his hands.
    pub taken: BTreeSet<u32>,
}

/// What a pair of colors has besides its groups. Blue is 0, green is 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Colors {
    /// The weights of the one forward action.
    pub weights: [u32; 2],
    /// The newest image: they are numbered from 1.
    pub newest_image: u32,
    /// The versions of each color's launch template: the image, and the token that it was written for.
    pub templates: [Vec<(u32, Option<String>)>; 2],
    /// The color whose alarm rings.
    pub rings: Option<usize>,
    /// Whether the fleet holds a turn.
    pub has_turn: bool,
}

/// An Auto Scaling group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    /// `MinSize`.
    pub min: u32,
    /// `MaxSize`.
    pub max: u32,
    /// `DesiredCapacity`.
    pub desired: u32,
    /// The version of its launch template.
    pub version: u64,
    /// Its instances, the oldest first.
    pub servers: Vec<Server>,
    /// What people last wrote, or wanted to have.
    pub wanted: Bounds,
    /// How many are too many for good, as on-call was told: a person takes them back.
    pub kept: u32,
}

/// What people want of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// `MinSize`.
    pub min: u32,
    /// `MaxSize`.
    pub max: u32,
    /// `DesiredCapacity`.
    pub desired: u32,
}

/// An instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its number: the newer, the higher.
    pub id: u32,
    /// Where it is in its life.
    pub life: Life,
    /// Whether it fails the checks of its target group.
    pub is_sick: bool,
    /// Whether it is protected from scale-in.
    pub is_protected: bool,
    pub launched_at: Timestamp,
    /// Whether it came because Driftless asked for it.
    pub is_ours: bool,
    /// The version of the launch template that it was launched with.
    pub version: u64,
}

/// Where an instance is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Life {
    /// On its way in.
    Pending,
    InService,
    /// On its way out.
    Terminating,
}

/// The id that AWS gives to the instance with this number.
///
/// # Panics
/// Never: the number has at most 8 of 17 digits.
pub fn instance_id(number: u32) -> InstanceId {
    #[expect(clippy::expect_used, reason = "the text is built as the id demands")]
    format!("i-{number:017x}").parse().expect("an id of 17 hexadecimal digits")
}

/// The number of an instance. None: it is none of this world.
pub fn number(id: &InstanceId) -> Option<u32> {
    u32::from_str_radix(id.as_str().strip_prefix("i-")?, 16).ok()
}

impl Server {
    /// Whether it is in service and passes its checks.
    pub fn serves(&self) -> bool {
        self.life == Life::InService && !self.is_sick
    }

    /// Whether desired capacity counts it.
    pub fn is_active(&self) -> bool {
        self.life != Life::Terminating
    }
}

impl Pool {
    /// A group at its size, of servers that were launched long ago.
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

    /// A group that rests.
    pub const fn idle() -> Self {
        let wanted = Bounds { min: 0, max: 0, desired: 0 };
        Self { min: 0, max: 0, desired: 0, version: 1, servers: Vec::new(), wanted, kept: 0 }
    }

    /// How many desired capacity counts.
    pub fn active(&self) -> u32 {
        count(self.servers.iter().filter(|server| server.is_active()))
    }

    /// How many serve.
    pub fn serving(&self) -> u32 {
        count(self.servers.iter().filter(|server| server.serves()))
    }
}

/// How many there are.
pub fn count<T>(things: impl Iterator<Item = T>) -> u32 {
    u32::try_from(things.count()).unwrap_or(u32::MAX)
}

impl World {
    /// The server with this number, and its group.
    pub fn server(&self, id: u32) -> Option<(&Pool, &Server)> {
        let mut all = self.groups.iter().flat_map(|pool| pool.servers.iter().map(move |server| (pool, server)));
        all.find(|(_, server)| server.id == id)
    }

    /// The server with this number, to change it.
    pub fn server_mut(&mut self, id: u32) -> Option<&mut Server> {
        self.groups.iter_mut().flat_map(|pool| &mut pool.servers).find(|server| server.id == id)
    }

    /// All servers.
    pub fn servers(&self) -> impl Iterator<Item = &Server> {
        self.groups.iter().flat_map(|pool| &pool.servers)
    }

    /// Auto Scaling launches what is missing, and takes the oldest unprotected one of what is too many.
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

    /// A new server begins to come up.
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

    /// A server begins to leave.
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

    /// Config finds a server drifted. When it recorded that is asked of successors only: the first servers were found long ago.
    pub fn find_drifted(&mut self, id: u32) {
        let recorded_at = if id > self.first_ids { self.now } else { Timestamp::UNIX_EPOCH };
        self.drifted.insert(id, recorded_at);
    }

    /// A person takes back what is too many for good.
    pub fn take_back(&mut self, at: usize) {
        if let Some(pool) = self.groups.get_mut(at) {
            pool.desired = pool.desired.saturating_sub(pool.kept).max(pool.wanted.desired);
            pool.kept = 0;
        }
        self.balance(at, false);
    }

    /// A server is gone, and everything that is known about it.
    pub fn forget(&mut self, id: u32) {
        for pool in &mut self.groups {
            pool.servers.retain(|server| server.id != id);
        }
        self.drifted.remove(&id);
    }

    /// Forgets launches that nobody will ask for again.
    pub fn forget_launches(&mut self, known: &BTreeSet<&str>) {
        self.launched.retain(|token, _| known.contains(token.as_str()));
    }

    /// What of the world matters for what comes. When a server was launched counts only against when surges were admitted:
    /// before, or since.
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
                // One that came in this very second is told from what an admission of now launches.
                let is_new = *launched_at >= self.now;
                let flags = u64::from(*is_sick) | u64::from(*is_protected) << 1 | u64::from(*is_ours) << 2;
                // When Config recorded its next drift depends on it.
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
            // How long it lasts is asked no longer than for the debounce.
            let (is_new, is_young) = (self.now == *recorded_at, self.now < *recorded_at + TICK);
            pieces.id(*id);
            pieces.number(0x1000 | u64::from(is_known) | u64::from(is_young) << 1 | u64::from(is_new) << 2);
        }
        if let Some(since) = self.frozen_since {
            pieces.number(0x200);
            let work = record.into_iter().flat_map(|record| record.replacements.values());
            for (surge, deadlines, counts_for) in work.filter_map(|work| deadlines(work.phase())) {
                for deadline in deadlines.into_iter().flatten().filter(|_| surge.held_since.is_none()) {
                    // The next look under this freeze holds it from here on.
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
        if let Some(Colors { weights: [blue, green], newest_image, templates, rings, has_turn }) = &self.colors {
            let rings = rings.map_or(9, |color| color as u64);
            let small = rings << 4 | u64::from(*has_turn);
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

/// The deadlines that a hold moves, and for how long each counts when it is over.
const fn deadlines(phase: &Phase) -> Option<(&Surge, [Option<Timestamp>; 2], i64)> {
    match phase {
        Phase::Launching(surge) => Some((surge, [Some(surge.deadline), None], OLD_AFTER)),
        Phase::Proving(proving) => Some((&proving.surge, [Some(proving.surge.deadline), None], 0)),
        Phase::Vacating(vacating) => Some((&vacating.surge, [Some(vacating.surge.deadline), None], 0)),
        Phase::Retiring(retiring) => {
            Some((&retiring.surge, [Some(retiring.surge.deadline), Some(retiring.deadline)], 0))
        }
        Phase::Withdrawing(_) | Phase::Refilling(_) | Phase::Debouncing | Phase::Blocked(_) | Phase::Stopped(_) => None,
    }
}

/// The deadlines that a freeze moves, which has not been seen yet.
fn deadlines_of_cutover(cutover: &Cutover) -> [Option<Timestamp>; 2] {
    let until = if let CutoverPhase::Baking { until } | CutoverPhase::Warm { until } = cutover.phase() {
        Some(*until)
    } else {
        None
    };
    let deadline = Some(cutover.deadline()).filter(|deadline| *deadline != Timestamp::MAX);
    if cutover.held_since().is_some() { [None, None] } else { [deadline, until] }
}
