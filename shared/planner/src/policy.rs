//! The policy of a fleet: the tags `driftless:<key>` on its groups, which override the defaults of the stack.
//!
//! A policy is valid as a whole or not at all. An unknown key, a value that cannot be parsed or a contradiction makes
//! it invalid: nothing disruptive starts, and on-call gets a message with the reason.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;
use std::sync::LazyLock;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::alarm::AlarmPattern;
use crate::ids::RuleName;
use crate::window::Window;
use settings::Settings;

mod settings;
mod values;

pub use values::{Budget, Percent};

/// The prefix of every tag that Driftless reads.
pub const TAG_PREFIX: &str = "driftless:";

/// The keys of tags that have the prefix but describe the group, and so are not policy keys.
const IDENTITY_KEYS: [&str; 2] = ["fleet", "color"];

/// The policy of a fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Whether Driftless may change anything. Default: observe.
    pub mode: Mode,
    /// Config rules whose non-compliant instances count as drifted. Default: none. Findings under other rules are only
    /// shown, so that the right to create a rule is no right to terminate instances.
    pub rules: BTreeSet<RuleName>,
    /// The fleet's minimum number of instances, which moves to the group that takes the traffic. Default: `MinSize` of
    /// the live group.
    pub min: Option<u32>,
    /// The fleet's maximum number of instances, which moves to the group that takes the traffic. Default: `MaxSize` of
    /// the live group.
    pub max: Option<u32>,
    /// The age from which an instance counts as drifted, at least [`MAX_AGE_MIN`]. Default: none.
    pub max_age: Option<SignedDuration>,
    /// The most replacements at once. Default: 1.
    pub budget: Budget,
    /// The breaker opens if more than this share of the group's instances, and at least [`BREAKER_INSTANCES_MIN`] of
    /// them, drifted at once. Default: 25 %.
    pub breaker: Percent,
    /// How long drift must last before the instance is replaced. Default: 5 minutes.
    pub debounce: SignedDuration,
    /// The hours in which disruption may start. Default: at any time.
    pub window: Window,
    /// How a drifted instance is replaced. Default: the replacement instance is launched first.
    pub replace: ReplaceBy,
    /// The share of the desired capacity that must stay healthy during a replacement, rounded up. Default: 90 %.
    pub min_healthy: Percent,
    /// How long the launch and the verification of a replacement instance may take together. Default: 20 minutes.
    pub launch_deadline: SignedDuration,
    /// How long the termination of an instance may take. Default: 30 minutes.
    pub drain_deadline: SignedDuration,
    /// The settings for cutovers.
    pub cutover: CutoverPolicy,
}

/// The breaker opens only if at least this many instances drifted. One drifted instance is never a common cause,
/// whatever the size of its fleet: a share of a small group is coarse (one of three is 33 %), and the replacement of a
/// single instance is the normal case.
pub const BREAKER_INSTANCES_MIN: usize = 2;

/// The lowest age limit for instances. With a limit near the duration of a replacement, Driftless would replace
/// instances without end.
pub const MAX_AGE_MIN: SignedDuration = SignedDuration::from_hours(1);

/// How a drifted instance is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReplaceBy {
    /// The replacement instance is launched first, and the drifted instance is terminated after the verification.
    Surge,
    /// The drifted instance is terminated first, for fleets that cannot run one more instance. Only
    /// `driftless:strategy` chooses this.
    TerminateFirst,
    /// The replacement instance is launched first, and after the verification the drifted instance moves to standby,
    /// where it is kept for forensics for [`QUARANTINE_FOR`].
    Quarantine,
}

/// How long an instance in quarantine is kept.
pub const QUARANTINE_FOR: SignedDuration = SignedDuration::from_hours(72);
/// The most instances of one fleet in quarantine at once: each costs as much as a healthy one.
pub const QUARANTINE_MAX: usize = 3;

