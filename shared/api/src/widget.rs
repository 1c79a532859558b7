//! Answers the custom widget of the dashboard. An error also results in a page.

use driftless_planner::ids::FleetName;
use driftless_planner::policy::Defaults;
use driftless_reconciler::ports::{OperatorApi, Ports};
use driftless_status::history::History;
use driftless_status::request::{Answer, Question, Refusal};
use driftless_widget::{Frame, Overview, Parameters, fleet, overview, refusal};
use futures_util::future::{join, join_all};
use jiff::Timestamp;

use crate::answer::{all_fleets, answer};

/// The most history entries that are read for the page of one fleet.
const LINES: usize = 40;
/// The most histories that are read for the page of all fleets: those of the most urgent fleets.
const JOURNALS_MAX: usize = 4;

/// The page that the widget requests. If this page cannot be drawn, the result is a page with the reason.
pub async fn widget<P: Ports + OperatorApi>(
    ports: &P,
    defaults: &Defaults,
    frame: &Frame,
    parameters: Result<Parameters, Refusal>,
    until: Timestamp,
) -> String {
    let page = match parameters {
        Ok(Parameters { fleet: Some(name) }) => one(ports, defaults, frame, name, until).await,
        Ok(Parameters { fleet: None }) => all(ports, defaults, frame, until).await,
        Err(problem) => Err(problem),
    };
    page.unwrap_or_else(|problem| refusal(frame.theme, &problem))
}

async fn one<P: Ports + OperatorApi>(
    ports: &P,
    defaults: &Defaults,
    frame: &Frame,
    name: FleetName,
    until: Timestamp,
) -> Result<String, Refusal> {
    let question = Question::Fleet { fleet: name.clone() };
    let asked = answer(ports, defaults, &question, until);
    let (status, history) = join(asked, page(ports, defaults, name, until)).await;
    match status {
        Answer::Fleet(status) => Ok(fleet(frame, &status, history.as_ref())),
        Answer::Refused(problem) => Err(problem),
        Answer::Fleets(_) | Answer::Why(_) | Answer::History(_) => {
            Err(Refusal::bad_request("the query was for a fleet, and the response is of another kind"))
        }
    }
}

async fn all<P: Ports + OperatorApi>(
    ports: &P,
    defaults: &Defaults,
    frame: &Frame,
    until: Timestamp,
) -> Result<String, Refusal> {
    let read = all_fleets(ports, defaults, until).await?;
    let mut known = Overview {
        at: read.at,
        fleets: read.known,
        unread: read.unread,
        misnamed: read.misnamed,
        histories: Vec::new(),
    };
    known.sort();
    if ports.now() < until {
        let urgent = known.most_urgent(JOURNALS_MAX).into_iter();
        let read = join_all(urgent.map(|name| page(ports, defaults, name, until))).await;
        known.histories = read.into_iter().flatten().collect();
    }
    Ok(overview(frame, &known))
}

/// The newest history entries of a fleet. None: the history could not be read.
async fn page<P: Ports + OperatorApi>(
    ports: &P,
    defaults: &Defaults,
    fleet: FleetName,
    until: Timestamp,
) -> Option<History> {
    let question = Question::History { fleet, instance: None, before: None, limit: LINES };
    match answer(ports, defaults, &question, until).await {
        Answer::History(history) => Some(history),
        Answer::Fleets(_) | Answer::Fleet(_) | Answer::Why(_) | Answer::Refused(_) => None,
    }
}
