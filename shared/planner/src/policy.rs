//! The policy of a fleet: tags `driftless:<key>` on its groups, over the stack's defaults.
//!
//! A policy is valid as a whole or not at all. An unknown key, a value that cannot be read or a contradiction makes
//! it invalid: nothing disruptive starts, and on-call hears why.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::ids::{AlarmName, RuleName};

/// The prefix of every tag that Driftless reads.
pub const TAG_PREFIX: &str = "driftless:";

/// Tags with the prefix that say what a group is, and not how to treat it.
const IDENTITY_KEYS: [&str; 2] = ["fleet", "color"];

/// How a fleet wants to be treated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Whether to change anything. Default: observe.
    pub mode: Mode,
    /// Config rules that count as drift. Default: none; others are shown only, so that no one who may create a rule
    /// may terminate servers.
    pub rules: BTreeSet<RuleName>,
    /// Replacements at once. Default: 1.
    pub budget: Budget,
    /// More than this share of the group drifted at once, and at least [`BREAKER_INSTANCES_MIN`], has a common cause.
    /// Default: 25 %.
    pub breaker: Percent,
    /// How long a drift must last. Default: 5 minutes.
    pub debounce: SignedDuration,
    /// The floor of serving instances, as a share of the desired capacity. Default: 90 %.
    pub min_healthy: Percent,
    /// How long a successor may take to prove itself. Default: 20 minutes.
    pub launch_deadline: SignedDuration,
    /// How long a terminated instance may take to leave. Default: 30 minutes.
    pub drain_deadline: SignedDuration,
    /// What a cutover asks for. Validated here, used by cutovers.
    pub cutover: CutoverPolicy,
}

/// One drifted instance never is a common cause, whatever the size of its fleet: a share of a small group is coarse
/// (one of three is 33 %), and replacing a single server is the very job.
pub const BREAKER_INSTANCES_MIN: usize = 2;

/// The part of a policy that only cutovers read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CutoverPolicy {
    /// Which report starts a cutover. Default: a tag on the image.
    pub image_source: ImageSourcePolicy,
    /// Weights of the new color, step by step, ending at 100. Default: 10, 50, 100.
    pub traffic: Vec<Percent>,
    /// How long each step is watched. Default: 2 minutes.
    pub step: SignedDuration,
    /// How long the new color is watched at 100 %. Default: 15 minutes.
    pub bake: SignedDuration,
    /// How long the old color stays at full size, out of traffic. Default: 60 minutes.
    pub keep_warm: SignedDuration,
    /// What must happen before the first traffic. Default: nothing.
    pub approval: Approval,
    /// Alarms that stop a cutover. None: the tag is absent, which `act` does not accept; empty: a literal `none`.
    pub alarms: Option<BTreeSet<AlarmName>>,
}

/// Whether to change anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Detect, say what would be done, change nothing.
    Observe,
    /// Do it.
    Act,
}

/// How many replacements may be under way at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Budget {
    /// So many.
    Count(u32),
    /// A share of the serving instances, rounded down, but at least 1 where at least 2 serve.
    Share(Percent),
}

impl Budget {
    /// The limit in instances, for a group in which `serving` instances serve.
    pub fn limit(self, serving: u32) -> u32 {
        match self {
            Self::Count(count) => count,
            Self::Share(share) => {
                let floor = u64::from(serving) * u64::from(share.0) / 100;
                let at_least = u32::from(serving >= 2);
                u32::try_from(floor).unwrap_or(u32::MAX).max(at_least)
            }
        }
    }
}

/// A whole percentage from 0 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Percent(u8);

impl Percent {
    /// The number, 0 to 100.
    pub const fn get(self) -> u8 {
        self.0
    }

    /// Whether `part` of `whole` is more than this share. Nothing is more than a share of nothing.
    pub fn is_exceeded_by(self, part: usize, whole: usize) -> bool {
        // In u128 no product of two sizes overflows.
        part as u128 * 100 > whole as u128 * u128::from(self.0)
    }

    /// This share of `whole`, rounded up: a floor must not be undercut by rounding.
    pub fn of_rounded_up(self, whole: u32) -> u32 {
        u32::try_from((u64::from(whole) * u64::from(self.0)).div_ceil(100)).unwrap_or(u32::MAX)
    }
}

impl TryFrom<u8> for Percent {
    type Error = String;

    fn try_from(number: u8) -> Result<Self, String> {
        if number <= 100 { Ok(Self(number)) } else { Err(format!("{number} is more than 100 %")) }
    }
}

impl From<Percent> for u8 {
    fn from(percent: Percent) -> Self {
        percent.0
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} %", self.0)
    }
}

