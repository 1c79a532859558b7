//! The page for the result of a command, and the page for a request that failed.

use driftless_status::request::{CommandResult, OrderResult, Refusal, RefusalCause, Reply};
use maud::html;

use crate::frame::{Theme, page};

/// Draws the result of a command.
pub fn command_result(theme: Theme, reply: &Reply) -> String {
    match reply {
        Reply::Refused(refused) => refusal(theme, refused),
        Reply::CommandResult(command_result) => taken(theme, command_result),
    }
}

fn taken(theme: Theme, command_result: &CommandResult) -> String {
    let (heading, class) = match command_result.result {
        OrderResult::Done => ("Done", "note good"),
        OrderResult::NotDone => ("Not done", "note bad"),
        OrderResult::Pending => ("Stored, not applied yet", "note"),
    };
    let body = html! {
        h2 { (heading) }
        div class=(class) { (command_result.says) }
        dl {
            dt { "by" } dd { (command_result.actor) }
            dt { "request" } dd { code { (command_result.request) } }
        }
        p class="soft" { "Refresh the widget to see the effect." }
    };
    page(theme, &body)
}

/// Draws the reason why a request failed.
pub fn refusal(theme: Theme, refusal: &Refusal) -> String {
    let heading = match refusal.cause {
        RefusalCause::BadRequest => "Invalid request",
        RefusalCause::NotFound => "Not found",
        RefusalCause::Unavailable => "AWS did not respond",
    };
    page(theme, &html! { h2 { (heading) } div class="note bad" { (refusal.says) } })
}
