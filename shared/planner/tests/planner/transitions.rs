//! The tables of the machines, and where people read them.

use std::collections::BTreeSet;

use std::fmt::{Debug, Display};

use driftless_planner::record::{CutoverPhaseKind, PhaseKind};
use driftless_planner::transitions::{CUTOVER, REPLACEMENT, Step, Table, markdown};

/// The text between the markers of a table in ARCHITECTURE.md.
fn shown(name: &str) -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../ARCHITECTURE.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
    let after = text.split(&begin).nth(1).unwrap_or_else(|| panic!("no {begin}"));
    after.split(&end).next().unwrap().to_owned()
}

#[test]
fn architecture_shows_the_tables_as_they_are() {
    for (name, table) in
        [("replacement transitions", markdown(REPLACEMENT)), ("cutover transitions", markdown(CUTOVER))]
    {
        assert_eq!(shown(name), table, "{name}: copy what stands on the right into ARCHITECTURE.md");
    }
}

fn every_phase_is_entered_and_left<P, E>(table: &Table<P, E>, phases: &[P])
where
    P: Copy + Ord + Debug + Display,
    E: Copy,
{
    let left: BTreeSet<P> = table.iter().filter_map(|(from, _)| *from).collect();
    let entered: BTreeSet<P> = table.iter().flat_map(|(_, steps)| *steps).filter_map(|step| step.phase()).collect();
    let all: BTreeSet<P> = phases.iter().copied().collect();
    assert_eq!((&left, &entered), (&all, &all));
    let ends = |(_, steps): &(Option<P>, &[Step<P, E>])| steps.iter().any(|step| step.phase().is_none());
    assert!(table.iter().any(ends));
}

#[test]
fn every_phase_can_be_left_and_can_be_reached() {
    every_phase_is_entered_and_left(REPLACEMENT, PhaseKind::all());
    every_phase_is_entered_and_left(CUTOVER, CutoverPhaseKind::all());
}
