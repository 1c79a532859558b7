//! The result of a command, and the page for a request that failed.

use driftless_status::request::{OrderResult, Receipt, Refusal, RefusalCause, Reply};
use maud::html;

use crate::frame::{Theme, page};

/// The result of a command.
pub fn receipt(theme: Theme, reply: &Reply) -> String {
    match reply {
        Reply::Refused(refused) => refusal(theme, refused),
        Reply::Receipt(receipt) => taken(theme, receipt),
    }
}

fn taken(theme: Theme, receipt: &Receipt) -> String {
    let (heading, class) = match receipt.result {
        OrderResult::Done => ("Done", "note good"),
        OrderResult::NotDone => ("Not done", "note bad"),
        OrderResult::Pending => ("Stored, not applied yet", "note"),
    };
    let body = html! {
        h2 { (heading) }
        div class=(class) { (receipt.says) }
        dl {
            dt { "by" } dd { (receipt.actor) }
            dt { "request" } dd { code { (receipt.request) } }
        }
        p class="soft" { "Refresh the widget to see the effect." }
    };
    page(theme, &body)
}

/// Why a request failed.
pub fn refusal(theme: Theme, refusal: &Refusal) -> String {
    let heading = match refusal.cause {
        RefusalCause::BadRequest => "Invalid request",
        RefusalCause::NotFound => "Not found",
        RefusalCause::Unavailable => "AWS did not respond",
    };
    page(theme, &html! { h2 { (heading) } div class="note bad" { (refusal.says) } })
}
