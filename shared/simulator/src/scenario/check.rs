//! Expectations: what a scenario requires of the simulated account and of Driftless.

use driftless_planner::ids::FleetName;
use driftless_planner::record::CutoverPhaseKind;

use super::aliases::{Place, documented, documented_subject, names_of};
use super::model::{GroupRef, InstanceRef};
use super::names::{self, GROUP, INSTANCE, Known};
use super::words::{Line, Need, ScenarioError, Word};

/// One expectation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Term {
    /// The comparison of a quantity with a number.
    Number { what: Quantity, comparison: Comparison, value: u64 },
    /// Whether a property has this value (`is`), or does not have it.
    Word { what: Property, is: bool, value: String },
    /// Whether Driftless sent a message or a page. `fleet` None means a message of any fleet, and `containing` None
    /// means a message with any subject.
    Told { fleet: Option<FleetName>, only_pages: bool, containing: Option<String>, is: bool },
    /// The fleet has no work left.
    Idle { fleet: FleetName },
}

/// A quantity that an expectation compares with a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Quantity {
    /// The group's share of the traffic, in percent.
    Weight(GroupRef),
    Size(GroupRef),
    Min(GroupRef),
    Max(GroupRef),
    Running(GroupRef),
    /// Number of instances that are in service and healthy.
    Serving(GroupRef),
    /// Number of instances that were replaced.
    Replaced(FleetName),
    /// Number of instances that Driftless, Auto Scaling or an operator launched since the beginning.
    Launched(FleetName),
    /// Number of instances that Driftless asked to terminate.
    Terminated(FleetName),
    /// Number of settings that Driftless has changed and still has to restore.
    BorrowedSettings(FleetName),
    /// Number of messages of severity `page`.
    Pages(Option<FleetName>),
    /// Number of messages of any severity.
    Messages(Option<FleetName>),
    /// Number of calls of Driftless with this name.
    Calls(String),
    DeadLetters,
    /// Number of client requests that failed, whatever the cause.
    FailedRequests,
}

/// A property that an expectation compares by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Property {
    /// The phase of the cutover under way, or `none`.
    Cutover(FleetName),
    /// The outcome of the last cutover, or `none`.
    Ended(FleetName),
    Live(FleetName),
    /// The image of the fleet's release.
    Image(FleetName),
    /// The vetoed images, which must not get traffic.
    Vetoed(FleetName),
    /// The conditions that are open and were announced.
    Condition(FleetName),
    /// The guard that blocks the replacement of an instance.
    Waiting(InstanceRef),
    /// The phase of the replacement of an instance.
    Replacement(InstanceRef),
    /// Whether the cutover is paused.
    Paused(FleetName),
}

impl Property {
    /// The documented name of a value of this property.
    pub(crate) fn documented<'a>(&self, value: &'a str) -> &'a str {
        match self {
            Self::Cutover(_) => documented(Place::CutoverPhase, value),
            Self::Replacement(_) => documented(Place::ReplacementPhase, value),
            Self::Condition(_) => documented(Place::Condition, value),
            Self::Waiting(_) => documented(Place::Guard, value),
            Self::Ended(_) | Self::Live(_) | Self::Image(_) | Self::Vetoed(_) | Self::Paused(_) => value,
        }
    }
}

/// How an expectation compares two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    AtMost,
    More,
    AtLeast,
}

