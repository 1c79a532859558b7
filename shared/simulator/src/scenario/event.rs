//! The events of a scenario: what happens to the simulated account and to Driftless.

use driftless_planner::fleet::Color;
use driftless_planner::ids::RuleName;

use super::aliases::{Place, documented};
use super::check::call;
use super::model::{Announced, CommandSpec, Event, FaultEvent, Hand, LayoutSpec, NewBounds, Whom};
use super::names::{
    self, COUNT, DURATION, FLEET, FOR, INSTANCE, Known, NOTHING, need_alarm, need_count, need_duration, need_for,
    need_image, need_rule, pairs, percent,
};
use super::words::{Line, Need, ScenarioError, Word};
use crate::fault_plan::{MessageFault, Side};

/// What the parser expects where it finds an unknown event.
const VERB: Need = Need {
    what: "publish, tag, deregister, drift, clear, alarm, operator, terraform, freeze, thaw, command, before, shortage, fail, \
           lose, duplicate, reverse, delay, crash, stale, empty, throttle, hold, ignore, overlap, rebalance, upgrade, or \
           expect",
    example: "at 5m drift blue/1 under approved",
};
const WHOM: Need =
    Need { what: "instances, or a percentage of a group", example: "at 5m drift 60% of blue under approved" };
const ALARM_STATE: Need = Need { what: "in-alarm, ok, or insufficient-data", example: "at 13m alarm web-5xx in-alarm" };
const PERSON: Need = Need {
    what: "sets <group> min=2 desired=8, sets weights blue=90 green=10, sets policy key=value, removes policy <key>, protects \
           or unprotects <instance>, terminates <instance>, suspends or resumes <process> on <group>",
    example: "at 5m operator sets blue desired=8",
};
const BOUNDS: Need =
    Need { what: "min=, max= or desired= with a number", example: "at 5m operator sets blue min=2 max=8" };
const WEIGHTS: Need =
    Need { what: "blue= and green= with a number each", example: "at 5m operator sets weights blue=50 green=50" };
const SETTING: Need = Need { what: "the policy's key=value", example: "at 5m operator sets policy web budget=2" };
const TERRAFORM: Need = Need {
    what: "applies <group> min=2 max=8, or writes a template for <group>",
    example: "at 5m terraform writes a template for blue",
};
const FREEZE: Need = Need {
    what: "a fleet or `everything`, the reason between quotes, and `for` with a duration if the freeze ends by itself",
    example: "at 12m freeze web \"incident 7\" for 2h",
};
const THAW: Need = Need { what: "a fleet or `everything`", example: "at 2h thaw web" };
const COMMAND: Need = Need {
    what: "pause, resume, approve, reject, promote, abort, rollback, retry, redeploy, replace <instance>, veto <image>, \
           unveto <image>, pin, or accept-live <color>",
    example: "at 13m command rollback",
};
const SHORTAGE: Need = Need {
    what: "in zone <letter>, of <fleet>, and `for` with a duration",
    example: "at 1m shortage in zone a for 2h",
};
const FAIL: Need = Need {
    what: "launches of <fleet> with AWS's message, and `for` with a duration",
    example: "at 1m fail launches of web with \"You are not authorized to use this key\" for 20m",
};
const MESSAGES: Need = Need {
    what: "next <number> messages; after `delay` also `by` with a duration",
    example: "at 5m delay next 2 messages by 3m",
};
const CRASH: Need = Need {
    what: "before or after, and the name of a call that changes something",
    example: "at 5m crash before set-weights",
};
const BEFORE: Need = Need {
    what: "the name of a call that changes something, and what happens right before the next one",
    example: "at 5m before terminate: operator sets blue desired=7",
};
const STALE: Need = Need { what: "reads, and `for` with a duration", example: "at 5m stale reads for 30s" };
const IGNORE: Need = Need { what: "next, a number, and set-weights", example: "at 5m ignore next 1 set-weights" };
const HOLD: Need = Need { what: "lease, and `for` with a duration", example: "at 5m hold lease for 2m" };

