//! Draws what blocks a fleet, an instance or an image: every guard, in the order in which the planner checks them.

use driftless_status::model::{GuardResult, GuardStatus};
use driftless_status::why::{Subject, Why};

use super::page::{Page, clean, wrapped};
use super::style::{Style, Tone};

const COLUMN: usize = 14;
/// The column at which the text of a guard begins.
const GUARD_COLUMN: usize = 29;

/// Draws the response to the query `why`.
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
        page.labeled("  blocked by", COLUMN, Tone::Warning, &format!("{}: {}", clean(&waits.guard), clean(&waits.why)));
    }
    if let Some(at) = why.may_change_at {
        page.labeled("  may change", COLUMN, Tone::Plain, &format!("by itself {}", page.when(at)));
    }
    if !why.guards.is_empty() {
        page.heading("GUARDS  in the order in which they run");
    }
    for status in &why.guards {
        guard(&mut page, status);
    }
    page.finish()
}

/// Draws the result of a guard. A guard that passes is shown with its requirement, a guard that blocks with what it
/// found.
fn guard(page: &mut Page, status: &GuardStatus) {
    let (mark, tone) = match status.verdict {
        GuardResult::Agrees => ("ok", Tone::Good),
        GuardResult::Holds => ("BLOCKED", Tone::Bad),
        GuardResult::NotAsked => ("not checked", Tone::Faint),
    };
    let (text, of_text) = match (&status.holds, status.verdict) {
        (Some(finding), _) => (format!("{}{}", clean(&finding.why), page.may_change(finding)), Tone::Warning),
        (None, GuardResult::NotAsked) => (format!("requires: {}", clean(&status.asks)), Tone::Faint),
        (None, GuardResult::Agrees | GuardResult::Holds) => (clean(&status.asks), Tone::Faint),
    };
    let name = clean(&status.guard);
    let width = page.style.width().saturating_sub(GUARD_COLUMN);
    for (number, line) in wrapped(&text, width).iter().enumerate() {
        let (mark, name) = if number == 0 { (mark, name.as_str()) } else { ("", "") };
        let (mark, name) = (format!("  {mark:<11}  "), format!("{name:<12}  "));
        page.line(&[(tone, &mark), (Tone::Plain, &name), (of_text, line)]);
    }
}
