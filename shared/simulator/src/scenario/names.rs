//! Reads the names in a scenario (fleets, groups, instances, images), and checks each against what the file has
//! described.

use std::collections::BTreeMap;

use driftless_planner::alarm::AlarmState;
use driftless_planner::fleet::Color;
use driftless_planner::ids::{AlarmName, FleetName, RuleName};
use jiff::SignedDuration;

use super::aliases::{self, Place};
use super::model::{FleetSpec, GroupRef, ImageNumber, InstanceRef, LayoutSpec};
use super::words::{Line, Need, ScenarioError, Word, duration};

pub(crate) const DURATION: Need =
    Need { what: "a duration: a number with s, m, h or d", example: "at 1h30m command rollback" };
pub(crate) const COUNT: Need = Need { what: "a whole number", example: "lose next 2 messages" };
pub(crate) const IMAGE: Need = Need { what: "an image: ami- and a number", example: "at 0m publish ami-2 for web" };
pub(crate) const FLEET: Need =
    Need { what: "the name of a fleet that a line above describes", example: "at 0m publish ami-2 for web" };
pub(crate) const GROUP: Need = Need {
    what: "a group of a fleet above: blue, green, or its whole name (web-blue)",
    example: "at 5m operator sets blue desired=8",
};
pub(crate) const INSTANCE: Need = Need {
    what: "an instance: its group and its number, in the order of their launches",
    example: "at 5m drift blue/1 under approved",
};
pub(crate) const RULE: Need = Need { what: "the name of a Config rule", example: "at 5m drift blue/1 under approved" };
pub(crate) const ALARM: Need = Need { what: "the name of an alarm", example: "at 13m alarm web-5xx in-alarm" };
pub(crate) const FOR: Need = Need { what: "`for` and a duration", example: "at 5m stale reads for 30s" };
pub(crate) const NOTHING: Need = Need { what: "the end of the line", example: "at 5m command rollback" };

/// The fleets that the lines so far have described.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) fleets: Vec<FleetSpec>,
}

impl Known {
    pub(crate) fn fleet(&self, name: &str) -> Option<&FleetSpec> {
        self.fleets.iter().find(|fleet| fleet.name.as_str() == name)
    }

    /// Takes the next word if it names a fleet. Otherwise returns the only fleet of the scenario.
    pub(crate) fn fleet_or_only(&self, line: &mut Line<'_>) -> Result<FleetName, ScenarioError> {
        match self.named_fleet(line) {
            Some(fleet) => Ok(fleet),
            None => self.only_fleet(line),
        }
    }

    /// The only fleet of the scenario, for a line that names none. It is an error if there are several fleets.
    pub(crate) fn only_fleet(&self, line: &Line<'_>) -> Result<FleetName, ScenarioError> {
        match self.fleets.as_slice() {
            [only] => Ok(only.name.clone()),
            [] => Err(line.whole("no fleet is described above".to_owned(), FLEET_LINE)),
            _ => Err(match line.peek() {
                Some(word) => line.about(word, "the scenario has several fleets: name one".to_owned(), FLEET),
                None => line.missing(FLEET),
            }),
        }
    }

    /// Takes the next word if it names a fleet.
    pub(crate) fn named_fleet(&self, line: &mut Line<'_>) -> Option<FleetName> {
        let name = line.peek().filter(|word| !word.is_quoted).and_then(|word| self.fleet(&word.text))?.name.clone();
        line.take();
        Some(name)
    }

    /// Takes the next word, which must name a fleet.
    pub(crate) fn need_fleet(&self, line: &mut Line<'_>) -> Result<FleetName, ScenarioError> {
        line.need_as(FLEET, |text| self.fleet(text).map(|fleet| fleet.name.clone()))
    }

    /// The group that a word names: `web-blue`, the name of a single group, or a color if there is only one fleet.
    pub(crate) fn group(&self, text: &str) -> Option<GroupRef> {
        self.fleets.iter().flat_map(groups_of).find(|group| group.name() == text).or_else(|| {
            let [only] = self.fleets.as_slice() else { return None };
            let color = color(text)?;
            groups_of(only).into_iter().find(|group| group.color == Some(color))
        })
    }

    /// Takes the next word, which must name a group.
    pub(crate) fn need_group(&self, line: &mut Line<'_>) -> Result<GroupRef, ScenarioError> {
        line.need_as(GROUP, |text| self.group(text))
    }