/// Reads an event: its verb, and the words that belong to this verb.
pub(crate) fn event(line: &mut Line<'_>, known: &Known) -> Result<Event, ScenarioError> {
    let verb = line.need(VERB)?;
    let event = match documented(Place::Event, &verb.text) {
        "publish" => publish(line, known)?,
        "tag" => {
            let image = need_image(line)?;
            Event::Tag { image, fleet: for_fleet(line, known)? }
        }
        "deregister" => Event::Deregister { image: need_image(line)? },
        "drift" => {
            let (whom, rule) = whom_and_rule(line, known)?;
            Event::Drift { whom, rule }
        }
        "clear" => {
            let (whom, rule) = whom_and_rule(line, known)?;
            Event::Clear { whom, rule }
        }
        "alarm" => alarm(line)?,
        "operator" => Event::Hand(person(line, known)?),
        "terraform" => Event::Hand(terraform(line, known)?),
        "freeze" => freeze(line, known)?,
        "thaw" => Event::Thaw { fleet: fleet_or_everything(line, known, THAW)? },
        "command" => command(line, known)?,
        "shortage" => Event::FaultEvent(shortage(line, known)?),
        "rebalance" => Event::FaultEvent(FaultEvent::Rebalance { group: known.need_group(line)? }),
        "fail" => Event::FaultEvent(failing_launches(line, known)?),
        "before" => {
            let call = line.need_as(BEFORE, call)?;
            if let Some(word) = line.peek().filter(|word| word.text == "before") {
                return Err(line.wrong(word, BEFORE));
            }
            Event::Before { call, event: Box::new(event(line, known)?) }
        }
        _ => Event::FaultEvent(fault_event(line, &verb)?),
    };
    line.end(NOTHING)?;
    Ok(event)
}

fn publish(line: &mut Line<'_>, known: &Known) -> Result<Event, ScenarioError> {
    let image = need_image(line)?;
    let fleet = for_fleet(line, known)?;
    let announced = if line.takes("untagged") {
        Announced::Untagged
    } else if line.takes_all(&["on", "the", "bus"]) {
        Announced::OwnBus
    } else if line.takes("silently") {
        Announced::Silently
    } else {
        Announced::Tagged
    };
    Ok(Event::Publish { image, fleet, announced })
}

/// Reads the fleet after `for`, as in `for web`. Without `for`, takes the next word if it names a fleet, or else the
/// only fleet of the scenario.
fn for_fleet(line: &mut Line<'_>, known: &Known) -> Result<driftless_planner::ids::FleetName, ScenarioError> {
    if line.takes("for") { known.need_fleet(line) } else { known.fleet_or_only(line) }
}

fn whom_and_rule(line: &mut Line<'_>, known: &Known) -> Result<(Whom, RuleName), ScenarioError> {
    let first = line.need(WHOM)?;
    let whom = if let Some(share) = percent(&first.text) {
        line.need_word("of", WHOM)?;
        Whom::Share(share, known.need_group(line)?)
    } else {
        let mut these = vec![known.instance(&first.text).ok_or_else(|| line.wrong(&first, INSTANCE))?];
        while line.peek().is_some_and(|word| word.text != "under") {
            these.push(known.need_instance(line)?);
        }
        Whom::These(these)
    };
    line.need_word("under", names::RULE)?;
    Ok((whom, need_rule(line)?))
}

fn alarm(line: &mut Line<'_>) -> Result<Event, ScenarioError> {
    let alarm = need_alarm(line)?;
    if let Some(state) = names::alarm_state(line) {
        return Ok(Event::Alarm { alarm, state });
    }
    let word = line.need(ALARM_STATE)?;
    Err(line.wrong(&word, ALARM_STATE))
}

fn person(line: &mut Line<'_>, known: &Known) -> Result<Hand, ScenarioError> {
    let verb = line.need(PERSON)?;
    Ok(match verb.text.as_str() {
        "sets" if line.takes("weights") => set_weights(line, known)?,
        "sets" if line.takes("policy") => {
            let fleet = known.fleet_or_only(line)?;
            let word = line.need(SETTING)?;
            let Some((key, value)) = word.text.split_once('=') else { return Err(line.wrong(&word, SETTING)) };
            Hand::SetPolicy { fleet, key: key.to_owned(), value: Some(value.to_owned()) }
        }
        "sets" => resize(line, known)?,
        "removes" if line.takes("policy") => {
            let fleet = known.fleet_or_only(line)?;
            Hand::SetPolicy { fleet, key: line.need(SETTING)?.text, value: None }
        }
        "protects" => Hand::Protect { instance: known.need_instance(line)?, is_on: true },
        "unprotects" => Hand::Protect { instance: known.need_instance(line)?, is_on: false },
        "terminates" => Hand::Kill { instance: known.need_instance(line)? },
        "suspends" => suspend(line, known, true)?,
        "resumes" => suspend(line, known, false)?,
        _ => return Err(line.wrong(&verb, PERSON)),
    })
}

