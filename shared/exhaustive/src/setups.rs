//! The bounded models.

use std::collections::BTreeSet;

/// The size of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Size {
    /// Explored completely in seconds, in every test run.
    Small,
    /// Explored completely in minutes.
    Explored,
    /// Never explored completely.
    Larger,
}

/// The initial state of a model, and the faults that can occur in it.
#[derive(Debug, Clone)]
pub struct Setup {
    pub name: &'static str,
    pub size: Size,
    /// The subject of the model, in one sentence.
    pub story: &'static str,
    /// The policy of the fleet: the policy tags without their prefix.
    pub policy: Vec<(&'static str, &'static str)>,
    /// Number of groups: one, or two for a pair of colors.
    pub groups: usize,
    /// The maximum of a group.
    pub max: u32,
    pub budget: u32,
    /// The largest number of instances that are drifted at the same time.
    pub drifted_max: usize,
    /// The largest number of drifts on one path. None: no limit.
    pub drifts_max: Option<u8>,
    /// Number of images that are published after the first.
    pub images: u32,
    /// The faults that may occur.
    pub troubles: BTreeSet<Trouble>,
    /// The largest number of faults on one path. None: no limit.
    pub troubles_max: Option<u8>,
}

/// A fault, or a change of an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// An instance fails its health checks.
    Sickness,
    /// Auto Scaling or an operator terminates an instance.
    Loss,
    /// An operator freezes everything.
    Freeze,
    Crash,
    /// A call takes effect, and its response is lost.
    LostReply,
    /// AWS refuses a write because of a scaling activity.
    Busy,
    /// AWS has no capacity.
    Shortage,
    /// AWS cannot launch the template.
    BadLaunch,
    /// A function sleeps before its commit, while the world changes or another function takes the lease.
    LateCommit,
    /// A committed action takes effect late, while another function runs.
    LateCall,
    /// An operator gives the command `retry`.
    Retry,
    /// An operator gives the command `replace`.
    Replace,
    /// An operator gives a command about the cutover.
    Command,
    /// The alarm of a color is in ALARM.
    Alarm,
    /// Terraform writes the maximum that operators want, whatever the maximum is now.
    MaximumByOthers,
}

/// The policy of all models, in which every duration is one or two ticks.
const POLICY: [(&str, &str); 6] = [
    ("mode", "act"),
    ("rules", "sg-closed"),
    ("alarms", "web-5xx"),
    ("debounce", "2m"),
    ("launch-deadline", "4m"),
    ("drain-deadline", "4m"),
];

/// The model with one group of two instances, with drift and without faults.
pub fn drift() -> Setup {
    Setup {
        name: "drift",
        size: Size::Explored,
        story: "one group of two: instances drift and comply again, one at a time, at any moment, without limit",
        policy: POLICY.to_vec(),
        groups: 1,
        max: 2,
        budget: 1,
        drifted_max: 1,
        drifts_max: None,
        images: 0,
        troubles: BTreeSet::new(),
        troubles_max: None,
    }
}

fn with(name: &'static str, story: &'static str, troubles: &[Trouble]) -> Setup {
    Setup { name, story, troubles: troubles.iter().copied().collect(), ..drift() }
}

/// A model with two colors, two instances in the live one, and one image that is published at any moment.
pub fn cutover(name: &'static str, story: &'static str, troubles: &[Trouble], troubles_max: u8) -> Setup {
    let mut policy = POLICY.to_vec();
    policy.extend([("weights", "50,100"), ("step", "2m"), ("bake", "2m"), ("keep-warm", "2m")]);
    Setup {
        policy,
        groups: 2,
        drifted_max: 0,
        images: 1,
        troubles_max: Some(troubles_max),
        ..with(name, story, troubles)
    }
}

/// The faults that can occur in the models of a cutover.
const OF_CUTOVERS: [Trouble; 9] = [
    Trouble::Crash,
    Trouble::LostReply,
    Trouble::Busy,
    Trouble::LateCommit,
    Trouble::Sickness,
    Trouble::Loss,
    Trouble::Freeze,
    Trouble::Command,
    Trouble::Alarm,
];

/// All models.
pub fn all() -> Vec<Setup> {
    let small = [
        two_actors(
            "two-actors",
            "one drift; the function crashes, or sleeps before its commit until another one takes over, without limit",
            1,
        ),
        cutover("cutover", "two colors of two, one image, no fault", &[], 0),
    ];
    let explored = [
        drift(),
        with(
            "crashes",
            "as drift, and the function crashes and replies are lost, at any moment, without limit",
            &[Trouble::Crash, Trouble::LostReply],
        ),
        Setup { images: 2, ..cutover("cutover-2-images", "two colors of two, two images, no fault", &[], 0) },
        cutover("cutover-1", "two colors of two, one image, and one fault of any kind", &OF_CUTOVERS, 1),
        anything("anything", "one drift, and one fault of any kind, at any moment", 1, 1),
        with("refused", "as drift, and AWS cannot launch, without limit", &[Trouble::BadLaunch]),
        with("retries", "as drift, and an operator gives retry for what was stopped, without limit", &[Trouble::Retry]),
        with("busy", "as drift, and AWS is busy, at any moment, without limit", &[Trouble::Busy]),
        with(
            "bounds",
            "as drift, and an operator writes MaxSize outside Driftless, without limit",
            &[Trouble::MaximumByOthers],
        ),
        two_actors(
            "two-actors-2",
            "two drifts; the function crashes, or sleeps before its commit until another one takes over, without limit",
            2,
        ),
    ];
    let larger = [
        cutover("cutover-2", "two colors of two, one image, and two faults of any kind", &OF_CUTOVERS, 2),
        anything("anything-2-1", "two drifts, and one fault of any kind, at any moment", 2, 1),
        anything("anything-1-2", "one drift, and two faults of any kind, at any moment", 1, 2),
    ];
    let of = |size| move |setup| Setup { size, ..setup };
    let small = small.into_iter().map(of(Size::Small));
    small.chain(explored.into_iter().map(of(Size::Explored))).chain(larger.into_iter().map(of(Size::Larger))).collect()
}

/// A model of one group with all kinds of faults except late calls: at most `troubles_max` faults and `drifts_max`
/// drifts on one path.
pub fn anything(name: &'static str, story: &'static str, drifts_max: u8, troubles_max: u8) -> Setup {
    let any = [
        Trouble::Crash,
        Trouble::LostReply,
        Trouble::Busy,
        Trouble::LateCommit,
        Trouble::Sickness,
        Trouble::Loss,
        Trouble::Freeze,
        Trouble::Shortage,
        Trouble::BadLaunch,
        Trouble::Retry,
        Trouble::Replace,
        Trouble::MaximumByOthers,
    ];
    Setup { drifts_max: Some(drifts_max), troubles_max: Some(troubles_max), ..with(name, story, &any) }
}

fn two_actors(name: &'static str, story: &'static str, drifts_max: u8) -> Setup {
    Setup { drifts_max: Some(drifts_max), ..with(name, story, &[Trouble::Crash, Trouble::LateCommit]) }
}
