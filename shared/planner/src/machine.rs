//! The two machines as tables: every step from one phase to another that there is. A decision that journals another one is
//! wrong ([`crate::check`]), and ARCHITECTURE.md shows them as they stand here.

use crate::decision::JournalEntry;

/// A step from one phase to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// The phase before. Empty: there was none.
    pub from: &'static str,
    /// The phases, or ends, that can come after it.
    pub to: &'static [&'static str],
}

const fn step(from: &'static str, to: &'static [&'static str]) -> Transition {
    Transition { from, to }
}

/// Replacements. `cleared` and `replaced` are ends; `stopped` is one until a person says `retry`, or the drift is over.
pub const REPLACEMENT: &[Transition] = &[
    step("", &["debouncing"]),
    step("debouncing", &["blocked", "launching", "vacating", "stopped", "cleared"]),
    step("blocked", &["blocked", "debouncing", "launching", "vacating", "stopped", "cleared"]),
    step("launching", &["proving", "withdrawing", "debouncing", "stopped", "cleared"]),
    step("proving", &["retiring", "withdrawing", "cleared"]),
    step("retiring", &["replaced", "proving", "withdrawing", "cleared"]),
    step("vacating", &["refilling", "debouncing", "blocked", "stopped", "cleared"]),
    step("refilling", &["replaced", "stopped", "cleared"]),
    step("withdrawing", &["debouncing", "blocked", "stopped", "cleared"]),
    step("stopped", &["cleared"]),
];

/// Cutovers. `done`, `aborted`, `superseded` and `rolled-back` are ends.
pub const CUTOVER: &[Transition] = &[
    step("", &["queued"]),
    step("queued", &["queued", "preflight", "aborting", "aborted"]),
    step("preflight", &["queued", "preparing", "aborting", "aborted"]),
    step("preparing", &["scaling", "awaiting-approval", "shifting", "aborting", "aborted"]),
    step("scaling", &["verifying", "aborting", "aborted"]),
    step("verifying", &["awaiting-approval", "shifting", "aborting", "aborted"]),
    step("awaiting-approval", &["shifting", "aborting", "aborted"]),
    step("shifting", &["shifting", "baking", "aborting", "rolling-back", "needs-operator", "rolled-back"]),
    step("baking", &["warm", "rolling-back", "rolled-back"]),
    step("warm", &["retiring-old", "rolling-back", "rolled-back"]),
    step("retiring-old", &["done", "rolling-back", "rolled-back"]),
    step("aborting", &["aborted", "superseded"]),
    step("rolling-back", &["rolled-back", "needs-operator"]),
    step("needs-operator", &["shifting", "rolling-back", "rolled-back"]),
];

/// The phases of a cutover, by their words.
pub fn cutover_phases() -> impl Iterator<Item = &'static str> {
    CUTOVER.iter().map(|known| known.from).filter(|from| !from.is_empty())
}

/// Whether a line of the journal tells of a step that no machine takes.
pub fn is_unknown(entry: &JournalEntry) -> bool {
    let machine = if entry.instance.is_some() { REPLACEMENT } else { CUTOVER };
    let is_named = |name: &str| machine.iter().any(|known| known.from == name || known.to.contains(&name));
    // What begins from nothing may be a state of the fleet with the same name.
    let is_step = !entry.from.is_empty() && is_named(&entry.from) && is_named(&entry.to);
    let is_known = |known: &Transition| known.from == entry.from && known.to.contains(&entry.to.as_str());
    is_step && !machine.iter().any(is_known)
}

/// A machine as a table in Markdown.
pub fn table(machine: &[Transition]) -> String {
    let row = |known: &Transition| {
        let from = if known.from.is_empty() { "(new)" } else { known.from };
        format!("| {from} | {} |\n", known.to.join(", "))
    };
    let rows: String = machine.iter().map(row).collect();
    format!("| from | to |\n| --- | --- |\n{rows}")
}