/// The settings of a policy that only cutovers use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CutoverPolicy {
    /// Which report of a new image starts a cutover. Default: a tag on the image.
    pub image_source: ImageSourcePolicy,
    /// The share of the traffic, in percent, that the new color gets in each step. The last step is 100. Default: 10,
    /// 50, 100.
    pub traffic: Vec<Percent>,
    /// How long the alarms are watched in each traffic step. Default: 2 minutes.
    pub step: SignedDuration,
    /// How late the metrics of the alarms may arrive in CloudWatch. Default: 2 minutes, as for a load balancer.
    pub metrics_delay: SignedDuration,
    /// How long the alarms are watched after the new color has all of the traffic. Default: 15 minutes.
    pub bake: SignedDuration,
    /// How long the old color stays at full size without traffic after the bake, for a fast rollback. Default: 60
    /// minutes.
    pub keep_warm: SignedDuration,
    /// What must happen before the new color gets its first traffic. Default: nothing.
    pub approval: Approval,
    /// Alarms that stop a cutover, and that mark an instance as drifted if the dimensions of the alarm name the
    /// instance. None: the tag is absent, which `act` does not accept. Empty: the tag is `none`.
    pub alarms: Option<BTreeSet<AlarmPattern>>,
}

/// Whether Driftless may change anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "mode"))]
pub enum Mode {
    /// Driftless reports what it would do and changes nothing.
    Observe,
    /// Driftless replaces drifted instances and cuts over to new images.
    Act,
}

/// Which report of an image starts a cutover.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImageSourcePolicy {
    Tag,
    /// Only the event `image.published` on Driftless's own event bus: a tag on the image alone starts no cutover.
    Event,
}

/// What must happen before a cutover's first traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
pub enum Approval {
    /// Nothing: traffic moves as soon as the new color is verified.
    Auto,
    /// The approval of an operator.
    Manual,
    /// The verdict of a pipeline.
    Check,
}

/// Why a policy is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// A tag with the prefix has an unknown key. It is probably a typing error, and without this error a guard that the
    /// operator wants would be missing.
    #[error("driftless:{key} is not a policy key")]
    UnknownKey {
        /// The key, without the prefix.
        key: String,
    },
    /// A value that cannot be parsed.
    #[error("driftless:{key} is {value:?}: {expected}")]
    BadValue {
        /// The key, without the prefix.
        key: String,
        /// The value as written.
        value: String,
        expected: String,
    },
    /// One setting has two values, under its name and under its earlier name.
    #[error(
        "driftless:{earlier} is {earlier_value:?} and driftless:{key} is {value:?}: both name the same setting and must \
         have the same value"
    )]
    TwoValues {
        /// The key, without the prefix.
        key: String,
        /// The value under the key.
        value: String,
        /// The earlier name of the key, without the prefix.
        earlier: String,
        /// The value under the earlier name.
        earlier_value: String,
    },
    /// A tag that has no effect on a group. Driftless could disrupt what the tag was meant to protect if it ignored the
    /// tag.
    #[error("driftless:{key} is {value:?} on a group: {instead}")]
    Misplaced {
        /// The key, without the prefix.
        key: String,
        /// The value as written.
        value: String,
        /// What to do instead.
        instead: &'static str,
    },
    /// Two settings that contradict each other.
    #[error("{0}")]
    Contradiction(String),
    /// The two groups of a pair have different values.
    #[error("driftless:{key} is {blue} on the blue group and {green} on the green one: both must agree")]
    Disagreement {
        /// The key in the form that the blue group uses, or else the green group, without the prefix.
        key: String,
        /// The value on the blue group, quoted, or "absent".
        blue: String,
        /// The value on the green group, quoted, or "absent". The name of the tag precedes the value if the two groups
        /// use different names of the key.
        green: String,
    },
}

impl Policy {
    /// Parses the policy from a group's tags, which override the defaults of the stack. Ignores tags without the
    /// prefix.
    pub fn from_tags(tags: &BTreeMap<String, String>, defaults: &Defaults) -> Result<Self, PolicyError> {
        let mut settings = texts(&defaults.0);
        for (name, _) in own_tags(tags) {
            let key = settings::key_of(name);
            if !KEYS.contains(key) {
                return Err(PolicyError::UnknownKey { key: name.to_owned() });
            }
            // A tag replaces the default of its key, whichever name either has.
            settings.remove(key);
            settings::earlier_name(key).and_then(|earlier| settings.remove(earlier));
        }
        settings.extend(own_tags(tags));
        Self::from_settings(&Settings::new(settings))
    }

