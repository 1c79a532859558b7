//! The outcomes of requests: the server that answered, and the cause of each failure.

use std::collections::BTreeMap;

/// A server that answered.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Server {
    /// The group of its instance.
    pub group: String,
    /// The image that it runs.
    pub image: String,
    pub instance: String,
}

/// The responses of one server or several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Answers {
    /// Requests that were served.
    pub served: u64,
    /// Requests for which the server returned an error.
    pub errors: u64,
}

/// The outcome of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ended {
    Served(Server),
    /// The server returned an error.
    Error(Server),
    /// No server answered, for this reason, which is not the fault of an image.
    Lost(String),
}

/// The outcomes of all requests so far.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    /// The responses of each server.
    pub answers: BTreeMap<Server, Answers>,
    /// Requests that no server answered, by the reason.
    pub lost: BTreeMap<String, u64>,
}

impl Tally {
    pub(crate) fn add(&mut self, ended: Ended) {
        match ended {
            Ended::Served(server) => self.answers.entry(server).or_default().served += 1,
            Ended::Error(server) => self.answers.entry(server).or_default().errors += 1,
            Ended::Lost(reason) => *self.lost.entry(reason).or_default() += 1,
        }
    }

    /// The difference to an earlier tally.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut later = self.clone();
        for (server, before) in &earlier.answers {
            if let Some(now) = later.answers.get_mut(server) {
                now.served = now.served.saturating_sub(before.served);
                now.errors = now.errors.saturating_sub(before.errors);
            }
        }
        for (reason, before) in &earlier.lost {
            if let Some(now) = later.lost.get_mut(reason) {
                *now = now.saturating_sub(*before);
            }
        }
        later.answers.retain(|_, answers| *answers != Answers::default());
        later.lost.retain(|_, requests| *requests > 0);
        later
    }

    /// The responses of all servers.
    pub fn answers(&self) -> Answers {
        self.answers_of(|_| true)
    }

    /// The responses of these servers.
    pub fn answers_of(&self, is_meant: impl Fn(&Server) -> bool) -> Answers {
        let meant = self.answers.iter().filter(|(server, _)| is_meant(server)).map(|(_, answers)| *answers);
        meant.fold(Answers::default(), |sum, answers| Answers {
            served: sum.served + answers.served,
            errors: sum.errors + answers.errors,
        })
    }

    /// Requests that no server answered.
    pub fn lost(&self) -> u64 {
        self.lost.values().sum()
    }

    /// All requests.
    pub fn requests(&self) -> u64 {
        let answers = self.answers();
        answers.served + answers.errors + self.lost()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(group: &str, instance: &str) -> Server {
        Server { group: group.to_owned(), image: format!("ami-{group}"), instance: instance.to_owned() }
    }

    fn tally(ended: &[Ended]) -> Tally {
        let mut tally = Tally::default();
        ended.iter().cloned().for_each(|ended| tally.add(ended));
        tally
    }

    #[test]
    fn errors_are_the_servers_own_and_lost_requests_nobodys() {
        let (blue, green) = (server("blue", "i-1"), server("green", "i-2"));
        let ended = [Ended::Served(blue), Ended::Error(green.clone()), Ended::Served(green), Ended::Lost("x".into())];
        let tally = tally(&ended);
        assert_eq!(tally.answers(), Answers { served: 2, errors: 1 });
        assert_eq!(tally.answers_of(|server| server.group == "green"), Answers { served: 1, errors: 1 });
        assert_eq!((tally.lost(), tally.requests()), (1, 4));
    }

    #[test]
    fn a_stretch_of_time_is_what_came_after_it_began() {
        let (blue, green) = (server("blue", "i-1"), server("green", "i-2"));
        let mut before = tally(&[Ended::Served(blue), Ended::Lost("x".into())]);
        let earlier = before.clone();
        before.add(Ended::Error(green.clone()));
        let later = before.since(&earlier);
        assert_eq!(later, tally(&[Ended::Error(green)]));
        assert_eq!(before.since(&before), Tally::default());
    }
}