fn suspend(line: &mut Line<'_>, known: &Known, is_on: bool) -> Result<Hand, ScenarioError> {
    let process = line.need(PERSON)?.text;
    line.need_word("on", PERSON)?;
    Ok(Hand::Suspend { group: known.need_group(line)?, process, is_on })
}

fn resize(line: &mut Line<'_>, known: &Known) -> Result<Hand, ScenarioError> {
    let group = known.need_group(line)?;
    let mut bounds = NewBounds::default();
    for (key, value) in pairs(line, BOUNDS)? {
        let number = value.parse().map_err(|_| line.whole(format!("{value:?} is not a number"), BOUNDS))?;
        match key.as_str() {
            "min" => bounds.min = Some(number),
            "max" => bounds.max = Some(number),
            "desired" => bounds.desired = Some(number),
            _ => return Err(line.whole(format!("{key:?} is not min, max or desired"), BOUNDS)),
        }
    }
    Ok(Hand::Resize { group, bounds })
}

fn set_weights(line: &mut Line<'_>, known: &Known) -> Result<Hand, ScenarioError> {
    let fleet = known.fleet_or_only(line)?;
    if known.fleet(fleet.as_str()).is_some_and(|fleet| fleet.layout != LayoutSpec::Weighted) {
        return Err(line.whole(format!("fleet {fleet} is not weighted"), WEIGHTS));
    }
    let said = pairs(line, WEIGHTS)?;
    let weight = |color: &str| said.get(color).and_then(|number| number.parse().ok());
    match (weight("blue"), weight("green"), said.len()) {
        (Some(blue), Some(green), 2) => Ok(Hand::SetWeights { fleet, blue, green }),
        _ => Err(line.whole("two weights are expected, blue= and green=".to_owned(), WEIGHTS)),
    }
}

fn terraform(line: &mut Line<'_>, known: &Known) -> Result<Hand, ScenarioError> {
    if line.takes("applies") {
        return resize(line, known);
    }
    if line.takes_all(&["writes", "a", "template", "for"]) {
        return Ok(Hand::WriteTemplate { group: known.need_group(line)? });
    }
    let word = line.need(TERRAFORM)?;
    Err(line.wrong(&word, TERRAFORM))
}

fn freeze(line: &mut Line<'_>, known: &Known) -> Result<Event, ScenarioError> {
    let fleet = fleet_or_everything(line, known, FREEZE)?;
    let word = line.need(FREEZE)?;
    if !word.is_quoted {
        return Err(line.about(&word, "a freeze needs a reason between quotes".to_owned(), FREEZE));
    }
    let length = if line.takes("for") { Some(need_duration(line)?) } else { None };
    Ok(Event::Freeze { fleet, reason: word.text, length })
}

fn fleet_or_everything(
    line: &mut Line<'_>,
    known: &Known,
    need: Need,
) -> Result<Option<driftless_planner::ids::FleetName>, ScenarioError> {
    if line.takes("everything") {
        return Ok(None);
    }
    match known.named_fleet(line) {
        Some(fleet) => Ok(Some(fleet)),
        None => Err(match line.peek() {
            Some(word) => line.wrong(word, need),
            None => line.missing(need),
        }),
    }
}

fn command(line: &mut Line<'_>, known: &Known) -> Result<Event, ScenarioError> {
    let fleet = known.fleet_or_only(line)?;
    let word = line.need(COMMAND)?;
    let command = match word.text.as_str() {
        "pause" => CommandSpec::Pause,
        "resume" => CommandSpec::Resume,
        "approve" => CommandSpec::Approve,
        "reject" => CommandSpec::Reject,
        "promote" => CommandSpec::Promote,
        "abort" => CommandSpec::Abort,
        "rollback" => CommandSpec::Rollback,
        "retry" => CommandSpec::Retry,
        "redeploy" => CommandSpec::Redeploy,
        "replace" => CommandSpec::Replace(known.need_instance(line)?),
        "veto" => CommandSpec::Veto(need_image(line)?),
        "unveto" => CommandSpec::Unveto(need_image(line)?),
        "pin" => CommandSpec::Pin,
        "accept-live" => CommandSpec::AcceptLive(line.need_as(COMMAND, |text| match names::color(text) {
            Some(Color::Blue) => Some(Color::Blue),
            Some(Color::Green) => Some(Color::Green),
            None => None,
        })?),
        _ => return Err(line.wrong(&word, COMMAND)),
    };
    Ok(Event::Command { fleet, command })
}

