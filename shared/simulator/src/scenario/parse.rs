//! Reads a scenario: first the account at the beginning, then events and expectations in the order of their times.

use std::collections::BTreeMap;

use jiff::civil::date;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use super::check;
use super::event;
use super::header::{self, FIRST_A_FLEET};
use super::model::{Scenario, Step, Watch, What, When};
use super::names::{COUNT, Known, NOTHING, need_alarm, need_duration};
use super::words::{Line, Need, ScenarioError, spoken};

const KEYWORD: Need = Need {
    what: "fleet, image, alarm, start, seed, crash around every write, at, after, then, by, within, expect, always, never, or \
           end at",
    example: "at 5m drift blue/1 under approved",
};
const START: Need = Need {
    what: "a date and a time, and a time zone if it is not UTC",
    example: "start 2026-03-29T00:30 Europe/Berlin",
};
const EXPECTATION: Need = Need {
    what: "`expect` and an expectation: an event needs `at`, `after` or `then`",
    example: "by 12m expect web cutover=shifting",
};
const ORDER: Need =
    Need { what: "a time that is not before the time of the line above", example: "at 13m alarm web-5xx in-alarm" };
const END: Need = Need { what: "`at` and a time that is not before the time of the last line", example: "end at 3h" };
const CRASHES: Need = Need { what: "around every write", example: "crash around every write" };

impl Scenario {
    /// Reads a scenario from the text of its file.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        let mut parser = Parser::new();
        for (number, text) in (1..).zip(text.lines()) {
            parser.line(number, text)?;
        }
        parser.finish()
    }

    /// The description: the comment at the top of the file, without the `#`.
    pub fn story(&self) -> &[String] {
        &self.story
    }
}

struct Parser {
    scenario: Scenario,
    known: Known,
    /// Whether the lines so far are only comments.
    is_at_top: bool,
    /// The latest time that a line so far can have.
    latest: SignedDuration,
    has_end: bool,
    last: (usize, String),
}

impl Parser {
    fn new() -> Self {
        Self {
            scenario: Scenario {
                story: Vec::new(),
                start: monday_morning(),
                seed: None,
                fleets: Vec::new(),
                images: BTreeMap::new(),
                alarms: BTreeMap::new(),
                crashes_everywhere: false,
                steps: Vec::new(),
                watches: Vec::new(),
                end: SignedDuration::ZERO,
            },
            known: Known::default(),
            is_at_top: true,
            latest: SignedDuration::ZERO,
            has_end: false,
            last: (1, String::new()),
        }
    }

    fn line(&mut self, number: usize, text: &str) -> Result<(), ScenarioError> {
        let mut line = Line::new(number, text)?;
        if line.is_over() {
            match text.trim().strip_prefix('#') {
                Some(comment) if self.is_at_top => self.scenario.story.push(comment.trim().to_owned()),
                Some(_) => {}
                None => self.is_at_top &= self.scenario.story.is_empty(),
            }
            return Ok(());
        }
        self.is_at_top = false;
        self.last = (number, text.to_owned());
        let word = line.need(KEYWORD)?;
        match word.text.as_str() {
            "fleet" => {
                let fleet = header::fleet(&mut line, &self.known)?;
                self.known.fleets.push(fleet);
            }
            "image" => {
                let (image, spec) = header::image(&mut line)?;
                if self.scenario.images.insert(image, spec).is_some() {
                    return Err(line.whole(format!("ami-{image} is described twice"), KEYWORD));
                }
            }
            "alarm" => {
                let alarm = need_alarm(&mut line)?;
                let spec = header::alarm(&mut line, &self.known)?;
                if self.scenario.alarms.insert(alarm.clone(), spec).is_some() {
                    return Err(line.whole(format!("alarm {alarm} is described twice"), KEYWORD));
                }
            }
            "start" => self.scenario.start = start(&mut line)?,
            "seed" => self.scenario.seed = Some(line.need_as(COUNT, |text| text.parse().ok())?),
            "crash" => {
                if !line.takes_all(&["around", "every", "write"]) {
                    return Err(line.whole("a crash at one call needs a time".to_owned(), CRASHES));
                }
                self.scenario.crashes_everywhere = true;
            }
            "end" => self.end(&mut line)?,
            "always" | "never" => self.watch(&mut line, number, text, word.text == "always")?,
            _ => {
                line.back();
                self.step(&mut line, number, text)?;
            }
        }
        line.end(NOTHING)
    }

