//! An alarm on the errors of a group, as CloudWatch computes it from load balancer metrics.

use std::collections::VecDeque;
use std::time::Instant;

use super::{Load, Tally};
use crate::alarm::{Alarm, ERRORS_MAX, PERIOD};
use crate::stack::LocalStack;

/// An alarm that is in ALARM while the servers of a group have returned too many errors within its period, and else in
/// OK.
#[derive(Debug)]
pub struct ErrorAlarm {
    alarm: Alarm,
    group: String,
    /// The number of errors at each poll of the last period, oldest first.
    polls: VecDeque<(Instant, u64)>,
    is_in_alarm: bool,
}

impl ErrorAlarm {
    /// Binds an alarm in OK to the errors of a group, given by its name.
    pub fn new(alarm: Alarm, group: &str) -> Self {
        Self { alarm, group: group.to_owned(), polls: VecDeque::new(), is_in_alarm: false }
    }

    /// The name of the alarm.
    pub fn name(&self) -> &str {
        self.alarm.name()
    }

    /// Whether the alarm is in ALARM.
    pub const fn is_in_alarm(&self) -> bool {
        self.is_in_alarm
    }

    /// Evaluates the errors. Some: the state has changed, with this reason.
    pub async fn poll(&mut self, stack: &LocalStack, load: &Load) -> anyhow::Result<Option<String>> {
        let errors = self.errors_at(Instant::now(), &load.tally());
        let is_too_many = errors > ERRORS_MAX;
        if is_too_many == self.is_in_alarm {
            return Ok(None);
        }
        self.is_in_alarm = is_too_many;
        let how = if is_too_many { "greater than" } else { "not greater than" };
        let reason = format!("Threshold Crossed: 1 datapoint [{errors}.0] was {how} the threshold ({ERRORS_MAX}.0).");
        stack.set_alarm(&self.alarm, is_too_many, &reason).await?;
        Ok(Some(reason))
    }

    /// The errors of the period that ends now.
    fn errors_at(&mut self, now: Instant, tally: &Tally) -> u64 {
        let errors = tally.answers_of(|server| server.group == self.group).errors;
        self.polls.push_back((now, errors));
        // The newest poll that is a whole period old is the start of the period.
        while self.polls.get(1).is_some_and(|(at, _)| now.duration_since(*at) >= PERIOD) {
            self.polls.pop_front();
        }
        self.polls.front().map_or(0, |(_, before)| errors.saturating_sub(*before))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::load::Server;
    use crate::load::tally::Ended;

    fn tally(group: &str, errors: u64) -> Tally {
        let server = Server { group: group.to_owned(), image: "ami-1".to_owned(), instance: "i-1".to_owned() };
        let mut tally = Tally::default();
        for _ in 0..errors {
            tally.add(Ended::Error(server.clone()));
        }
        tally
    }

    fn alarm() -> ErrorAlarm {
        ErrorAlarm::new(Alarm::named("green-errors"), "green")
    }

    #[test]
    fn errors_count_until_they_are_a_period_old() {
        let (start, just_under) = (Instant::now(), PERIOD.saturating_sub(Duration::from_millis(1)));
        for (age, counted) in [(just_under, 4), (PERIOD, 0), (PERIOD + Duration::from_millis(1), 0)] {
            let mut alarm = alarm();
            assert_eq!(alarm.errors_at(start, &tally("green", 3)), 0, "what was before it began does not count");
            let at = start + Duration::from_secs(1);
            assert_eq!(alarm.errors_at(at, &tally("green", 7)), 4);
            assert_eq!(alarm.errors_at(at + age, &tally("green", 7)), counted, "{age:?}");
        }
    }

    #[test]
    fn errors_of_another_group_do_not_count() {
        let mut alarm = alarm();
        alarm.errors_at(Instant::now(), &Tally::default());
        assert_eq!(alarm.errors_at(Instant::now(), &tally("blue", 9)), 0);
    }
}