    fn from_settings(settings: &Settings<'_>) -> Result<Self, PolicyError> {
        settings.refuse_misplaced()?;
        let policy = Self {
            mode: settings.read("mode", "observe", "observe or act", |text| match text {
                "observe" => Some(Mode::Observe),
                "act" => Some(Mode::Act),
                _ => None,
            })?,
            rules: settings.read("rules", "", "Config rule names, separated by ;", settings::names)?,
            min: settings.optional("min", "a number of instances", |text| text.parse().ok())?,
            max: settings.optional("max", "a number of instances, at least 1", |text| {
                text.parse().ok().filter(|max: &u32| *max > 0)
            })?,
            max_age: settings.optional("max-age", "a duration of at least 1h, such as 7d, or none", |text| {
                settings::duration(text).filter(|age| *age >= MAX_AGE_MIN)
            })?,
            budget: settings.read(
                "budget",
                "1",
                "a count of at least 1 (2) or a percentage (10%)",
                settings::budget,
            )?,
            breaker: settings.percent("breaker", "25%")?,
            debounce: settings.duration("debounce", "5m")?,
            window: settings.window()?,
            replace: settings.read("strategy", "surge", "surge, terminate-first or quarantine", |text| match text {
                "surge" => Some(ReplaceBy::Surge),
                "terminate-first" => Some(ReplaceBy::TerminateFirst),
                "quarantine" => Some(ReplaceBy::Quarantine),
                _ => None,
            })?,
            min_healthy: settings.percent("min-healthy", "90%")?,
            launch_deadline: settings.positive_duration("launch-deadline", "20m")?,
            drain_deadline: settings.positive_duration("drain-deadline", "30m")?,
            cutover: CutoverPolicy::from_settings(settings)?,
        };
        policy.contradiction().map_or(Ok(policy), |contradiction| Err(PolicyError::Contradiction(contradiction)))
    }

    /// The alarms that the policy lists; none if the tag is absent.
    pub fn alarms(&self) -> impl Iterator<Item = &AlarmPattern> {
        self.cutover.alarms.iter().flatten()
    }

    /// Which settings contradict each other, in words. None: there is no contradiction.
    fn contradiction(&self) -> Option<String> {
        if let (Some(min), Some(max)) = (self.min, self.max)
            && min > max
        {
            return Some(format!("driftless:min={min} is more than driftless:max={max}"));
        }
        if self.replace == ReplaceBy::TerminateFirst && self.min_healthy.get() == 100 {
            return Some(
                "driftless:strategy=terminate-first terminates an instance before its replacement is healthy, and \
                 driftless:min-healthy=100% does not allow that: lower min-healthy, or set strategy to surge"
                    .to_owned(),
            );
        }
        self.stops_nothing()
    }

    /// Why nothing would stop a bad cutover in `act` mode, in words: the policy has neither an alarm nor the manual
    /// approval of an operator. None: something would stop it, or the mode is `observe`.
    fn stops_nothing(&self) -> Option<String> {
        match (self.mode, &self.cutover.alarms, self.cutover.approval) {
            (Mode::Act, None, _) => Some(
                "driftless:mode=act needs driftless:alarms: name the alarms that stop a cutover, or say none together \
                 with driftless:approval=manual"
                    .to_owned(),
            ),
            (Mode::Act, Some(alarms), Approval::Auto | Approval::Check) if alarms.is_empty() => Some(
                "driftless:alarms=none needs driftless:approval=manual: nothing else would stop a cutover".to_owned(),
            ),
            (Mode::Observe, _, _) | (Mode::Act, Some(_), _) => None,
        }
    }
}

impl CutoverPolicy {
    fn from_settings(settings: &Settings<'_>) -> Result<Self, PolicyError> {
        Ok(Self {
            image_source: settings.read("image-source", "tag", "tag or event", |text| match text {
                "tag" => Some(ImageSourcePolicy::Tag),
                "event" => Some(ImageSourcePolicy::Event),
                _ => None,
            })?,
            traffic: settings.read("weights", "10,50,100", "rising percentages that end at 100", settings::weights)?,
            step: settings.positive_duration("step", "2m")?,
            bake: settings.duration("bake", "15m")?,
            keep_warm: settings.duration("keep-warm", "60m")?,
            metrics_delay: settings.duration("metrics-delay", "2m")?,
            approval: settings.read("approval", "auto", "auto, manual or check", |text| match text {
                "auto" => Some(Approval::Auto),
                "manual" => Some(Approval::Manual),
                "check" => Some(Approval::Check),
                _ => None,
            })?,
            alarms: settings.alarms()?,
        })
    }
}