fn shortage(line: &mut Line<'_>, known: &Known) -> Result<FaultEvent, ScenarioError> {
    let zone = if line.takes_all(&["in", "zone"]) { Some(line.need_as(SHORTAGE, zone)?) } else { None };
    let fleet = if line.takes("of") { Some(known.need_fleet(line)?) } else { None };
    line.need_word("for", SHORTAGE)?;
    Ok(FaultEvent::Shortage { zone, fleet, length: need_duration(line)? })
}

fn zone(text: &str) -> Option<char> {
    let mut letters = text.chars();
    match (letters.next(), letters.next()) {
        (Some(letter), None) if letter.is_ascii_lowercase() => Some(letter),
        _ => None,
    }
}

fn failing_launches(line: &mut Line<'_>, known: &Known) -> Result<FaultEvent, ScenarioError> {
    line.need_word("launches", FAIL)?;
    line.need_word("of", FAIL)?;
    let fleet = line.need_as(FLEET, |text| known.fleet(text).map(|fleet| fleet.name.clone()))?;
    line.need_word("with", FAIL)?;
    let message = line.need(FAIL)?.text;
    Ok(FaultEvent::LaunchesFail { fleet, message, length: need_for(line)? })
}

/// Reads a fault event, which affects Driftless itself, its reads or its messages.
fn fault_event(line: &mut Line<'_>, verb: &Word) -> Result<FaultEvent, ScenarioError> {
    let fault_event = match verb.text.as_str() {
        "lose" => FaultEvent::Messages { what: MessageFault::Lose, count: next_messages(line)? },
        "duplicate" => FaultEvent::Messages { what: MessageFault::Duplicate, count: next_messages(line)? },
        "reverse" => FaultEvent::Messages { what: MessageFault::Reverse, count: next_messages(line)? },
        "delay" => {
            let count = next_messages(line)?;
            line.need_word("by", MESSAGES)?;
            FaultEvent::Messages { what: MessageFault::Delay(line.need_as(DURATION, super::words::duration)?), count }
        }
        "crash" => {
            let is_before = line.takes("before");
            if !is_before {
                line.need_word("after", CRASH)?;
            }
            let call = line.need_as(CRASH, call)?;
            FaultEvent::Crash { call, side: if is_before { Side::Before } else { Side::After } }
        }
        "stale" => {
            line.need_word("reads", STALE)?;
            FaultEvent::StaleReads { length: need_for(line)? }
        }
        "empty" => {
            line.need_word("reads", STALE)?;
            FaultEvent::EmptyReads { length: need_for(line)? }
        }
        "throttle" => FaultEvent::Throttle { length: need_for(line)? },
        "hold" => {
            line.need_word("lease", HOLD)?;
            line.need_word("for", FOR)?;
            FaultEvent::HoldLease { length: line.need_as(HOLD, super::words::duration)? }
        }
        "upgrade" => FaultEvent::Upgrade,
        "ignore" => {
            line.need_word("next", IGNORE)?;
            let count = need_count(line)?;
            line.need_word("set-weights", IGNORE)?;
            FaultEvent::IgnoredWeights { count }
        }
        "overlap" => FaultEvent::Overlap { count: line.need_as(COUNT, |text| text.parse().ok())? },
        _ => return Err(line.about(verb, format!("{:?} is not an event", verb.text), VERB)),
    };
    Ok(fault_event)
}

fn next_messages(line: &mut Line<'_>) -> Result<u32, ScenarioError> {
    line.need_word("next", MESSAGES)?;
    let count = need_count(line)?;
    if !line.takes("message") {
        line.need_word("messages", MESSAGES)?;
    }
    Ok(count)
}