/// Which report of an image starts a cutover.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImageSourcePolicy {
    /// A tagged image.
    Tag,
    /// Only `image.published` on Driftless's own bus; a tag proposes.
    Event,
}

/// What must happen before a cutover's first traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Approval {
    /// Nothing.
    Auto,
    /// A person approves.
    Manual,
    /// A pipeline gives its verdict.
    Check,
}

/// Why a policy is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// A tag with our prefix and a key that does not exist: probably a typing error, and then a guard is missing.
    #[error("driftless:{key} is not a policy key")]
    UnknownKey {
        /// The key, without the prefix.
        key: String,
    },
    /// A value that cannot be read.
    #[error("driftless:{key} is {value:?}: {expected}")]
    BadValue {
        /// The key, without the prefix.
        key: String,
        /// The value as it stands.
        value: String,
        /// What it should have been.
        expected: String,
    },
    /// A key whose behaviour this version does not have. Ignoring it could disrupt what it protects.
    #[error("driftless:{key} is {value:?}, which this version of Driftless cannot do: {instead}")]
    NotSupported {
        /// The key, without the prefix.
        key: String,
        /// The value as it stands.
        value: String,
        /// What to do instead.
        instead: &'static str,
    },
    /// Two settings that cannot both hold.
    #[error("{0}")]
    Contradiction(String),
    /// The two groups of a pair say different things.
    #[error("driftless:{key} is {blue} on the blue group and {green} on the green one: both must agree")]
    Disagreement {
        /// The key, without the prefix.
        key: String,
        /// The value on the blue group, quoted, or "absent".
        blue: String,
        /// The value on the green group, quoted, or "absent".
        green: String,
    },
}

impl Policy {
    /// The policy that the tags of a group say, over the stack's defaults. Tags without our prefix are not looked at.
    pub fn from_tags(tags: &BTreeMap<String, String>, defaults: &Defaults) -> Result<Self, PolicyError> {
        let mut settings = defaults.0.clone();
        for (key, value) in own_tags(tags) {
            if !KEYS.contains(&key) {
                return Err(PolicyError::UnknownKey { key: key.to_owned() });
            }
            settings.insert(key.to_owned(), value.to_owned());
        }
        Self::from_settings(&Settings(&settings))
    }

    fn from_settings(settings: &Settings<'_>) -> Result<Self, PolicyError> {
        settings.refuse_unsupported()?;
        let policy = Self {
            mode: settings.read("mode", "observe", "observe or act", |text| match text {
                "observe" => Some(Mode::Observe),
                "act" => Some(Mode::Act),
                _ => None,
            })?,
            rules: settings.read("rules", "", "Config rule names, separated by ;", parse_names)?,
            budget: settings.read("budget", "1", "a count of at least 1 (2) or a percentage (10%)", parse_budget)?,
            breaker: settings.read("breaker", "25%", "a percentage from 0% to 100%", parse_percent)?,
            debounce: settings.duration("debounce", "5m")?,
            min_healthy: settings.read("min-healthy", "90%", "a percentage from 0% to 100%", parse_percent)?,
            launch_deadline: settings.positive_duration("launch-deadline", "20m")?,
            drain_deadline: settings.positive_duration("drain-deadline", "30m")?,
            cutover: CutoverPolicy::from_settings(settings)?,
        };
        policy.contradiction().map_or(Ok(policy), |contradiction| Err(PolicyError::Contradiction(contradiction)))
    }

    /// `act` needs something that stops a bad cutover: an alarm, or a person.
    fn contradiction(&self) -> Option<String> {
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
            traffic: settings.read("traffic", "10,50,100", "rising percentages that end at 100", parse_traffic)?,
            step: settings.positive_duration("step", "2m")?,
            bake: settings.duration("bake", "15m")?,
            keep_warm: settings.duration("keep-warm", "60m")?,
            approval: settings.read("approval", "auto", "auto, manual or check", |text| match text {
                "auto" => Some(Approval::Auto),
                "manual" => Some(Approval::Manual),
                "check" => Some(Approval::Check),
                _ => None,
            })?,
            alarms: settings
                .0
                .get("alarms")
                .map(|text| {
                    if text == "none" {
                        Some(BTreeSet::new())
                    } else {
                        parse_names(text).filter(|names| !names.is_empty())
                    }
                    .ok_or_else(|| settings.bad("alarms", text, "alarm names, separated by ;, or none"))
                })
                .transpose()?,
        })
    }
}