/// Every valid key of a policy: the keys that the parser reads.
static KEYS: LazyLock<BTreeSet<&'static str>> = LazyLock::new(|| {
    let nothing = Settings::default();
    let read = Policy::from_settings(&nothing);
    debug_assert!(read.is_ok(), "{read:?}");
    nothing.into_asked()
});

/// The default policy, from the parameters of the stack: the value of each setting by its key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Defaults(BTreeMap<String, String>);

impl FromStr for Defaults {
    type Err = PolicyError;

    /// Parses lines `key=value`. The defaults must be a valid policy by themselves, except that `mode=act` needs no
    /// alarms here.
    fn from_str(lines: &str) -> Result<Self, PolicyError> {
        let mut settings = BTreeMap::new();
        for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (key, value) = line.split_once('=').ok_or_else(|| PolicyError::BadValue {
                key: line.to_owned(),
                value: String::new(),
                expected: "key=value".to_owned(),
            })?;
            if !KEYS.contains(settings::key_of(key)) {
                return Err(PolicyError::UnknownKey { key: key.to_owned() });
            }
            settings.insert(key.to_owned(), value.to_owned());
        }
        // `mode=act` is valid as a default without alarms: each fleet must name its own.
        let mut alone = texts(&settings);
        alone.remove("mode");
        Policy::from_settings(&Settings::new(alone))?;
        Ok(Self(settings))
    }
}

fn texts(settings: &BTreeMap<String, String>) -> BTreeMap<&str, &str> {
    settings.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect()
}

/// The policy tags of a group, without the prefix, and without the tags that describe the group.
pub fn own_tags(tags: &BTreeMap<String, String>) -> impl Iterator<Item = (&str, &str)> {
    tags.iter()
        .filter_map(|(key, value)| Some((key.strip_prefix(TAG_PREFIX)?, value.trim())))
        .filter(|(key, _)| !IDENTITY_KEYS.contains(key))
}

/// Checks that the two groups of a pair have the same policy. A key and its earlier name are one setting, whose values
/// are compared after parsing; other values are compared as text.
pub fn agreement(blue: &BTreeMap<String, String>, green: &BTreeMap<String, String>) -> Result<(), PolicyError> {
    let (blue, green) = (by_key(blue)?, by_key(green)?);
    let keys: BTreeSet<&str> = blue.keys().chain(green.keys()).copied().collect();
    let agree = |key: &&str| match (blue.get(key), green.get(key)) {
        (Some((_, blue)), Some((_, green))) => is_same(key, blue, green),
        (blue, green) => blue.is_none() && green.is_none(),
    };
    let Some(key) = keys.into_iter().find(|key| !agree(key)) else { return Ok(()) };
    let quoted =
        |tag: Option<&(&str, &str)>| tag.map_or_else(|| "absent".to_owned(), |(_, value)| format!("{value:?}"));
    let (blue, green) = (blue.get(key), green.get(key));
    let is_named_twice = blue.zip(green).is_some_and(|((blue, _), (green, _))| blue != green);
    Err(PolicyError::Disagreement {
        key: blue.or(green).map_or(key, |(name, _)| name).to_owned(),
        blue: quoted(blue),
        green: match green {
            Some((name, value)) if is_named_twice => format!("{TAG_PREFIX}{name} is {value:?}"),
            green => quoted(green),
        },
    })
}

/// The policy tags of a group by key, each with the name that the tag uses and its value. Err: the group has the key
/// under both of its names, with different values.
fn by_key(tags: &BTreeMap<String, String>) -> Result<BTreeMap<&str, (&str, &str)>, PolicyError> {
    let mut found: BTreeMap<&str, (&str, &str)> = own_tags(tags).map(|(name, value)| (name, (name, value))).collect();
    for (name, value) in own_tags(tags) {
        let key = settings::key_of(name);
        if key == name {
            continue;
        }
        found.remove(name);
        let (_, other) = *found.entry(key).or_insert((name, value));
        if !is_same(key, other, value) {
            return Err(settings::two_values(key, other, name, value));
        }
    }
    Ok(found)
}