impl Comparison {
    /// The sign of each comparison. Longer signs come first, since `<=` begins with `<`.
    const ALL: [(&'static str, Self); 6] = [
        ("<=", Self::AtMost),
        (">=", Self::AtLeast),
        ("!=", Self::NotEqual),
        ("=", Self::Equal),
        ("<", Self::Less),
        (">", Self::More),
    ];

    pub(crate) const fn holds(self, found: u64, value: u64) -> bool {
        match self {
            Self::Equal => found == value,
            Self::NotEqual => found != value,
            Self::Less => found < value,
            Self::AtMost => found <= value,
            Self::More => found > value,
            Self::AtLeast => found >= value,
        }
    }
}

const TERM: Need = Need {
    what: "cutover=, ended=, live=, image=, vetoed=, condition=, paused=, weight, size, min, max, running, healthy <group>=, \
           blocked or replacement <instance>=, calls <name>=, replaced=, launched=, terminated=, borrowed-settings=, pages=, \
           messages=, dead-letters=, failed-requests=, page \"…\", message \"…\", no page, no message, or idle",
    example: "by 12m expect web cutover=shifting weight green=50",
};
const NUMBER: Need =
    Need { what: "a number; `empty` and `none` are 0", example: "expect borrowed-settings=0 replaced=1" };
const TEXT: Need = Need { what: "a part of the subject between quotes", example: "expect page \"rolled back\"" };
/// The names in scenarios of the calls that change something in AWS, in the table or on the topic.
const CALLS: [&str; 17] = [
    "set-minimum",
    "set-maximum",
    "set-desired",
    "launch",
    "protect",
    "terminate",
    "scale-to-zero",
    "enter-standby",
    "set-template",
    "attach",
    "detach",
    "start-refresh",
    "roll-back-refresh",
    "set-weights",
    "write-template",
    "commit",
    "publish",
];
const CALL: Need =
    Need { what: "the name of a call that changes something, and a number", example: "expect calls terminate=0" };
const PHASE: Need = Need {
    what: "none, queued, preflight, preparing, scaling, verifying, awaiting-approval, shifting, baking, warm, retiring, \
           aborting, rolling-back, or needs-operator",
    example: "by 12m expect web cutover=shifting",
};

/// Whether a name is a phase of a cutover, or `none`.
fn is_phase(name: &str) -> bool {
    name == "none" || names_of(Place::CutoverPhase, name).any(|name| name.parse::<CutoverPhaseKind>().is_ok())
}

/// The documented name of a call. None: there is no such call.
pub(crate) fn call(name: &str) -> Option<String> {
    let name = documented(Place::Call, name);
    CALLS.contains(&name).then(|| name.to_owned())
}

/// Reads all expectations of a line.
pub(crate) fn terms(line: &mut Line<'_>, known: &Known) -> Result<Vec<Term>, ScenarioError> {
    let mut reader = Reader { known, fleet: None };
    let mut terms = Vec::new();
    loop {
        reader.fleet = known.named_fleet(line).or(reader.fleet);
        reader.term(line, &mut terms)?;
        if line.is_over() {
            return Ok(terms);
        }
    }
}

struct Reader<'a> {
    known: &'a Known,
    /// The fleet that the line has named so far.
    fleet: Option<FleetName>,
}

