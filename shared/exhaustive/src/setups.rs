//! The small worlds.

use std::collections::BTreeSet;

/// How large a world is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Size {
    /// Explored in seconds: every test run does.
    Small,
    /// Explored to its end in minutes.
    Explored,
    /// Never explored to its end.
    Larger,
}

/// How a small world begins, and what may go wrong in it.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Its name.
    pub name: &'static str,
    /// How large it is.
    pub size: Size,
    /// What it is about, in a sentence.
    pub story: &'static str,
    /// The policy of its fleet, without the prefix of the tags.
    pub policy: Vec<(&'static str, &'static str)>,
    /// How many groups: one, or a pair.
    pub groups: usize,
    /// The largest size of a group.
    pub max: u32,
    /// The planner's budget.
    pub budget: u32,
    /// How many instances may be drifted at the same time.
    pub drifted_max: usize,
    /// How often an instance may drift on one way. None: without a limit.
    pub drifts_max: Option<u8>,
    /// How many images are published after the first.
    pub images: u32,
    /// What may go wrong.
    pub troubles: BTreeSet<Trouble>,
    /// How often something may go wrong on one way. None: without a limit.
    pub troubles_max: Option<u8>,
}

/// What may go wrong, or be done by people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// A server fails its checks.
    Sickness,
    /// Auto Scaling, or a person, takes a server away.
    Loss,
    /// A person freezes everything.
    Freeze,
    /// The function dies.
    Crash,
    /// A call has its effect, and its answer is lost.
    LostReply,
    /// AWS is busy with the group.
    Busy,
    /// AWS has no room.
    Shortage,
    /// AWS cannot launch what is asked for.
    BadLaunch,
    /// A reconcile sleeps with a decision that it has not committed, while the world goes on, or another one takes over.
    LateCommit,
    /// A call that was committed to takes effect late, while another reconcile goes on.
    LateCall,
    /// A person says that what was stopped is to be tried again.
    Retry,
    /// A person wants an instance replaced.
    Replace,
    /// A person gives a command about the cutover.
    Command,
    /// The alarm of a color rings.
    Alarm,
    /// Somebody writes the maximum that people want, whatever it is now.
    MaximumByOthers,
}

/// The policy of all: every duration is one tick, or two.
const POLICY: [(&str, &str); 6] = [
    ("mode", "act"),
    ("rules", "sg-closed"),
    ("alarms", "web-5xx"),
    ("debounce", "2m"),
    ("launch-deadline", "4m"),
    ("drain-deadline", "4m"),
];

/// One group of two, where nothing goes wrong but drift.
pub fn drift() -> Setup {
    Setup {
        name: "drift",
        size: Size::Explored,
        story: "one group of two: instances drift and comply again, one at a time, at any moment, for ever",
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

/// Two colors of two, and one image that is published at any moment.
pub fn cutover(name: &'static str, story: &'static str, troubles: &[Trouble], troubles_max: u8) -> Setup {
    let mut policy = POLICY.to_vec();
    policy.extend([("traffic", "50,100"), ("step", "2m"), ("bake", "2m"), ("keep-warm", "2m")]);
    Setup {
        policy,
        groups: 2,
        drifted_max: 0,
        images: 1,
        troubles_max: Some(troubles_max),
        ..with(name, story, troubles)
    }
}

/// What may go wrong with a cutover.
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

/// Every world.
pub fn all() -> Vec<Setup> {
    let small = [
        two_actors(
            "two-actors",
            "one drift; the function dies, or sleeps before its commit until another one takes over, for ever",
            1,
        ),
        cutover("cutover", "two colors of two, one image, and nothing goes wrong", &[], 0),
    ];
    let explored = [
        drift(),
        with(
            "crashes",
            "as drift, and the function dies and answers are lost, at any moment, for ever",
            &[Trouble::Crash, Trouble::LostReply],
        ),
        Setup {
            images: 2,
            ..cutover("cutover-2-images", "two colors of two, two images, and nothing goes wrong", &[], 0)
        },
        cutover("cutover-1", "two colors of two, one image, and one thing of any kind goes wrong", &OF_CUTOVERS, 1),
        anything("anything", "one drift, and one thing of any kind goes wrong, at any moment", 1, 1),
        with("refused", "as drift, and AWS cannot launch, for ever", &[Trouble::BadLaunch]),
        with("retries", "as drift, and a person wants what was stopped tried again, for ever", &[Trouble::Retry]),
        with("busy", "as drift, and AWS is busy, at any moment, for ever", &[Trouble::Busy]),
        with("bounds", "as drift, and somebody writes the maximum, for ever", &[Trouble::MaximumByOthers]),
        two_actors(
            "two-actors-2",
            "two drifts; the function dies, or sleeps before its commit until another one takes over, for ever",
            2,
        ),
    ];
    let larger = [
        cutover("cutover-2", "two colors of two, one image, and two things of any kind go wrong", &OF_CUTOVERS, 2),
        anything("anything-2-1", "two drifts, and one thing of any kind goes wrong, at any moment", 2, 1),
        anything("anything-1-2", "one drift, and two things of any kind go wrong, at any moment", 1, 2),
    ];
    let of = |size| move |setup| Setup { size, ..setup };
    let small = small.into_iter().map(of(Size::Small));
    small.chain(explored.into_iter().map(of(Size::Explored))).chain(larger.into_iter().map(of(Size::Larger))).collect()
}

/// Things of any kind go wrong, so many on one way, while an instance drifts so often.
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
