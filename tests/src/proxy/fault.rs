//! Faults of calls between a function and an emulator.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use super::call::Call;
use crate::pattern::matches_any_case;

/// A fault that waits for its call.
#[derive(Debug, Clone)]
pub struct Fault {
    name: String,
    function: Option<String>,
    text: Option<String>,
    condition: Option<fn(&Call) -> bool>,
    occurrence: Occurrence,
    strike: Strike,
    seen: u32,
    struck: u32,
}

/// The effect of a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Strike {
    /// The call is not forwarded; the function gets this error in the format of the call's protocol.
    Fail { status: u16, code: String, message: String },
    /// The call takes effect; the connection is closed without the response.
    DropReply,
    /// The call is not forwarded; the process that sent it is killed.
    Kill,
    /// The call takes effect; the process that sent it is killed before it can read the response.
    KillAfterwards,
}

#[derive(Debug, Clone)]
enum Occurrence {
    Nth(u32),
    Every,
    /// By the values, met so far, of a JSON pointer of the request.
    FirstOfEach(String, BTreeSet<String>),
}

impl Strike {
    /// The error of an overloaded AWS, which the SDK retries.
    pub fn throttle() -> Self {
        Self::Fail { status: 400, code: "ThrottlingException".to_owned(), message: "Rate exceeded".to_owned() }
    }

    /// The name in the recording.
    pub(crate) const fn word(&self) -> &'static str {
        match self {
            Self::Fail { .. } => "made to fail",
            Self::DropReply => "reply dropped",
            Self::Kill => "caller killed before",
            Self::KillAfterwards => "caller killed after",
        }
    }
}

impl Fault {
    /// Strikes the first call with this name: `autoscaling:Terminate*`, or `*` for any.
    pub fn at(name: &str, strike: Strike) -> Self {
        Self {
            name: name.to_owned(),
            function: None,
            text: None,
            condition: None,
            occurrence: Occurrence::Nth(1),
            strike,
            seen: 0,
            struck: 0,
        }
    }

    /// Only calls of this function, which may be named without its stack: `reconcile`.
    #[must_use]
    pub fn of(mut self, function: &str) -> Self {
        self.function = Some(function.to_owned());
        self
    }

    /// Only calls whose request, as it is recorded, contains this text.
    #[must_use]
    pub fn containing(mut self, text: &str) -> Self {
        self.text = Some(text.to_owned());
        self
    }

    /// Only calls of which this is true.
    #[must_use]
    pub fn when(mut self, condition: fn(&Call) -> bool) -> Self {
        self.condition = Some(condition);
        self
    }

    /// Strikes the nth of the calls instead, counted from 1 and from now on.
    #[must_use]
    pub fn nth(mut self, nth: u32) -> Self {
        self.occurrence = Occurrence::Nth(nth);
        self
    }

    /// Strikes every one of the calls.
    #[must_use]
    pub fn every(mut self) -> Self {
        self.occurrence = Occurrence::Every;
        self
    }

    /// Hits the first call with each value of a JSON pointer of the request, so that a retry succeeds. Calls without
    /// the pointer are not hit.
    #[must_use]
    pub fn first_of_each(mut self, pointer: &str) -> Self {
        self.occurrence = Occurrence::FirstOfEach(pointer.to_owned(), BTreeSet::new());
        self
    }

    fn matches(&self, call: &Call) -> bool {
        matches_any_case(&self.name, &call.name())
            && self.function.as_ref().is_none_or(|name| call.is_by(name))
            && self.text.as_ref().is_none_or(|text| call.contains(text))
            && self.condition.is_none_or(|condition| condition(call))
    }

    /// Counts a matching call, and returns the effect if the fault hits this one.
    fn meet(&mut self, call: &Call) -> Option<Strike> {
        if !self.matches(call) {
            return None;
        }
        self.seen += 1;
        let strikes = match &mut self.occurrence {
            Occurrence::Nth(nth) => self.seen == *nth,
            Occurrence::Every => true,
            Occurrence::FirstOfEach(pointer, met) => {
                call.request.pointer(pointer).is_some_and(|value| met.insert(value.to_string()))
            }
        };
        strikes.then(|| {
            self.struck += 1;
            self.strike.clone()
        })
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}: {}", self.name, self.strike.word())
    }
}

/// The pending faults.
#[derive(Debug, Default)]
pub(crate) struct Faults(Mutex<Vec<Fault>>);

impl Faults {
    pub(crate) fn inject(&self, fault: Fault) {
        self.lock().push(fault);
    }

    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    /// Faults that no call has met. A test whose fault never occurs tests nothing.
    pub(crate) fn unmet(&self) -> Vec<String> {
        self.lock().iter().filter(|fault| fault.struck == 0).map(ToString::to_string).collect()
    }

    /// The effect on this call. Every fault counts the call; the first one that hits it wins.
    pub(crate) fn meet(&self, call: &Call) -> Option<Strike> {
        let mut faults = self.lock();
        faults.iter_mut().filter_map(|fault| fault.meet(call)).fold(None, |first, next| first.or(Some(next)))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Fault>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
