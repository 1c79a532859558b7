//! The production adapters on the local stack must fulfil the contracts on which the loop relies. The simulator must
//! fulfil the same: `shared/simulator/tests/contract`.

#![expect(clippy::print_stdout, reason = "what the emulators do otherwise is told, never passed over")]

mod world;

use world::Local;

#[tokio::test]
async fn the_adapters_keep_every_contract_on_the_local_stack() -> anyhow::Result<()> {
    let world = Local::start().await?;
    let verdicts = driftless_contract::hold(&world).await;
    for verdict in &verdicts {
        println!("{verdict}");
    }
    let broken = verdicts.iter().filter(|verdict| !verdict.is_fine()).count();
    anyhow::ensure!(broken == 0, "{broken} of {} contracts", verdicts.len());
    anyhow::ensure!(verdicts.len() == driftless_contract::NAMES.len());
    world.end().await
}
