//! The simulator, held to what the loop relies on of the world. The production adapters are held to the same, on the
//! local stack.

#[cfg(test)]
mod world;

#[cfg(test)]
mod tests {
    use crate::world::Simulated;

    #[test]
    fn the_simulator_keeps_every_contract() {
        let world = Simulated::new();
        let verdicts = world.block_on(driftless_contract::hold(&world));
        let broken: Vec<String> =
            verdicts.iter().filter(|verdict| !verdict.is_fine()).map(ToString::to_string).collect();
        assert_eq!(verdicts.len(), driftless_contract::NAMES.len());
        assert!(broken.is_empty(), "{} of {}:\n{}", broken.len(), verdicts.len(), broken.join("\n"));
    }
}
