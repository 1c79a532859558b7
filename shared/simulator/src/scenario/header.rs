//! The lines that describe the account at the beginning: fleets, images, alarms.

use std::collections::BTreeMap;

use driftless_planner::fleet::Color;

use super::aliases::{self, Place};
use super::model::{AlarmSpec, AlarmTarget, Character, FleetSpec, ImageNumber, ImageSpec, LayoutSpec};
use super::names::{self, COUNT, FLEET_LINE, Known, is_number, need_count, need_duration, pairs, percent};
use super::words::{Line, Need, ScenarioError};

const FLEET_NAME: Need = Need {
    what: "the fleet's name, 1 to 40 of a-z, 0-9 and -",
    example: "fleet web: weighted, blue live, 4 instances, policy mode=act alarms=web-5xx",
};
const LAYOUT: Need = Need {
    what: "the layout: weighted, shared target group, no load balancer, or single group",
    example: "fleet web: weighted, blue live, 4 instances, policy mode=act alarms=web-5xx",
};
const FLEET_CLAUSE: Need = Need {
    what: "blue live, green live, 4 instances, min 2, max 8, warm-up 1m, deregistration 5m, slow start 30s, sticky 10m, \
           1 in standby, 9d old, no LaunchInstances, floating templates, or policy key=value …",
    example: "fleet web: weighted, blue live, 4 instances, max 8, policy mode=act alarms=web-5xx",
};
const POLICY: Need = Need {
    what: "policy as key=value, with quotes around a value that has spaces",
    example: "policy mode=act alarms=web-5xx window=\"Mon-Fri 09:00-16:00 Europe/Berlin\"",
};
const IMAGE_CLAUSE: Need = Need {
    what: "build <number>, good, never boots, never healthy, turns bad at 50%, never compliant, architecture arm64, a backup, \
           or of another account",
    example: "image ami-2 build 2: turns bad at 50%",
};
const ALARM_CLAUSE: Need = Need {
    what: "on <group>, on <instance>, on nothing, window 2m, in-alarm, ok, or insufficient-data",
    example: "alarm web-green-5xx: on green, window 1m",
};

/// Reads the line of a fleet, such as `fleet web: weighted, blue live, 4 instances, policy …`.
pub(crate) fn fleet(line: &mut Line<'_>, known: &Known) -> Result<FleetSpec, ScenarioError> {
    let word = line.need(FLEET_NAME)?;
    let name = word.text.parse().map_err(|_| line.wrong(&word, FLEET_NAME))?;
    if known.fleet(&word.text).is_some() {
        return Err(line.about(&word, format!("fleet {} is described twice", word.text), FLEET_NAME));
    }
    let layout = layout(line)?;
    let mut fleet = FleetSpec {
        name,
        layout,
        live: Color::Blue,
        instances: 0,
        min: None,
        max: None,
        standby: 0,
        warm_up: None,
        deregistration_delay: None,
        slow_start: None,
        stickiness: None,
        age: None,
        launches_by_desired: false,
        floats: false,
        policy: BTreeMap::new(),
    };
    while !line.is_over() {
        fleet_clause(line, &mut fleet)?;
    }
    if fleet.instances == 0 && fleet.standby == 0 && fleet.min != Some(0) {
        return Err(line.whole("the fleet has no instances: write min 0 if that is intended".to_owned(), FLEET_CLAUSE));
    }
    Ok(fleet)
}

fn layout(line: &mut Line<'_>) -> Result<LayoutSpec, ScenarioError> {
    if line.takes("weighted") {
        Ok(LayoutSpec::Weighted)
    } else if line.takes_all(&["shared", "target", "group"]) {
        Ok(LayoutSpec::Shared)
    } else if line.takes_all(&["no", "load", "balancer"]) {
        Ok(LayoutSpec::NoLoadBalancer)
    } else if line.takes_all(&["single", "group"]) {
        Ok(LayoutSpec::Single)
    } else {
        let word = line.need(LAYOUT)?;
        Err(line.wrong(&word, LAYOUT))
    }
}

