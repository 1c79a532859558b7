//! Change windows: the hours, in the local time of a time zone, in which disruption may start.
//!
//! A window is open whenever the local time is in one of its ranges. An hour that daylight saving time skips does not
//! occur, and an hour that it repeats counts both times.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp, ToSpan, Zoned};
use serde::{Deserialize, Serialize};

/// A change window: the hours in which disruption may start. Work in progress when the window closes continues to its
/// end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Window(Option<Vec<Range>>);

/// One range of a window, such as `Mon-Fri 09:00-16:00 Europe/Berlin`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Range {
    /// The days on which the range begins.
    days: BTreeSet<Day>,
    /// When the range begins, in minutes since midnight.
    start: u16,
    /// When the range ends, in minutes since midnight, up to 24:00. A value before `start` means the next day.
    end: u16,
    zone: TimeZone,
    /// The text of the range as written, for messages and for the record.
    text: String,
}

/// A text that is not a valid window.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{entry:?}: {problem}")]
pub struct WindowError {
    /// The invalid entry of the window's text.
    pub entry: String,
    pub problem: &'static str,
}

/// A day of the week, as a number from 0 for Monday to 6 for Sunday.
type Day = i8;

const MINUTES_OF_A_DAY: u16 = 24 * 60;
const DAYS: [(&str, Weekday); 7] = [
    ("Mon", Weekday::Monday),
    ("Tue", Weekday::Tuesday),
    ("Wed", Weekday::Wednesday),
    ("Thu", Weekday::Thursday),
    ("Fri", Weekday::Friday),
    ("Sat", Weekday::Saturday),
    ("Sun", Weekday::Sunday),
];

/// How many days ahead to search for an opening or a closing. A clock change can skip a weekly range once, but not
/// twice in a row, so two weeks are enough.
const HORIZON_DAYS: i32 = 15;

impl Window {
    /// The window that is always open.
    pub const fn always() -> Self {
        Self(None)
    }

    /// Whether the window is open now.
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.0.as_ref().is_none_or(|ranges| ranges.iter().any(|range| range.is_open(now)))
    }

    /// The next time at which the window is open: now, if it is open now. None: it does not open in the next two weeks.
    pub fn next_opening(&self, now: Timestamp) -> Option<Timestamp> {
        if self.is_open(now) {
            return Some(now);
        }
        self.changes_after(now).into_iter().find(|at| self.is_open(*at))
    }

    /// The times in the next two weeks at which the window may open or close, in order.
    fn changes_after(&self, now: Timestamp) -> BTreeSet<Timestamp> {
        let mut changes = BTreeSet::new();
        for range in self.0.iter().flatten() {
            range.add_changes(now, &mut changes);
        }
        changes.retain(|at| *at > now);
        changes
    }
}

impl Range {
    fn is_open(&self, now: Timestamp) -> bool {
        let local = now.to_zoned(self.zone.clone());
        let minute = minute_of(&local);
        let begins_on = |date: Option<Date>| date.is_some_and(|date| self.days.contains(&day_of(date.weekday())));
        let today = Some(local.date());
        if self.start < self.end {
            begins_on(today) && self.start <= minute && minute < self.end
        } else {
            (begins_on(today) && self.start <= minute)
                || (begins_on(local.date().yesterday().ok()) && minute < self.end)
        }
    }

    fn add_changes(&self, now: Timestamp, changes: &mut BTreeSet<Timestamp>) {
        let today = now.to_zoned(self.zone.clone()).date();
        for ahead in 0..=HORIZON_DAYS {
            let Ok(date) = today.checked_add(ahead.days()) else { continue };
            for minute in [self.start, self.end] {
                changes.extend(instants(&self.zone, date, minute));
            }
        }
        // A clock change can move the local time into a range or out of it.
        let end = now.checked_add(SignedDuration::from_hours(24 * i64::from(HORIZON_DAYS))).unwrap_or(Timestamp::MAX);
        let shifts = self.zone.following(now).map(|shift| shift.timestamp());
        changes.extend(shifts.take_while(|at| *at <= end));
    }
}

/// The instants at which the local time of a date reaches this minute: usually one, none if a clock change skips the
/// minute, two if a clock change repeats it.
fn instants(zone: &TimeZone, date: Date, minute: u16) -> Vec<Timestamp> {
    let date = if minute == MINUTES_OF_A_DAY { date.tomorrow().ok() } else { Some(date) };
    let minute = minute % MINUTES_OF_A_DAY;
    let part = |number: u16| i8::try_from(number).ok();
    let time = part(minute / 60).zip(part(minute % 60)).and_then(|(hour, minute)| Time::new(hour, minute, 0, 0).ok());
    let Some(local) = date.zip(time).map(|(date, time)| DateTime::from_parts(date, time)) else { return Vec::new() };
    let offsets = match zone.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Unambiguous { offset } => vec![offset],
        AmbiguousOffset::Gap { .. } => Vec::new(),
        AmbiguousOffset::Fold { before, after } => vec![before, after],
    };
    offsets.into_iter().filter_map(|offset| offset.to_timestamp(local).ok()).collect()
}