/// Whether two texts of a key mean the same value. For a key that was renamed, the values of different texts are compared;
/// for any other key, different texts are different values.
fn is_same(key: &str, one: &str, other: &str) -> bool {
    let read = |text| Policy::from_settings(&Settings::new(BTreeMap::from([(key, text)]))).ok();
    one == other
        || (settings::earlier_name(key).is_some()
            && read(one).zip(read(other)).is_some_and(|(one, other)| one == other))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(tags: &[(&str, &str)]) -> Result<Policy, PolicyError> {
        let tags = tags.iter().map(|(key, value)| (format!("driftless:{key}"), (*value).to_owned())).collect();
        Policy::from_tags(&tags, &Defaults::default())
    }

    #[test]
    fn the_terraform_module_has_the_keys_that_the_planner_reads() {
        let module = include_str!("../../../infra/fleet/policy.tf");
        let elsewhere = module.split("policy_keys_elsewhere = {").nth(1).unwrap().split('}').next().unwrap();
        let key = |line: &'static str| line.split('=').next().unwrap().trim();
        let own = module.lines().filter(|line| line.contains("= { pattern =")).map(key);
        let named: BTreeSet<&str> = own.chain(elsewhere.lines().filter(|line| line.contains('=')).map(key)).collect();
        assert_eq!(named, KEYS.iter().copied().chain(IDENTITY_KEYS).collect());
    }

    fn percent(number: u8) -> Percent {
        number.try_into().unwrap()
    }

    #[test]
    fn a_fleet_that_says_nothing_is_observed_with_the_defaults_of_the_design() {
        let policy = policy(&[("fleet", "app"), ("color", "blue")]).unwrap();
        assert_eq!(policy.mode, Mode::Observe);
        assert!(policy.rules.is_empty());
        assert_eq!(policy.budget, Budget::Count(1));
        assert_eq!(policy.breaker, percent(25));
        assert_eq!(policy.debounce, SignedDuration::from_mins(5));
        assert_eq!(policy.min_healthy, percent(90));
        assert_eq!(policy.launch_deadline, SignedDuration::from_mins(20));
        assert_eq!(policy.drain_deadline, SignedDuration::from_mins(30));
        assert_eq!(policy.cutover.traffic, [percent(10), percent(50), percent(100)]);
        assert_eq!(policy.cutover.keep_warm, SignedDuration::from_mins(60));
        assert_eq!(policy.cutover.metrics_delay, SignedDuration::from_mins(2));
    }

    #[test]
    fn what_cannot_be_read_is_an_error_that_names_key_value_and_what_was_expected() {
        for (key, value, message) in [
            ("mode", "on", r#"driftless:mode is "on": observe or act"#),
            ("budget", "0", r#"driftless:budget is "0": a count of at least 1 (2) or a percentage (10%)"#),
            ("budget", "0%", r#"driftless:budget is "0%": a count of at least 1 (2) or a percentage (10%)"#),
            ("breaker", "101%", r#"driftless:breaker is "101%": a percentage from 0% to 100%"#),
            ("debounce", "-1s", r#"driftless:debounce is "-1s": a duration such as 90s, 5m or 1h"#),
            (
                "launch-deadline",
                "0s",
                r#"driftless:launch-deadline is "0s": a duration above zero, such as 90s, 5m or 1h"#,
            ),
            ("weights", "50,10,100", r#"driftless:weights is "50,10,100": rising percentages that end at 100"#),
            ("weights", "10,50", r#"driftless:weights is "10,50": rising percentages that end at 100"#),
            ("alarms", "", r#"driftless:alarms is "": alarm names, separated by ;, or none"#),
            ("max", "0", r#"driftless:max is "0": a number of instances, at least 1"#),
            ("max-age", "1mo", r#"driftless:max-age is "1mo": a duration of at least 1h, such as 7d, or none"#),
            ("strategy", "detach", r#"driftless:strategy is "detach": surge, terminate-first or quarantine"#),
            ("alarms", "*", r#"driftless:alarms is "*": alarm names, separated by ;, or none"#),
            (
                "window",
                "Mon 09:00-16:00",
                r#"driftless:window is "Mon 09:00-16:00": days, times and a time zone, such as Mon-Fri 09:00-16:00 Europe/Berlin"#,
            ),
            ("debuonce", "5m", "driftless:debuonce is not a policy key"),
        ] {
            assert_eq!(policy(&[(key, value)]).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn what_the_design_names_is_understood() {
        let said = policy(&[
            ("window", "Mon-Fri 09:00-16:00 Europe/Berlin; Sat 10:00-12:00 UTC"),
            ("max-age", "7d"),
            ("strategy", "quarantine"),
            ("min", "2"),
            ("max", "2"),
            ("alarms", "web-5xx; status-check-*"),
        ])
        .unwrap();
        assert_eq!(said.window.to_string(), "Mon-Fri 09:00-16:00 Europe/Berlin; Sat 10:00-12:00 UTC");
        assert_eq!(said.max_age, Some(SignedDuration::from_hours(7 * 24)));
        assert_eq!((said.replace, said.min, said.max), (ReplaceBy::Quarantine, Some(2), Some(2)));
        let alarms: Vec<String> = said.alarms().map(ToString::to_string).collect();
        assert_eq!(alarms, ["web-5xx", "status-check-*"]);
        let silent = policy(&[("window", "always"), ("max-age", "none"), ("strategy", "surge")]).unwrap();
        assert_eq!((silent.window, silent.max_age, silent.replace), (Window::always(), None, ReplaceBy::Surge));
    }

    #[test]
    fn an_age_limit_is_at_least_an_hour() {
        for (age, is_valid) in [("59m 59s", false), ("1h", true), ("1h 1s", true), ("1mo", false), ("-1h", false)] {
            assert_eq!(policy(&[("max-age", age)]).is_ok(), is_valid, "{age}");
        }
    }

    #[test]
    fn a_protection_belongs_on_an_instance() {
        let error = policy(&[("protect", "batch job")]).unwrap_err().to_string();
        assert_eq!(
            error,
            r#"driftless:protect is "batch job" on a group: set driftless:protect on an instance, not on a group"#
        );
    }

    #[test]
    fn settings_that_cannot_both_hold_are_a_contradiction() {
        for (min, max, is_valid) in [("1", "2", true), ("2", "2", true), ("3", "2", false), ("0", "1", true)] {
            assert_eq!(policy(&[("min", min), ("max", max)]).is_ok(), is_valid, "{min} to {max}");
        }
        for (share, is_valid) in [("99%", true), ("100%", false)] {
            let said = policy(&[("strategy", "terminate-first"), ("min-healthy", share)]);
            assert_eq!(said.is_ok(), is_valid, "{share}");
        }
        assert!(policy(&[("strategy", "surge"), ("min-healthy", "100%")]).is_ok());
    }

    #[test]
    fn act_needs_an_alarm_or_a_person() {
        assert!(policy(&[("mode", "act")]).is_err());
        assert!(policy(&[("mode", "act"), ("alarms", "none")]).is_err());
        assert!(policy(&[("mode", "act"), ("alarms", "none"), ("approval", "check")]).is_err());
        assert!(policy(&[("mode", "act"), ("alarms", "none"), ("approval", "manual")]).is_ok());
        assert!(policy(&[("mode", "act"), ("alarms", "web-5xx; web-latency")]).is_ok());
    }

    #[test]
    fn both_groups_of_a_pair_must_say_the_same() {
        let tags = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect::<BTreeMap<_, _>>()
        };
        let blue = tags(&[("driftless:color", "blue"), ("driftless:budget", "2"), ("Name", "x")]);
        assert!(agreement(&blue, &tags(&[("driftless:color", "green"), ("driftless:budget", "2")])).is_ok());
        let error = agreement(&blue, &tags(&[("driftless:color", "green")])).unwrap_err();
        assert_eq!(
            error.to_string(),
            r#"driftless:budget is "2" on the blue group and absent on the green one: both must agree"#
        );
    }

    #[test]
    fn the_defaults_of_the_stack_hold_where_no_tag_says_otherwise() {
        let defaults: Defaults = "mode=act\ndebounce=1m\n".parse().unwrap();
        let tags = BTreeMap::from([
            ("driftless:alarms".to_owned(), "web-5xx".to_owned()),
            ("driftless:debounce".to_owned(), "2m".to_owned()),
        ]);
        let policy = Policy::from_tags(&tags, &defaults).unwrap();
        assert_eq!((policy.mode, policy.debounce), (Mode::Act, SignedDuration::from_mins(2)));
        assert!("debounce=soon".parse::<Defaults>().is_err());
        assert!("bounce=1m".parse::<Defaults>().is_err());
    }
}
