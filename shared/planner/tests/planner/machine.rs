//! The tables of the machines, and where people read them.

use std::collections::BTreeSet;

use driftless_planner::machine::{CUTOVER, REPLACEMENT, Transition, table};

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
    for (name, machine) in [("replacement transitions", REPLACEMENT), ("cutover transitions", CUTOVER)] {
        assert_eq!(shown(name), table(machine), "{name}: copy what stands on the right into ARCHITECTURE.md");
    }
}

#[test]
fn every_phase_can_be_left_or_is_an_end_and_can_be_reached() {
    let ends = ["cleared", "replaced", "done", "aborted", "superseded", "rolled-back"];
    for machine in [REPLACEMENT, CUTOVER] {
        let left: BTreeSet<&str> = machine.iter().map(|known: &Transition| known.from).collect();
        let reached: BTreeSet<&str> = machine.iter().flat_map(|known| known.to).copied().collect();
        for phase in &reached {
            assert!(left.contains(phase) || ends.contains(phase), "{phase} is never left");
        }
        for phase in left.iter().filter(|phase| !phase.is_empty()) {
            assert!(reached.contains(phase), "{phase} is never reached");
        }
    }
}
