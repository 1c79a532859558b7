//! Results of reads by key. "It does not exist" and "it was not read" are different results: Driftless may decide on
//! the first, never on the second.

use std::collections::{BTreeMap, BTreeSet};

use crate::alarm::{Alarm, AlarmPattern};
use crate::ids::AlarmName;

/// The results of the reads of one kind, such as images, by the key that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading<K, V> {
    /// The value of each key that was read. None: AWS does not know the key.
    answers: BTreeMap<K, Option<V>>,
}

/// The result of the read of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read<T> {
    /// This pass did not read the key.
    NotAsked,
    /// AWS does not know the key.
    Absent,
    Found(T),
}

impl<T> Read<T> {
    /// The value. None: the key does not exist or was not read. Only for callers that treat both alike; they state why.
    pub fn found(self) -> Option<T> {
        match self {
            Self::Found(found) => Some(found),
            Self::Absent | Self::NotAsked => None,
        }
    }

    /// Whether the key was read and exists.
    pub const fn is_found(&self) -> bool {
        match self {
            Self::Found(_) => true,
            Self::Absent | Self::NotAsked => false,
        }
    }

    /// The same result with a part of the value.
    pub fn map<U>(self, part: impl FnOnce(T) -> U) -> Read<U> {
        match self {
            Self::Found(found) => Read::Found(part(found)),
            Self::Absent => Read::Absent,
            Self::NotAsked => Read::NotAsked,
        }
    }
}

impl<K: Ord, V> Reading<K, V> {
    /// A reading in which no key was read.
    pub const fn none() -> Self {
        Self { answers: BTreeMap::new() }
    }

    /// A reading in which the keys `asked` were read and `found` holds the values of those that exist.
    pub fn of(asked: impl IntoIterator<Item = K>, found: BTreeMap<K, V>) -> Self {
        let absent = asked.into_iter().map(|key| (key, None));
        let mut answers: BTreeMap<K, Option<V>> = absent.collect();
        answers.extend(found.into_iter().map(|(key, found)| (key, Some(found))));
        Self { answers }
    }

    /// The result of a key.
    pub fn get(&self, key: &K) -> Read<&V> {
        match self.answers.get(key) {
            None => Read::NotAsked,
            Some(None) => Read::Absent,
            Some(Some(found)) => Read::Found(found),
        }
    }

    /// Whether this pass read a key.
    pub fn is_asked(&self, key: &K) -> bool {
        self.answers.contains_key(key)
    }

    /// All keys that exist, with their values.
    pub fn found(&self) -> impl Iterator<Item = (&K, &V)> {
        self.answers.iter().filter_map(|(key, found)| Some((key, found.as_ref()?)))
    }
}

impl<K: Ord, V> Default for Reading<K, V> {
    fn default() -> Self {
        Self::none()
    }
}

/// Collects the keys that were read, each with its value. None: the key does not exist.
impl<K: Ord, V> FromIterator<(K, Option<V>)> for Reading<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, Option<V>)>>(answers: I) -> Self {
        Self { answers: answers.into_iter().collect() }
    }
}

/// Adds keys that were read, each with its value.
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

/// The alarms that were read. The keys of the read are patterns: alarm names and name prefixes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AlarmReading {
    asked: BTreeSet<AlarmPattern>,
    found: BTreeMap<AlarmName, Alarm>,
}

impl AlarmReading {
    /// A reading in which the patterns `asked` were read and the alarms `found` match them.
    pub const fn of(asked: BTreeSet<AlarmPattern>, found: BTreeMap<AlarmName, Alarm>) -> Self {
        Self { asked, found }
    }

    /// The result for the alarm with this name.
    pub fn get(&self, name: &AlarmName) -> Read<&Alarm> {
        match self.found.get(name) {
            Some(found) => Read::Found(found),
            None if self.asked.iter().any(|pattern| pattern.matches(name)) => Read::Absent,
            None => Read::NotAsked,
        }
    }

    /// The alarms that match a pattern. Absent: none matches.
    pub fn of_pattern(&self, pattern: &AlarmPattern) -> Read<Vec<(&AlarmName, &Alarm)>> {
        if !self.asked.contains(pattern) {
            return Read::NotAsked;
        }
        let found: Vec<_> = self.found().filter(|(name, _)| pattern.matches(name)).collect();
        if found.is_empty() { Read::Absent } else { Read::Found(found) }
    }

    /// All alarms that were found.
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