/// Every key of a policy.
const KEYS: [&str; 21] = [
    "mode",
    "rules",
    "min",
    "max",
    "max-age",
    "budget",
    "breaker",
    "debounce",
    "window",
    "replace",
    "image-source",
    "traffic",
    "step",
    "bake",
    "keep-warm",
    "approval",
    "alarms",
    "min-healthy",
    "launch-deadline",
    "drain-deadline",
    "protect",
];

/// The policy that holds where no tag says otherwise: the stack's parameters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Defaults(BTreeMap<String, String>);

impl FromStr for Defaults {
    type Err = PolicyError;

    /// Reads lines `key=value`. The stack's defaults are a policy too, and must be valid by themselves.
    fn from_str(lines: &str) -> Result<Self, PolicyError> {
        let mut settings = BTreeMap::new();
        for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (key, value) = line.split_once('=').ok_or_else(|| PolicyError::BadValue {
                key: line.to_owned(),
                value: String::new(),
                expected: "key=value".to_owned(),
            })?;
            if !KEYS.contains(&key) {
                return Err(PolicyError::UnknownKey { key: key.to_owned() });
            }
            settings.insert(key.to_owned(), value.to_owned());
        }
        // `mode=act` as a default is fine without alarms: each fleet must name its own.
        let mut alone = settings.clone();
        alone.remove("mode");
        Policy::from_settings(&Settings(&alone))?;
        Ok(Self(settings))
    }
}

/// The policy tags of a group, without prefix and without the tags that say what the group is.
pub fn own_tags(tags: &BTreeMap<String, String>) -> impl Iterator<Item = (&str, &str)> {
    tags.iter()
        .filter_map(|(key, value)| Some((key.strip_prefix(TAG_PREFIX)?, value.trim())))
        .filter(|(key, _)| !IDENTITY_KEYS.contains(key))
}

/// Whether the two groups of a pair say the same.
pub fn agreement(blue: &BTreeMap<String, String>, green: &BTreeMap<String, String>) -> Result<(), PolicyError> {
    let (blue, green): (BTreeMap<_, _>, BTreeMap<_, _>) = (own_tags(blue).collect(), own_tags(green).collect());
    let keys: BTreeSet<&str> = blue.keys().chain(green.keys()).copied().collect();
    let shown = |value: Option<&&str>| value.map_or_else(|| "absent".to_owned(), |value| format!("{value:?}"));
    match keys.into_iter().find(|key| blue.get(key) != green.get(key)) {
        None => Ok(()),
        Some(key) => Err(PolicyError::Disagreement {
            key: key.to_owned(),
            blue: shown(blue.get(key)),
            green: shown(green.get(key)),
        }),
    }
}

struct Settings<'a>(&'a BTreeMap<String, String>);

impl Settings<'_> {
    fn read<T>(
        &self,
        key: &str,
        default: &str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, PolicyError> {
        let text = self.0.get(key).map_or(default, String::as_str);
        parse(text).ok_or_else(|| self.bad(key, text, expected))
    }

    #[expect(clippy::unused_self, reason = "reads as part of the reader at its calls")]
    fn bad(&self, key: &str, value: &str, expected: &str) -> PolicyError {
        PolicyError::BadValue { key: key.to_owned(), value: value.to_owned(), expected: expected.to_owned() }
    }

    fn duration(&self, key: &str, default: &str) -> Result<SignedDuration, PolicyError> {
        self.read(key, default, "a duration such as 90s, 5m or 1h", |text| {
            parse_duration(text).filter(|duration| !duration.is_negative())
        })
    }

    fn positive_duration(&self, key: &str, default: &str) -> Result<SignedDuration, PolicyError> {
        self.read(key, default, "a duration above zero, such as 90s, 5m or 1h", |text| {
            parse_duration(text).filter(SignedDuration::is_positive)
        })
    }

    /// Keys that exist in the design and whose behaviour is not built yet.
    fn refuse_unsupported(&self) -> Result<(), PolicyError> {
        type Refusal = (&'static str, fn(&str) -> bool, &'static str);
        let refusals: [Refusal; 6] = [
            ("window", |text| text != "always", "leave the tag out: disruption may start at any time"),
            ("max-age", |text| text != "none", "leave the tag out: no instance is replaced for its age"),
            ("replace", |text| text != "surge", "say surge: the successor comes first"),
            ("min", |_| true, "leave the tag out: the group's own bounds hold"),
            ("max", |_| true, "leave the tag out: the group's own bounds hold"),
            ("protect", |_| true, "set driftless:protect on an instance, not on a group"),
        ];
        for (key, is_refused, instead) in refusals {
            if let Some(value) = self.0.get(key).filter(|value| is_refused(value)) {
                return Err(PolicyError::NotSupported { key: key.to_owned(), value: value.clone(), instead });
            }
        }
        Ok(())
    }
}

