//! The simulator must fulfil the contracts on which the loop relies. The production adapters must fulfil the same
//! contracts on the local stack.

#![expect(clippy::print_stdout, reason = "what the simulator does otherwise is told, never passed over")]

#[cfg(test)]
mod world;

#[cfg(test)]
mod tests {
    use driftless_contract::Found;

    use crate::world::Simulated;

    #[test]
    fn the_simulator_keeps_every_contract() {
        let world = Simulated::new();
        let verdicts = world.block_on(driftless_contract::hold(&world));
        for verdict in verdicts.iter().filter(|verdict| matches!(verdict.found, Found::Differs { .. })) {
            println!("{verdict}");
        }
        let broken: Vec<String> =
            verdicts.iter().filter(|verdict| !verdict.is_fine()).map(ToString::to_string).collect();
        assert_eq!(verdicts.len(), driftless_contract::NAMES.len());
        assert!(broken.is_empty(), "{} of {}:\n{}", broken.len(), verdicts.len(), broken.join("\n"));
    }
}