impl Reader<'_> {
    fn fleet(&self, line: &Line<'_>) -> Result<FleetName, ScenarioError> {
        self.fleet.clone().map_or_else(|| self.known.only_fleet(line), Ok)
    }

    fn term(&self, line: &mut Line<'_>, terms: &mut Vec<Term>) -> Result<(), ScenarioError> {
        let word = line.need(TERM)?;
        match documented(Place::Expectation, &word.text) {
            "page" | "message" => {
                let text = line.need(TEXT)?;
                if !text.is_quoted {
                    return Err(line.wrong(&text, TEXT));
                }
                terms.push(self.told(word.text == "page", Some(documented_subject(&text.text)), true));
            }
            "no" => {
                let only_pages = line.takes("page") || line.takes("pages");
                if !only_pages && !line.takes("message") && !line.takes("messages") {
                    return Err(line.missing(TERM));
                }
                let text = line.peek().filter(|next| next.is_quoted).cloned();
                if text.is_some() {
                    line.take();
                }
                terms.push(self.told(only_pages, text.map(|text| documented_subject(&text.text)), false));
            }
            "idle" => terms.push(Term::Idle { fleet: self.fleet(line)? }),
            "weight" | "size" | "min" | "max" | "running" | "healthy" => self.of_groups(line, &word, terms)?,
            "blocked" | "replacement" => self.of_instances(line, &word, terms)?,
            "calls" => terms.push(calls(line)?),
            _ => terms.push(self.equation(line, &word)?),
        }
        Ok(())
    }

    fn told(&self, only_pages: bool, containing: Option<String>, is: bool) -> Term {
        Term::Told { fleet: self.fleet.clone(), only_pages, containing, is }
    }

    /// The group in a pair such as `green=50`: the name is that of a group, or a color of the fleet that the line has
    /// named.
    fn group(&self, text: &str) -> Option<GroupRef> {
        let of_fleet = |fleet: &FleetName| {
            let color = names::color(text)?;
            let fleet = self.known.fleet(fleet.as_str())?;
            names::groups_of(fleet).into_iter().find(|group| group.color == Some(color))
        };
        self.fleet.as_ref().and_then(of_fleet).or_else(|| self.known.group(text))
    }

    fn of_groups(&self, line: &mut Line<'_>, what: &Word, terms: &mut Vec<Term>) -> Result<(), ScenarioError> {
        let mut is_first = true;
        while is_first || self.next_names(line, |text| self.group(text).is_some()) {
            is_first = false;
            let word = line.need(GROUP)?;
            let (name, comparison, value) = split(&word.text).ok_or_else(|| line.wrong(&word, GROUP))?;
            let group = self.group(name).ok_or_else(|| line.wrong(&word, GROUP))?;
            let what = match what.text.as_str() {
                "weight" => Quantity::Weight(group),
                "size" => Quantity::Size(group),
                "min" => Quantity::Min(group),
                "max" => Quantity::Max(group),
                "running" => Quantity::Running(group),
                _ => Quantity::Serving(group),
            };
            terms.push(Term::Number { what, comparison, value: number(line, &word, value)? });
        }
        Ok(())
    }

    fn of_instances(&self, line: &mut Line<'_>, what: &Word, terms: &mut Vec<Term>) -> Result<(), ScenarioError> {
        let instance = |text: &str| {
            let (group, ordinal) = text.split_once('/')?;
            Some(InstanceRef { group: self.group(group)?, ordinal: ordinal.parse().ok()? })
        };
        let mut is_first = true;
        while is_first || self.next_names(line, |text| instance(text).is_some()) {
            is_first = false;
            let word = line.need(INSTANCE)?;
            let (name, comparison, value) = split(&word.text).ok_or_else(|| line.wrong(&word, INSTANCE))?;
            let instance = instance(name).ok_or_else(|| line.wrong(&word, INSTANCE))?;
            let property = match documented(Place::Expectation, &what.text) {
                "blocked" => Property::Waiting(instance),
                _ => Property::Replacement(instance),
            };
            terms.push(word_term(line, &word, property, comparison, value)?);
        }
        Ok(())
    }

    /// Whether the next word is another pair of the same list, as in `green=50 blue=50`.
    #[expect(clippy::unused_self, reason = "reads as part of the reader at its calls")]
    fn next_names(&self, line: &Line<'_>, is_name: impl Fn(&str) -> bool) -> bool {
        let next = line.peek().filter(|word| !word.is_quoted).and_then(|word| split(&word.text));
        next.is_some_and(|(name, _, _)| is_name(name))
    }

    /// Reads an expectation with a comparison, such as `borrowed-settings=0`, `cutover=shifting` or `replaced>=2`.
    fn equation(&self, line: &Line<'_>, word: &Word) -> Result<Term, ScenarioError> {
        let (name, comparison, value) = split(&word.text).ok_or_else(|| line.wrong(word, TERM))?;
        let fleet = || self.fleet(line);
        let what = match documented(Place::Expectation, name) {
            "replaced" => Quantity::Replaced(fleet()?),
            "launched" => Quantity::Launched(fleet()?),
            "terminated" => Quantity::Terminated(fleet()?),
            "borrowed-settings" => Quantity::BorrowedSettings(fleet()?),
            "pages" => Quantity::Pages(self.fleet.clone()),
            "messages" => Quantity::Messages(self.fleet.clone()),
            "dead-letters" => Quantity::DeadLetters,
            "failed-requests" => Quantity::FailedRequests,
            _ => {
                let what = match name {
                    "cutover" if !is_phase(value) => return Err(line.wrong(word, PHASE)),
                    "cutover" => Property::Cutover(fleet()?),
                    "ended" => Property::Ended(fleet()?),
                    "live" => Property::Live(fleet()?),
                    "image" => Property::Image(fleet()?),
                    "vetoed" => Property::Vetoed(fleet()?),
                    "condition" => Property::Condition(fleet()?),
                    "paused" => Property::Paused(fleet()?),
                    _ => return Err(line.wrong(word, TERM)),
                };
                return word_term(line, word, what, comparison, value);
            }
        };
        Ok(Term::Number { what, comparison, value: number(line, word, value)? })
    }
}

