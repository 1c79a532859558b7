//! Why something is where it is: every guard, in the order in which the planner asks.

use driftless_status::model::GuardVerdict;
use driftless_status::why::{Subject, Why};

use super::page::{Page, clean};
use super::style::{Style, Tone};

const COLUMN: usize = 13;

/// Draws an answer.
pub fn why(why: &Why, style: Style) -> String {
    let mut page = Page::new(style, why.at);
    let subject = match &why.subject {
        Subject::Fleet(fleet) => format!("{fleet}  "),
        Subject::Instance(id) => format!("{id} of {}  ", why.fleet),
        Subject::Image(id) => format!("{id} for {}  ", why.fleet),
    };
    let at = why.at.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
    page.line(&[(Tone::Strong, &subject), (Tone::Faint, &at)]);
    page.labeled("", 2, Tone::Plain, &clean(&why.says));
    for because in &why.because {
        page.labeled("  because", COLUMN, Tone::Plain, &clean(because));
    }
    if let Some(waits) = why.waits.as_ref().filter(|waits| !why.says.as_str().contains(waits.why.as_str())) {
        page.labeled("  waits", COLUMN, Tone::Warning, &format!("{} ({})", clean(&waits.why), clean(&waits.guard)));
    }
    if let Some(at) = why.may_change_at {
        page.labeled("  may change", COLUMN, Tone::Plain, &format!("by itself {}", page.when(at)));
    }
    if !why.guards.is_empty() {
        page.heading("GUARDS  in the order in which they are asked");
    }
    for guard in &why.guards {
        let (mark, tone) = match guard.verdict {
            GuardVerdict::Agrees => ("ok", Tone::Good),
            GuardVerdict::Holds => ("HOLDS", Tone::Bad),
            GuardVerdict::NotAsked => ("not asked", Tone::Faint),
        };
        let mark = format!("  {mark:<11}");
        let word = format!("{:<14}", clean(&guard.guard));
        page.line(&[(tone, &mark), (Tone::Plain, &word), (Tone::Faint, &clean(&guard.asks))]);
        if let Some(holds) = &guard.holds {
            page.labeled("", 27, Tone::Warning, &clean(&holds.why));
            let may = holds.may_change_at.map_or_else(
                || "changes with an event, a person, or the end of other work".to_owned(),
                |at| format!("may change {}", page.when(at)),
            );
            page.labeled("", 27, Tone::Faint, &may);
        }
    }
    page.finish()
}
