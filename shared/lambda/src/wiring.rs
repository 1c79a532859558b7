//! Connects the ports to AWS for the functions that read fleets, and derives their nested time limits.

use driftless_aws::{Aws, Names, sdk_config};
use driftless_planner::notification::Runbooks;
use driftless_planner::policy::Defaults;
use driftless_reconciler::reconcile::Times;
use jiff::{SignedDuration, Timestamp};

use crate::diagnostic::Failure;
use crate::environment::{self, Environment, FleetEnvironment};

/// The time limit of one call, with all its attempts, is the function's timeout divided by this number. No write starts
/// later than this time before the function's end, so no write outlives the function. A pass with three rounds of reads
/// still fits into the rest.
const CALL_SHARE: i32 = 3;
/// The time limit of one attempt is the function's timeout divided by this number. A second attempt always fits into
/// the call.
const ATTEMPT_SHARE: i32 = 6;

/// The ARN of the function that the buttons of the widget call (`OPERATOR_FUNCTION_ARN`).
pub fn operator_arn() -> Result<String, Failure> {
    environment::operator_arn(environment::process).map_err(Failure::configuration)
}

/// The ports and settings of the functions that read fleets.
#[derive(Debug)]
pub struct Wiring {
    /// The ports on AWS.
    pub aws: Aws,
    /// The default policy of the stack.
    pub defaults: Defaults,
    /// The location of the runbooks that messages link.
    pub runbooks: Runbooks,
    function_timeout: SignedDuration,
}

impl Wiring {
    /// Builds the ports from the environment of the process.
    pub fn from_environment() -> Result<Self, Failure> {
        let environment = Environment::read(environment::process).map_err(Failure::configuration)?;
        let fleet = FleetEnvironment::read(environment::process).map_err(Failure::configuration)?;
        let timeout = environment.function_timeout;
        let settings = environment.settings(timeout / CALL_SHARE, timeout / ATTEMPT_SHARE);
        let names = Names {
            table: fleet.table_name,
            reconcile_queue_url: environment.reconcile_queue_url.clone(),
            alert_topic_arn: fleet.alert_topic_arn,
            chat_topic_arn: fleet.chat_topic_arn,
            event_bus: fleet.event_bus,
        };
        let config = sdk_config(&settings).map_err(Failure::configuration)?;
        Ok(Self {
            aws: Aws::new(config, names),
            defaults: fleet.policy_defaults,
            runbooks: fleet.runbooks,
            function_timeout: timeout,
        })
    }

    /// The time limits of a run that Lambda ends at `deadline_milliseconds` (since the Unix epoch). The lease is a
    /// third longer than the function can run, so that two holders never overlap.
    pub fn times(&self, deadline_milliseconds: u64) -> Result<Times, Failure> {
        let deadline = i64::try_from(deadline_milliseconds)
            .ok()
            .and_then(|milliseconds| Timestamp::from_millisecond(milliseconds).ok())
            .ok_or_else(|| Failure::invariant(format!("{deadline_milliseconds} ms is no time")))?;
        let third = self.function_timeout / CALL_SHARE;
        Ok(Times { lease: self.function_timeout + third, deadline, margin: third })
    }
}
