//! The simulator, held to what the loop relies on of the world. The production adapters are held to the same, on the
//! local stack.

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
