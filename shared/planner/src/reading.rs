//! Answers to questions that were asked by key. "It does not exist" and "it was not asked" are two answers: on the first
//! something can be decided, on the second nothing.

use std::collections::{BTreeMap, BTreeSet};

use crate::alarm::{Alarm, AlarmPattern};
use crate::ids::AlarmName;

/// What AWS answered to each key that was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading<K, V> {
    /// By key that was asked: what was found. None: AWS does not know it.
    answers: BTreeMap<K, Option<V>>,
}

/// What is known of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read<T> {
    /// Nothing: this pass did not ask.
    NotAsked,
    /// It does not exist.
    Absent,
    Found(T),
}

impl<T> Read<T> {
    /// What was found. None where it does not exist and where nobody asked: only for readers to whom both are the same,
    /// which say why.
    pub fn found(self) -> Option<T> {
        match self {
            Self::Found(found) => Some(found),
            Self::Absent | Self::NotAsked => None,
        }
    }

    /// Whether it exists, and was asked.
    pub const fn is_found(&self) -> bool {
        match self {
            Self::Found(_) => true,
            Self::Absent | Self::NotAsked => false,
        }
    }

    /// The same answer about a part of what was found.
    pub fn map<U>(self, part: impl FnOnce(T) -> U) -> Read<U> {
        match self {
            Self::Found(found) => Read::Found(part(found)),
            Self::Absent => Read::Absent,
            Self::NotAsked => Read::NotAsked,
        }
    }
}

impl<K: Ord, V> Reading<K, V> {
    /// Nothing was asked.
    pub const fn none() -> Self {
        Self { answers: BTreeMap::new() }
    }

    /// These keys were asked, and this was found.
    pub fn of(asked: impl IntoIterator<Item = K>, found: BTreeMap<K, V>) -> Self {
        let absent = asked.into_iter().map(|key| (key, None));
        let mut answers: BTreeMap<K, Option<V>> = absent.collect();
        answers.extend(found.into_iter().map(|(key, found)| (key, Some(found))));
        Self { answers }
    }

    /// What is known of a key.
    pub fn get(&self, key: &K) -> Read<&V> {
        match self.answers.get(key) {
            None => Read::NotAsked,
            Some(None) => Read::Absent,
            Some(Some(found)) => Read::Found(found),
        }
    }

    /// Whether this pass asked for a key.
    pub fn is_asked(&self, key: &K) -> bool {
        self.answers.contains_key(key)
    }

    /// Everything that was found.
    pub fn found(&self) -> impl Iterator<Item = (&K, &V)> {
        self.answers.iter().filter_map(|(key, found)| Some((key, found.as_ref()?)))
    }
}

impl<K: Ord, V> Default for Reading<K, V> {
    fn default() -> Self {
        Self::none()
    }
}

/// Each key that was asked, with what was found.
impl<K: Ord, V> FromIterator<(K, Option<V>)> for Reading<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, Option<V>)>>(answers: I) -> Self {
        Self { answers: answers.into_iter().collect() }
    }
}

/// More keys were asked.
impl<K: Ord, V> Extend<(K, Option<V>)> for Reading<K, V> {
    fn extend<I: IntoIterator<Item = (K, Option<V>)>>(&mut self, answers: I) {
        self.answers.extend(answers);
    }
}

impl<K: Ord, V> IntoIterator for Reading<K, V> {
    type Item = (K, Option<V>);
    type IntoIter = std::collections::btree_map::IntoIter<K, Option<V>>;

    fn into_iter(self) -> Self::IntoIter {
        self.answers.into_iter()
    }
}

/// The alarms of some patterns: what was asked are the patterns.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AlarmReading {
    asked: BTreeSet<AlarmPattern>,
    found: BTreeMap<AlarmName, Alarm>,
}

impl AlarmReading {
    /// These patterns were asked, and these alarms have such names.
    pub const fn of(asked: BTreeSet<AlarmPattern>, found: BTreeMap<AlarmName, Alarm>) -> Self {
        Self { asked, found }
    }

    /// What is known of an alarm.
    pub fn get(&self, name: &AlarmName) -> Read<&Alarm> {
        match self.found.get(name) {
            Some(found) => Read::Found(found),
            None if self.asked.iter().any(|pattern| pattern.matches(name)) => Read::Absent,
            None => Read::NotAsked,
        }
    }

    /// The alarms that a pattern means. Absent: there is none.
    pub fn of_pattern(&self, pattern: &AlarmPattern) -> Read<Vec<(&AlarmName, &Alarm)>> {
        if !self.asked.contains(pattern) {
            return Read::NotAsked;
        }
        let found: Vec<_> = self.found().filter(|(name, _)| pattern.matches(name)).collect();
        if found.is_empty() { Read::Absent } else { Read::Found(found) }
    }

    /// Everything that was found.
    pub fn found(&self) -> impl Iterator<Item = (&AlarmName, &Alarm)> {
        self.found.iter()
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::alarm::{AlarmState, AlarmSubject};

    #[test]
    fn what_does_not_exist_is_told_from_what_was_not_asked() {
        let mut reading = Reading::of([1, 2], BTreeMap::from([(2, "two")]));
        assert_eq!([1, 2, 3].map(|key| reading.get(&key)), [Read::Absent, Read::Found(&"two"), Read::NotAsked]);
        assert_eq!([1, 2, 3].map(|key| reading.is_asked(&key)), [true, true, false]);
        reading.extend([(3, None), (4, Some("four"))]);
        assert_eq!(reading.get(&3), Read::Absent);
        assert_eq!(reading.found().collect::<Vec<_>>(), [(&2, &"two"), (&4, &"four")]);
        assert_eq!(Reading::<u8, u8>::none().get(&1), Read::NotAsked);
    }

    #[test]
    fn an_answer_about_a_part_says_the_same_of_the_whole() {
        assert_eq!(Read::Found(2).map(|number| number + 1), Read::Found(3));
        assert_eq!(Read::<u8>::Absent.map(|number| number + 1), Read::Absent);
        assert_eq!(Read::<u8>::NotAsked.map(|number| number + 1), Read::NotAsked);
        assert_eq!(
            (Read::Found(2).found(), Read::<u8>::Absent.found(), Read::<u8>::NotAsked.found()),
            (Some(2), None, None)
        );
    }

    #[test]
    fn an_alarm_is_asked_by_each_pattern_that_means_it() {
        let alarm = Alarm {
            state: AlarmState::Ok,
            since: Timestamp::UNIX_EPOCH,
            reason: "".into(),
            subject: AlarmSubject::default(),
            window: None,
        };
        let name = |name: &str| -> AlarmName { name.parse().unwrap() };
        let pattern = |pattern: &str| -> AlarmPattern { pattern.parse().unwrap() };
        let reading = AlarmReading::of(
            [pattern("web-*"), pattern("api-5xx")].into(),
            BTreeMap::from([(name("web-5xx"), alarm.clone())]),
        );
        assert_eq!(reading.get(&name("web-5xx")), Read::Found(&alarm));
        assert_eq!(reading.get(&name("web-cpu")), Read::Absent);
        assert_eq!(reading.get(&name("api-5xx")), Read::Absent);
        assert_eq!(reading.get(&name("api-cpu")), Read::NotAsked);
        assert_eq!(reading.of_pattern(&pattern("web-*")).found().map(|found| found.len()), Some(1));
        assert_eq!(reading.of_pattern(&pattern("api-5xx")), Read::Absent);
        assert_eq!(reading.of_pattern(&pattern("web-5xx")), Read::NotAsked, "by that name nobody asked");
    }
}