fn calls(line: &mut Line<'_>) -> Result<Term, ScenarioError> {
    let word = line.need(CALL)?;
    let (name, comparison, value) = split(&word.text).ok_or_else(|| line.wrong(&word, CALL))?;
    let Some(call) = call(name) else {
        return Err(line.about(&word, format!("there is no call {name:?}"), CALL));
    };
    let value = number(line, &word, value)?;
    Ok(Term::Number { what: Quantity::Calls(call), comparison, value })
}

fn word_term(
    line: &Line<'_>,
    word: &Word,
    what: Property,
    comparison: Comparison,
    value: &str,
) -> Result<Term, ScenarioError> {
    let is = match comparison {
        Comparison::Equal => true,
        Comparison::NotEqual => false,
        Comparison::Less | Comparison::AtMost | Comparison::More | Comparison::AtLeast => {
            return Err(line.about(word, "names are compared with = or != only".to_owned(), TERM));
        }
    };
    if value.is_empty() {
        return Err(line.about(word, "the value is missing".to_owned(), TERM));
    }
    let value = what.documented(value).to_owned();
    Ok(Term::Word { what, is, value })
}

fn number(line: &Line<'_>, word: &Word, text: &str) -> Result<u64, ScenarioError> {
    match text {
        "empty" | "none" => Ok(0),
        _ => text.parse().map_err(|_| line.wrong(word, NUMBER)),
    }
}

/// Splits text such as `green>=50` into name, comparison and value.
fn split(text: &str) -> Option<(&str, Comparison, &str)> {
    let at = text.find(['<', '>', '!', '='])?;
    let (name, rest) = text.split_at_checked(at)?;
    let (comparison, value) =
        Comparison::ALL.iter().find_map(|(sign, comparison)| Some((*comparison, rest.strip_prefix(sign)?)))?;
    Some((name, comparison, value))
}

impl std::fmt::Display for Quantity {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (what, of): (&str, Option<&dyn std::fmt::Display>) = match self {
            Self::Weight(group) => ("weight", Some(group)),
            Self::Size(group) => ("size", Some(group)),
            Self::Min(group) => ("min", Some(group)),
            Self::Max(group) => ("max", Some(group)),
            Self::Running(group) => ("running", Some(group)),
            Self::Serving(group) => ("healthy", Some(group)),
            Self::Replaced(fleet) => ("replaced", Some(fleet)),
            Self::Launched(fleet) => ("launched", Some(fleet)),
            Self::Terminated(fleet) => ("terminated", Some(fleet)),
            Self::BorrowedSettings(fleet) => ("borrowed-settings", Some(fleet)),
            Self::Pages(Some(fleet)) => ("pages", Some(fleet)),
            Self::Pages(None) => ("pages", None),
            Self::Messages(Some(fleet)) => ("messages", Some(fleet)),
            Self::Messages(None) => ("messages", None),
            Self::Calls(call) => ("calls", Some(call)),
            Self::DeadLetters => ("dead-letters", None),
            Self::FailedRequests => ("failed-requests", None),
        };
        said(formatter, what, of)
    }
}

impl std::fmt::Display for Property {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (what, of): (&str, &dyn std::fmt::Display) = match self {
            Self::Cutover(fleet) => ("cutover", fleet),
            Self::Ended(fleet) => ("ended", fleet),
            Self::Live(fleet) => ("live", fleet),
            Self::Image(fleet) => ("image", fleet),
            Self::Vetoed(fleet) => ("vetoed", fleet),
            Self::Condition(fleet) => ("condition", fleet),
            Self::Waiting(instance) => ("blocked", instance),
            Self::Replacement(instance) => ("replacement", instance),
            Self::Paused(fleet) => ("paused", fleet),
        };
        said(formatter, what, Some(of))
    }
}

/// Writes the name of a quantity or property, and of the resource to which it belongs.
fn said(formatter: &mut std::fmt::Formatter<'_>, what: &str, of: Option<&dyn std::fmt::Display>) -> std::fmt::Result {
    match of {
        Some(of) => write!(formatter, "{what} of {of}"),
        None => formatter.write_str(what),
    }
}