    /// The instance that a word names, such as `blue/1` or `web-blue/1`.
    pub(crate) fn instance(&self, text: &str) -> Option<InstanceRef> {
        let (group, ordinal) = text.split_once('/')?;
        let ordinal = ordinal.parse().ok().filter(|ordinal| *ordinal > 0)?;
        Some(InstanceRef { group: self.group(group)?, ordinal })
    }

    /// Takes the next word, which must name an instance.
    pub(crate) fn need_instance(&self, line: &mut Line<'_>) -> Result<InstanceRef, ScenarioError> {
        line.need_as(INSTANCE, |text| self.instance(text))
    }
}

pub(crate) const FLEET_LINE: Need = Need {
    what: "a line that describes a fleet",
    example: "fleet web: weighted, blue live, 4 instances, policy mode=act alarms=web-5xx",
};

/// The groups of a fleet.
pub(crate) fn groups_of(fleet: &FleetSpec) -> Vec<GroupRef> {
    let group = |color| GroupRef { fleet: fleet.name.clone(), color };
    match fleet.layout {
        LayoutSpec::Single => vec![group(None)],
        LayoutSpec::Weighted | LayoutSpec::Shared | LayoutSpec::NoLoadBalancer => {
            vec![group(Some(Color::Blue)), group(Some(Color::Green))]
        }
    }
}

pub(crate) fn color(text: &str) -> Option<Color> {
    match text {
        "blue" => Some(Color::Blue),
        "green" => Some(Color::Green),
        _ => None,
    }
}

pub(crate) fn image(text: &str) -> Option<ImageNumber> {
    text.strip_prefix("ami-")?.parse().ok().filter(|number| *number > 0)
}

pub(crate) fn need_image(line: &mut Line<'_>) -> Result<ImageNumber, ScenarioError> {
    line.need_as(IMAGE, image)
}

pub(crate) fn need_rule(line: &mut Line<'_>) -> Result<RuleName, ScenarioError> {
    line.need_as(RULE, |text| text.parse().ok())
}

pub(crate) fn need_alarm(line: &mut Line<'_>) -> Result<AlarmName, ScenarioError> {
    line.need_as(ALARM, |text| text.parse().ok())
}

/// Takes the next words if they name the state of an alarm.
pub(crate) fn alarm_state(line: &mut Line<'_>) -> Option<AlarmState> {
    let states =
        [("in-alarm", AlarmState::Alarm), ("ok", AlarmState::Ok), ("insufficient-data", AlarmState::InsufficientData)];
    states.into_iter().find(|(name, _)| aliases::takes(line, Place::AlarmState, name)).map(|(_, state)| state)
}

pub(crate) fn need_duration(line: &mut Line<'_>) -> Result<SignedDuration, ScenarioError> {
    line.need_as(DURATION, duration)
}

pub(crate) fn need_count(line: &mut Line<'_>) -> Result<u32, ScenarioError> {
    line.need_as(COUNT, |text| text.parse().ok())
}

/// Reads `for` and a duration, as in `for 30s`.
pub(crate) fn need_for(line: &mut Line<'_>) -> Result<SignedDuration, ScenarioError> {
    line.need_word("for", FOR)?;
    need_duration(line)
}

/// Reads a percentage, such as `60%`.
pub(crate) fn percent(text: &str) -> Option<u8> {
    text.strip_suffix('%')?.parse().ok().filter(|share| *share <= 100)
}

/// Reads pairs of the form `key=value`, up to the end of the line or of the clause.
pub(crate) fn pairs(line: &mut Line<'_>, need: Need) -> Result<BTreeMap<String, String>, ScenarioError> {
    let mut found = BTreeMap::new();
    loop {
        let word = line.need(need)?;
        let Some((key, value)) = word.text.split_once('=') else { return Err(line.wrong(&word, need)) };
        if found.insert(key.to_owned(), value.to_owned()).is_some() {
            return Err(line.about(&word, format!("{key} is given twice"), need));
        }
        if word.ends_clause || line.is_over() {
            return Ok(found);
        }
    }
}

/// Whether a word is a number without a unit.
pub(crate) fn is_number(word: &Word) -> bool {
    !word.is_quoted && word.text.bytes().all(|byte| byte.is_ascii_digit())
}