    fn end(&mut self, line: &mut Line<'_>) -> Result<(), ScenarioError> {
        line.need_word("at", END)?;
        let end = line.need_as(END, super::words::duration)?;
        if end < self.latest {
            return Err(line.whole(format!("the lines above last until {}", spoken(self.latest)), END));
        }
        self.latest = end;
        self.has_end = true;
        Ok(())
    }

    fn watch(&mut self, line: &mut Line<'_>, number: usize, text: &str, holds: bool) -> Result<(), ScenarioError> {
        self.need_fleets(line)?;
        line.takes("expect");
        let terms = check::terms(line, &self.known)?;
        self.scenario.watches.push(Watch { line: number, text: text.trim().to_owned(), terms, holds });
        Ok(())
    }

    fn step(&mut self, line: &mut Line<'_>, number: usize, text: &str) -> Result<(), ScenarioError> {
        let when = self.when(line)?;
        self.need_fleets(line)?;
        let said = without_comment(&text.chars().skip(line.peek().map_or(0, |word| word.column)).collect::<String>());
        let what = if line.takes("expect") {
            What::Expect(check::terms(line, &self.known)?)
        } else {
            match when {
                When::At(_) | When::After(_) => What::Event(event::event(line, &self.known)?),
                When::By(_) | When::Within(_) | When::End => {
                    return Err(match line.peek() {
                        Some(word) => line.wrong(word, EXPECTATION),
                        None => line.missing(EXPECTATION),
                    });
                }
            }
        };
        self.scenario.steps.push(Step { line: number, text: without_comment(text), said, when, what });
        Ok(())
    }

    fn when(&mut self, line: &mut Line<'_>) -> Result<When, ScenarioError> {
        if line.peek().is_some_and(|word| word.text == "expect") {
            return Ok(When::End);
        }
        let word = line.need(KEYWORD)?;
        let when = match word.text.as_str() {
            "then" => When::After(SignedDuration::ZERO),
            "at" => When::At(need_duration(line)?),
            "by" => When::By(need_duration(line)?),
            "after" => When::After(need_duration(line)?),
            "within" => When::Within(need_duration(line)?),
            _ => return Err(line.wrong(&word, KEYWORD)),
        };
        match when {
            When::At(time) | When::By(time) => {
                if time < self.latest {
                    let problem =
                        format!("{} is before {}, the time of the line above", spoken(time), spoken(self.latest));
                    return Err(line.whole(problem, ORDER));
                }
                self.latest = time;
            }
            When::After(length) | When::Within(length) => self.latest += length,
            When::End => {}
        }
        Ok(when)
    }

    fn need_fleets(&self, line: &Line<'_>) -> Result<(), ScenarioError> {
        if self.known.fleets.is_empty() {
            return Err(line.whole("no fleet is described above".to_owned(), FIRST_A_FLEET));
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Scenario, ScenarioError> {
        let (number, text) = &self.last;
        let last = Line::new(*number, text)?;
        self.need_fleets(&last)?;
        let has_expectations = self.scenario.steps.iter().any(|step| matches!(step.what, What::Expect(_)))
            || !self.scenario.watches.is_empty();
        if !has_expectations {
            return Err(last.whole("the scenario has no expectation, so it cannot fail".to_owned(), EXPECTATION));
        }
        self.scenario.end = self.latest;
        self.scenario.fleets = self.known.fleets;
        Ok(self.scenario)
    }
}

/// The beginning of virtual time if the file does not set it: a Monday, at 08:00 UTC.
fn monday_morning() -> Timestamp {
    let start = date(2026, 11, 2).at(8, 0, 0, 0);
    TimeZone::UTC.to_timestamp(start).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn start(line: &mut Line<'_>) -> Result<Timestamp, ScenarioError> {
    let word = line.need(START)?;
    let wall: jiff::civil::DateTime = word.text.parse().map_err(|_| line.wrong(&word, START))?;
    let zone = match line.take() {
        None => TimeZone::UTC,
        Some(word) => TimeZone::get(&word.text).map_err(|_| line.wrong(&word, START))?,
    };
    zone.to_timestamp(wall).map_err(|_| line.wrong(&word, START))
}

fn without_comment(text: &str) -> String {
    let mut is_text = false;
    let end = text.char_indices().find(|(at, character)| {
        is_text ^= *character == '"';
        let before = text.get(..*at).unwrap_or_default();
        *character == '#' && !is_text && before.ends_with(char::is_whitespace)
    });
    end.map_or(text, |(at, _)| text.get(..at).unwrap_or(text)).trim().to_owned()
}