fn parse_names<Name: FromStr + Ord>(text: &str) -> Option<BTreeSet<Name>> {
    text.split(';').map(str::trim).filter(|name| !name.is_empty()).map(|name| name.parse().ok()).collect()
}

fn parse_budget(text: &str) -> Option<Budget> {
    match parse_percent(text) {
        Some(share) if share.0 > 0 => Some(Budget::Share(share)),
        Some(_) => None,
        None => text.parse().ok().filter(|count| *count > 0).map(Budget::Count),
    }
}

fn parse_percent(text: &str) -> Option<Percent> {
    text.strip_suffix('%').and_then(|number| number.parse::<u8>().ok()).and_then(|number| number.try_into().ok())
}

fn parse_duration(text: &str) -> Option<SignedDuration> {
    text.parse().ok()
}

fn parse_traffic(text: &str) -> Option<Vec<Percent>> {
    let steps: Vec<Percent> = text
        .split(',')
        .map(|step| step.trim().parse::<u8>().ok().and_then(|number| number.try_into().ok()))
        .collect::<Option<_>>()?;
    let is_rising = steps.is_sorted_by(|earlier, later| earlier < later);
    let starts_above_zero = steps.first().is_some_and(|first| first.0 > 0);
    (is_rising && starts_above_zero && steps.last() == Some(&Percent(100))).then_some(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(tags: &[(&str, &str)]) -> Result<Policy, PolicyError> {
        let tags = tags.iter().map(|(key, value)| (format!("driftless:{key}"), (*value).to_owned())).collect();
        Policy::from_tags(&tags, &Defaults::default())
    }

    #[test]
    fn a_fleet_that_says_nothing_is_observed_with_the_defaults_of_the_design() {
        let policy = policy(&[("fleet", "app"), ("color", "blue")]).unwrap();
        assert_eq!(policy.mode, Mode::Observe);
        assert!(policy.rules.is_empty());
        assert_eq!(policy.budget, Budget::Count(1));
        assert_eq!(policy.breaker, Percent(25));
        assert_eq!(policy.debounce, SignedDuration::from_mins(5));
        assert_eq!(policy.min_healthy, Percent(90));
        assert_eq!(policy.launch_deadline, SignedDuration::from_mins(20));
        assert_eq!(policy.drain_deadline, SignedDuration::from_mins(30));
        assert_eq!(policy.cutover.traffic, [Percent(10), Percent(50), Percent(100)]);
        assert_eq!(policy.cutover.keep_warm, SignedDuration::from_mins(60));
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
            ("traffic", "50,10,100", r#"driftless:traffic is "50,10,100": rising percentages that end at 100"#),
            ("traffic", "10,50", r#"driftless:traffic is "10,50": rising percentages that end at 100"#),
            ("alarms", "", r#"driftless:alarms is "": alarm names, separated by ;, or none"#),
            ("debuonce", "5m", "driftless:debuonce is not a policy key"),
        ] {
            assert_eq!(policy(&[(key, value)]).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn a_key_that_is_not_built_yet_is_refused_and_not_ignored() {
        for (key, value) in
            [("window", "Mon-Fri 09:00-16:00 Europe/Berlin"), ("max-age", "7d"), ("replace", "quarantine")]
        {
            assert!(matches!(policy(&[(key, value)]), Err(PolicyError::NotSupported { .. })), "{key}");
        }
        assert!(policy(&[("window", "always"), ("max-age", "none"), ("replace", "surge")]).is_ok());
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
    fn a_share_of_the_budget_rounds_down_but_allows_one_where_two_serve() {
        let ten_percent = Budget::Share(Percent(10));
        for (serving, limit) in [(0, 0), (1, 0), (2, 1), (19, 1), (20, 2), (21, 2), (1000, 100)] {
            assert_eq!(ten_percent.limit(serving), limit, "{serving}");
        }
        assert_eq!(Budget::Count(3).limit(1), 3);
    }

    #[test]
    fn a_share_is_exceeded_only_above_it() {
        let quarter = Percent(25);
        for (part, whole, is_exceeded) in [(1, 8, false), (2, 8, false), (3, 8, true), (0, 0, false), (1, 0, true)] {
            assert_eq!(quarter.is_exceeded_by(part, whole), is_exceeded, "{part} of {whole}");
        }
    }

    #[test]
    fn a_floor_is_rounded_up() {
        for (whole, floor) in [(0, 0), (1, 1), (3, 3), (9, 9), (10, 9), (11, 10), (20, 18)] {
            assert_eq!(Percent(90).of_rounded_up(whole), floor, "{whole}");
        }
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
