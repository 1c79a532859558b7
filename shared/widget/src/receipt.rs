//! What came of an order, and what is said where there is no answer.

use driftless_status::request::{OrderResult, Receipt, Refusal, RefusalCause, Reply};
use maud::html;

use crate::frame::{Theme, page};

/// What came of an order.
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
        OrderResult::Pending => ("Kept, not followed yet", "note"),
    };
    let body = html! {
        h2 { (heading) }
        div class=(class) { (receipt.says) }
        dl {
            dt { "by" } dd { (receipt.actor) }
            dt { "request" } dd { code { (receipt.request) } }
        }
        p class="soft" { "The widget shows what became of it when it is refreshed." }
    };
    page(theme, &body)
}

/// Why there is no answer.
pub fn refusal(theme: Theme, refusal: &Refusal) -> String {
    let heading = match refusal.cause {
        RefusalCause::BadRequest => "This cannot be answered",
        RefusalCause::NotFound => "Nothing is known of it",
        RefusalCause::Unavailable => "AWS did not answer",
    };
    page(theme, &html! { h2 { (heading) } div class="note bad" { (refusal.says) } })
}