fn minute_of(local: &Zoned) -> u16 {
    let part = |number: i8| u16::try_from(number).unwrap_or_default();
    part(local.hour()) * 60 + part(local.minute())
}

fn day_of(weekday: Weekday) -> Day {
    weekday.to_monday_zero_offset()
}

impl FromStr for Window {
    type Err = WindowError;

    fn from_str(text: &str) -> Result<Self, WindowError> {
        if text.trim() == "always" {
            return Ok(Self::always());
        }
        let ranges: Vec<Range> = text.split(';').map(|entry| parse_range(entry.trim())).collect::<Result<_, _>>()?;
        Ok(Self(Some(ranges)))
    }
}

impl TryFrom<String> for Window {
    type Error = WindowError;

    fn try_from(text: String) -> Result<Self, WindowError> {
        text.parse()
    }
}

impl From<Window> for String {
    fn from(window: Window) -> Self {
        window.to_string()
    }
}

impl fmt::Display for Window {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => formatter.write_str("always"),
            Some(ranges) => {
                let texts: Vec<&str> = ranges.iter().map(|range| range.text.as_str()).collect();
                formatter.write_str(&texts.join("; "))
            }
        }
    }
}

fn parse_range(entry: &str) -> Result<Range, WindowError> {
    let wrong = |problem: &'static str| WindowError { entry: entry.to_owned(), problem };
    let mut words = entry.split_ascii_whitespace();
    let (Some(days), Some(times), Some(zone), None) = (words.next(), words.next(), words.next(), words.next()) else {
        return Err(wrong("days, times and a time zone, such as Mon-Fri 09:00-16:00 Europe/Berlin"));
    };
    let days =
        parse_days(days).ok_or_else(|| wrong("the days are Mon, Tue, Wed, Thu, Fri, Sat, Sun: Mon-Fri, or Mon,Wed"))?;
    let (start, end) = times
        .split_once('-')
        .and_then(|(start, end)| Some((parse_minute(start)?, parse_minute(end)?)))
        .filter(|(start, _)| *start < MINUTES_OF_A_DAY)
        .ok_or_else(|| wrong("the times are hours and minutes: 09:00-16:00, or 22:00-04:00 over midnight"))?;
    if start == end {
        return Err(wrong("it ends when it begins: a whole day is 00:00-24:00"));
    }
    // Uses the time zone database of the build, never the machine's, so that every machine decides the same.
    let zone = TimeZoneDatabase::bundled()
        .get(zone)
        .map_err(|_| wrong("the time zone is a name of the IANA database, such as Europe/Berlin or UTC"))?;
    Ok(Range { days, start, end, zone, text: entry.to_owned() })
}

fn parse_days(text: &str) -> Option<BTreeSet<Day>> {
    let day = |name: &str| DAYS.iter().find(|(known, _)| *known == name).map(|(_, weekday)| day_of(*weekday));
    let mut days = BTreeSet::new();
    for part in text.split(',') {
        match part.split_once('-') {
            None => {
                days.insert(day(part)?);
            }
            Some((first, last)) => {
                let (first, last) = (day(first)?, day(last)?);
                let length = (last - first).rem_euclid(7);
                days.extend((0..=length).map(|ahead| (first + ahead) % 7));
            }
        }
    }
    Some(days)
}

