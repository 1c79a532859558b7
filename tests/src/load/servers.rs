//! The servers: one process for each instance of a fleet, from its launch to its termination.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, ensure};
use aws_sdk_ec2::types::{Instance, InstanceStateName};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::tally::Server;
use crate::clients::Clients;
use crate::fleet::{Fleet, Routes, group_of, managed_instances};
use crate::stack::executables;

/// The executable that serves.
const EXECUTABLE: &str = "web-server";

/// The servers of a fleet. Clones share them; they end with the last one.
#[derive(Debug, Clone)]
pub(crate) struct Servers {
    groups: Vec<String>,
    executable: PathBuf,
    running: Arc<Mutex<BTreeMap<String, Running>>>,
    bad_images: Arc<Mutex<BTreeMap<String, u64>>>,
}

/// A running server.
#[derive(Debug)]
struct Running {
    address: SocketAddr,
    process: Child,
}

impl Servers {
    /// No server is started yet.
    pub(crate) fn new(fleet: &Fleet) -> anyhow::Result<Self> {
        let executable = executables()?.join(EXECUTABLE);
        ensure!(
            executable.exists(),
            "there is no {}: run `cargo build --workspace --all-targets`",
            executable.display()
        );
        let groups = fleet.group_names().map(str::to_owned).collect();
        Ok(Self { groups, executable, running: Arc::default(), bad_images: Arc::default() })
    }

    /// Makes an image bad: each of its servers returns an error for every `fails_every`-th request.
    pub(crate) fn make_bad(&self, image: &str, fails_every: u64) {
        let mut bad_images = self.bad_images.lock().unwrap_or_else(PoisonError::into_inner);
        bad_images.insert(image.to_owned(), fails_every);
    }

    /// Starts a server for each instance without one. Returns the current instances.
    pub(crate) async fn poll(&self, clients: &Clients) -> anyhow::Result<BTreeSet<String>> {
        let mut there = BTreeSet::new();
        for server in managed_instances(clients).await?.iter().filter_map(runs) {
            if !self.groups.contains(&server.group) {
                continue;
            }
            there.insert(server.instance.clone());
            let is_running = self.running().contains_key(&server.instance);
            if !is_running {
                let started =
                    self.start(&server).await.with_context(|| format!("{} does not serve", server.instance))?;
                self.running().insert(server.instance, started);
            }
        }
        Ok(there)
    }

    /// Whether there is a target without a server.
    pub(crate) fn are_missing(&self, routes: &Routes) -> bool {
        let running = self.running();
        routes.0.iter().flat_map(|group| &group.targets).any(|target| !running.contains_key(&target.instance))
    }

    /// The address of each server, by its instance.
    pub(crate) fn addresses(&self) -> BTreeMap<String, SocketAddr> {
        self.running().iter().map(|(instance, running)| (instance.clone(), running.address)).collect()
    }

    /// Ends the servers of all other instances, and waits for their end.
    pub(crate) async fn end_all_but(&self, instances: &BTreeSet<String>) -> anyhow::Result<()> {
        let gone: Vec<String> = self.running().keys().filter(|id| !instances.contains(*id)).cloned().collect();
        for instance in gone {
            let running = self.running().remove(&instance);
            if let Some(mut running) = running {
                drop(running.process.stdin.take());
                running.process.wait().await?;
            }
        }
        Ok(())
    }

    async fn start(&self, server: &Server) -> anyhow::Result<Running> {
        let fails_every =
            self.bad_images.lock().unwrap_or_else(PoisonError::into_inner).get(&server.image).copied().unwrap_or(0);
        let mut process = Command::new(&self.executable)
            .args([&server.group, &server.image, &server.instance, &fails_every.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Its own process group: Ctrl-C reaches only this process, which ends the server.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let mut port = String::new();
        let stdout = process.stdout.take().context("it has no standard output")?;
        BufReader::new(stdout).read_line(&mut port).await?;
        let port: u16 = port.trim().parse().with_context(|| format!("it printed no port but {port:?}"))?;
        Ok(Running { address: (Ipv4Addr::LOCALHOST, port).into(), process })
    }

    fn running(&self) -> MutexGuard<'_, BTreeMap<String, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The server of an instance. None: the instance is terminated. A terminating instance still has a server, since its
/// targets drain.
fn runs(instance: &Instance) -> Option<Server> {
    let state = instance.state.as_ref()?.name.as_ref()?;
    let has_ended = matches!(state, InstanceStateName::Terminated | InstanceStateName::Stopped);
    let group = group_of(instance).filter(|_| !has_ended)?;
    Some(Server { group, image: instance.image_id.clone()?, instance: instance.instance_id.clone()? })
}