fn fleet_clause(line: &mut Line<'_>, fleet: &mut FleetSpec) -> Result<(), ScenarioError> {
    let word = line.need(FLEET_CLAUSE)?;
    if is_number(&word) {
        let count = word.text.parse().map_err(|_| line.wrong(&word, COUNT))?;
        if line.takes("instances") || line.takes("instance") {
            fleet.instances = count;
        } else if line.takes_all(&["in", "standby"]) {
            fleet.standby = count;
        } else {
            return Err(line.about(
                &word,
                format!("{} what? Instances, or instances in standby", word.text),
                FLEET_CLAUSE,
            ));
        }
        return Ok(());
    }
    match word.text.as_str() {
        "blue" | "green" => {
            line.need_word("live", FLEET_CLAUSE)?;
            fleet.live = if word.text == "blue" { Color::Blue } else { Color::Green };
        }
        "min" => fleet.min = Some(need_count(line)?),
        "max" => fleet.max = Some(need_count(line)?),
        "warm-up" => fleet.warm_up = Some(need_duration(line)?),
        "deregistration" => fleet.deregistration_delay = Some(need_duration(line)?),
        "slow" => {
            line.need_word("start", FLEET_CLAUSE)?;
            fleet.slow_start = Some(need_duration(line)?);
        }
        "sticky" => fleet.stickiness = Some(need_duration(line)?),
        "no" => {
            line.need_word("LaunchInstances", FLEET_CLAUSE)?;
            fleet.launches_by_desired = true;
        }
        "floating" => {
            line.need_word("templates", FLEET_CLAUSE)?;
            fleet.floats = true;
        }
        "policy" => fleet.policy = pairs(line, POLICY)?,
        text => match super::words::duration(text) {
            Some(age) if line.takes("old") => fleet.age = Some(age),
            _ => return Err(line.wrong(&word, FLEET_CLAUSE)),
        },
    }
    Ok(())
}

/// Reads the line of an image, such as `image ami-2 build 2: slots bad at 50%`.
pub(crate) fn image(line: &mut Line<'_>) -> Result<(ImageNumber, ImageSpec), ScenarioError> {
    let number = names::need_image(line)?;
    let mut image = ImageSpec::default();
    while !line.is_over() {
        if aliases::takes(line, Place::Image, "never compliant") {
            image.character = Character::DriftedFromTheStart;
            continue;
        }
        let word = line.need(IMAGE_CLAUSE)?;
        match word.text.as_str() {
            "build" => image.build = Some(line.need(IMAGE_CLAUSE)?.text),
            "good" => image.character = Character::Good,
            "never" if line.takes("boots") => image.character = Character::NeverBoots,
            "never" if line.takes("healthy") => image.character = Character::NeverHealthy,
            "turns" if line.takes_all(&["bad", "at"]) => {
                image.character = Character::TurnsBadAt(line.need_as(IMAGE_CLAUSE, percent)?);
            }
            "architecture" => image.architecture = Some(line.need(IMAGE_CLAUSE)?.text),
            "a" if line.takes("backup") => image.is_backup = true,
            "of" if line.takes_all(&["another", "account"]) => image.is_foreign = true,
            _ => return Err(line.wrong(&word, IMAGE_CLAUSE)),
        }
    }
    Ok((number, image))
}

/// Reads the line of an alarm, such as `alarm web-green-5xx: on green, window 1m`.
pub(crate) fn alarm(line: &mut Line<'_>, known: &Known) -> Result<AlarmSpec, ScenarioError> {
    let mut alarm = AlarmSpec::quiet();
    while !line.is_over() {
        if let Some(state) = names::alarm_state(line) {
            alarm.state = state;
            continue;
        }
        let word = line.need(ALARM_CLAUSE)?;
        match word.text.as_str() {
            "on" if line.takes("nothing") => alarm.on = None,
            "on" => {
                let target = |text: &str| {
                    let group = known.group(text).map(AlarmTarget::Group);
                    group.or_else(|| known.instance(text).map(AlarmTarget::Instance))
                };
                alarm.on = Some(line.need_as(ALARM_CLAUSE, target)?);
            }
            "window" => alarm.window = need_duration(line)?,
            _ => return Err(line.wrong(&word, ALARM_CLAUSE)),
        }
    }
    Ok(alarm)
}

/// What the parser expects in the first line of a file: a fleet.
pub(crate) const FIRST_A_FLEET: Need = FLEET_LINE;
