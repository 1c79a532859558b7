//! The names of the guards.

/// The name of a guard, everywhere: as it is stored, shown and counted, and in scenario files.
///
/// One name is one question. What only some of them ask stands in their lists; the others belong to a phase of a
/// cutover, which asks them itself.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    strum::Display,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
pub enum GuardId {
    /// The drift must last.
    Debounce,
    /// The instance must still be in its group.
    Member,
    /// AWS Config must have the rules of the fleet's list.
    Rules,
    /// An operator stopped everything.
    Freeze,
    /// The fleet is only observed.
    Mode,
    /// The policy must be valid.
    Policy,
    /// The groups must form a fleet that Driftless works with.
    Setup,
    /// Disruption may start in the window only.
    Window,
    /// A cutover changes the groups.
    Cutover,
    /// The group must be fit for a replacement.
    Group,
    /// What may be a successor that is not known yet is judged as one.
    LaunchPending,
    /// What starts something is verified by what this very look read.
    DriftRead,
    /// Too many of the fleet drifted at once.
    Breaker,
    /// Too many fleets drifted at once under a rule.
    RuleBreaker,
    /// A successor drifted for what its ancestor was replaced for.
    RepeatDrift,
    /// So many may be replaced, or not serve, at once.
    Budget,
    /// So many may be kept for forensics at once.
    Quarantine,
    /// A failed attempt is waited out.
    BackOff,
    /// AWS has no room for a launch.
    Capacity,
    /// An operator protects the instance.
    Protection,
    /// Auto Scaling, or an operator, has the instance.
    InService,
    /// So many must serve without the instance.
    MinHealthy,
    /// The group's hooks and refreshes must have been read.
    HooksRead,
    /// An operator paused the cutover.
    Pause,
    /// Instances of the fleet are being replaced.
    Replacements,
    /// So many fleets of the account may cut over at once.
    Slot,
    /// What can be known before a cutover begins must hold.
    Preflight,
    /// An operator or a pipeline must approve.
    Approval,
    /// Alarms of both colors ring.
    BothColorsAlarm,
    /// An alarm that guards the cutover does not exist.
    GuardAlarm,
    /// An external change moved the traffic.
    Traffic,
    /// So many of the new color must serve.
    ColorMinHealthy,
    /// So many of the old color must serve to take the traffic back.
    RollbackMinHealthy,
    /// The old color must have a healthy instance before the new color is scaled to zero.
    OldColor,
    /// Only an operator can say how it goes on.
    Operator,
}

impl GuardId {
    /// The word under which it went together with another guard, before it had a name of its own. Scenario files that
    /// say that word still mean this guard too.
    pub const fn earlier_word(self) -> Option<&'static str> {
        match self {
            Self::Setup | Self::LaunchPending | Self::DriftRead | Self::HooksRead => Some("group"),
            Self::Rules => Some("policy"),
            Self::Member => Some("in-service"),
            Self::Debounce
            | Self::Freeze
            | Self::Mode
            | Self::Policy
            | Self::Window
            | Self::Cutover
            | Self::Group
            | Self::Breaker
            | Self::RuleBreaker
            | Self::RepeatDrift
            | Self::Budget
            | Self::Quarantine
            | Self::BackOff
            | Self::Capacity
            | Self::Protection
            | Self::InService
            | Self::MinHealthy
            | Self::Pause
            | Self::Replacements
            | Self::Slot
            | Self::Preflight
            | Self::Approval
            | Self::BothColorsAlarm
            | Self::GuardAlarm
            | Self::Traffic
            | Self::ColorMinHealthy
            | Self::RollbackMinHealthy
            | Self::OldColor
            | Self::Operator => None,
        }
    }
}