/// Parses `HH:MM`, up to 24:00, as minutes since midnight.
fn parse_minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let part = |digits: &str| {
        let is_written_out = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        if is_written_out { digits.parse::<u16>().ok() } else { None }
    };
    let (hour, minute) = (part(hour)?, part(minute)?);
    let total = hour * 60 + minute;
    (minute < 60 && total <= MINUTES_OF_A_DAY).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(text: &str) -> Window {
        text.parse().unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// Checks that the window is open from `opens` until just before `closes`, and that it reports this opening both
    /// beforehand and when it is open.
    fn check(text: &str, opens: &str, closes: &str) {
        let (window, opens, closes) = (window(text), at(opens), at(closes));
        let second = SignedDuration::from_secs(1);
        for (now, is_open) in [
            (opens - second, false),
            (opens, true),
            (opens + second, true),
            (closes - second, true),
            (closes, false),
            (closes + second, false),
        ] {
            assert_eq!(window.is_open(now), is_open, "{text} at {now}");
        }
        assert_eq!(window.next_opening(opens - second), Some(opens), "{text}");
        assert_eq!(window.next_opening(opens), Some(opens), "{text}");
    }

    #[test]
    fn it_is_open_from_its_first_minute_and_not_at_its_last() {
        // 2026-11-20 is a Friday; Berlin is one hour ahead in winter and two in summer.
        check("Mon-Fri 09:00-16:00 Europe/Berlin", "2026-11-20T08:00:00Z", "2026-11-20T15:00:00Z");
        check("Mon-Fri 09:00-16:00 Europe/Berlin", "2026-07-17T07:00:00Z", "2026-07-17T14:00:00Z");
        check("Mon,Wed,Fri 09:00-16:00 UTC", "2026-11-20T09:00:00Z", "2026-11-20T16:00:00Z");
        check("Fri 00:00-24:00 UTC", "2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z");
        check("Mon-Wed,Fri 09:00-10:00 Asia/Kolkata", "2026-11-20T03:30:00Z", "2026-11-20T04:30:00Z");
    }

    #[test]
    fn days_go_round_the_week_and_hours_over_midnight() {
        check("Fri-Mon 22:00-04:00 UTC", "2026-11-20T22:00:00Z", "2026-11-21T04:00:00Z");
        // Monday's night ends on Tuesday; Tuesday's own does not begin.
        check("Fri-Mon 22:00-04:00 UTC", "2026-11-23T22:00:00Z", "2026-11-24T04:00:00Z");
        assert!(!window("Fri-Mon 22:00-04:00 UTC").is_open(at("2026-11-24T22:00:00Z")));
        check("Sat 22:00-24:00 UTC", "2026-11-21T22:00:00Z", "2026-11-22T00:00:00Z");
    }

    #[test]
    fn ranges_that_meet_are_one() {
        check("Fri 09:00-12:00 UTC; Fri 12:00-14:00 UTC", "2026-11-20T09:00:00Z", "2026-11-20T14:00:00Z");
        check("Fri 09:00-12:00 UTC; Fri 12:00-14:00 Europe/Berlin", "2026-11-20T09:00:00Z", "2026-11-20T13:00:00Z");
    }

    #[test]
    fn the_hour_that_spring_skips_is_not_there_to_be_open_in() {
        // 2026-03-29 01:00 UTC: Berlin goes from 02:00 to 03:00.
        check("Sun 02:30-05:00 Europe/Berlin", "2026-03-29T01:00:00Z", "2026-03-29T03:00:00Z");
        check("Sun 00:30-02:30 Europe/Berlin", "2026-03-28T23:30:00Z", "2026-03-29T01:00:00Z");
        let skipped = window("Sun 02:15-02:45 Europe/Berlin");
        assert_eq!(skipped.next_opening(at("2026-03-28T00:00:00Z")), Some(at("2026-04-05T00:15:00Z")));
    }

    #[test]
    fn the_hour_that_autumn_repeats_is_open_both_times() {
        // 2026-10-25 01:00 UTC: Berlin goes from 03:00 back to 02:00.
        check("Sun 02:15-02:45 Europe/Berlin", "2026-10-25T00:15:00Z", "2026-10-25T00:45:00Z");
        let again = window("Sun 02:15-02:45 Europe/Berlin");
        assert_eq!(again.next_opening(at("2026-10-25T00:45:00Z")), Some(at("2026-10-25T01:15:00Z")));
        let is_open = |instant| again.is_open(at(instant));
        assert!(is_open("2026-10-25T01:15:00Z") && is_open("2026-10-25T01:44:59Z") && !is_open("2026-10-25T01:45:00Z"));
        check("Sun 00:00-24:00 Europe/Berlin", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z");
    }

    #[test]
    fn always_is_open_and_never_closes() {
        let always = Window::always();
        for hour in 0..14 * 24 {
            let now = at("2026-11-20T12:00:00Z") + SignedDuration::from_hours(hour);
            assert!(always.is_open(now) && window("Mon-Sun 00:00-24:00 UTC").is_open(now), "{now}");
            assert_eq!(always.next_opening(now), Some(now));
        }
        assert!(window(" always ") == always && always.to_string() == "always");
    }

    #[test]
    fn what_is_no_window_says_why() {
        for (text, message) in [
            ("", r#""": days, times and a time zone, such as Mon-Fri 09:00-16:00 Europe/Berlin"#),
            ("Mon 09:00-16:00", "days, times and a time zone"),
            ("Mon 09:00-16:00 UTC;", r#""": days"#),
            ("Mon 09:00-16:00 UTC UTC", "days, times"),
            ("Monday 09:00-16:00 UTC", "the days are"),
            ("Mon- 09:00-16:00 UTC", "the days are"),
            ("Mon 9:00-16:00 UTC", "the times are"),
            ("Mon 09:00-24:01 UTC", "the times are"),
            ("Mon 24:00-02:00 UTC", "the times are"),
            ("Mon 09:60-16:00 UTC", "the times are"),
            ("Mon +9:00-16:00 UTC", "the times are"),
            ("Mon 09:00-09:00 UTC", "it ends when it begins"),
            ("Mon 09:00-16:00 Europe/Berln", "the time zone is"),
        ] {
            let error = text.parse::<Window>().unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn the_record_keeps_it_as_it_was_written() {
        let text = r#""Mon-Fri 09:00-16:00 Europe/Berlin; Sat 10:00-12:00 UTC""#;
        let read: Window = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
    }
}
