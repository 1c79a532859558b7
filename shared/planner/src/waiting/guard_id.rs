//! The names of the guards.

/// The name of a guard, as it is stored, shown in messages, counted in metrics and used in scenario files.
///
/// Each name stands for one requirement. The lists in `guards` contain the guards of replacements and of the start of
/// cutovers; the other names belong to phases of a cutover, which evaluate them.
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
    /// The drift must have lasted for the debounce time.
    Debounce,
    /// The instance must still be in its group.
    Member,
    /// AWS Config must have every rule in `driftless:rules`.
    Rules,
    /// No freeze may be in force.
    Freeze,
    /// The mode must be `act`.
    Mode,
    /// The policy must be valid.
    Policy,
    /// The groups must form a fleet that Driftless supports.
    Setup,
    /// The change window must be open.
    Window,
    /// No cutover may be changing the groups.
    Cutover,
    /// The group must be able to take a replacement.
    Group,
    /// The instance must not be one that a launch call without a response may have launched.
    LaunchPending,
    /// This pass must have read the drift of the instance, and the result of every Config rule of the policy.
    DriftRead,
    /// Not too many instances of the fleet may have drifted at once.
    Breaker,
    /// Not too many fleets may have drifted at once under the Config rules that the instance breaks.
    RuleBreaker,
    /// No replacement instance may have drifted for the same reasons as this instance.
    RepeatDrift,
    /// The number of instances that are being replaced or are unhealthy must be below the limit of the budget.
    Budget,
    /// The quarantine of the fleet must have room for one more instance.
    Quarantine,
    /// The back-off after a failed attempt must be over.
    BackOff,
    /// The back-off after a capacity shortage must be over.
    Capacity,
    /// No tag or scale-in protection of an operator may protect the instance.
    Protection,
    /// The instance must be InService and healthy: otherwise Auto Scaling or an operator is handling it.
    InService,
    /// Enough instances must stay healthy without the instance.
    MinHealthy,
    /// This pass must have read the group's lifecycle hooks and instance refreshes.
    HooksRead,
    /// The cutover must not be paused by an operator.
    Pause,
    /// No instance of the fleet may be in the process of being replaced.
    Replacements,
    /// The account must have a free cutover slot.
    Slot,
    /// Every preflight check must pass.
    Preflight,
    /// An operator or a pipeline must approve the cutover.
    Approval,
    /// Alarms of both colors must not be in ALARM at once.
    BothColorsAlarm,
    /// Every alarm that guards the cutover must exist.
    GuardAlarm,
    /// No external change may have moved the traffic.
    Traffic,
    /// Enough instances of the new color must be healthy.
    ColorMinHealthy,
    /// Enough instances of the old color must be healthy to take all traffic back.
    RollbackMinHealthy,
    /// The old color must have a healthy instance before the new color is scaled to zero.
    OldColor,
    /// The cutover must not need an operator's decision whether to continue or to roll back.
    Operator,
}

impl GuardId {
    /// The name of another guard that earlier versions also used for this guard, before this guard had its own name. In
    /// scenario files that name still matches this guard.
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
