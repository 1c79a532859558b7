//! Peers: the alternatives to Driftless, each a folder with a manifest.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use serde::Deserialize;

use crate::cases::Places;
use crate::cloud::{Cloud, Wire};
use crate::process::Program;

/// A peer, as its `peer.json` says. What the fields mean stands in `tests/bench/peers/README.md`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    /// Its name in tables and plots.
    pub name: String,
    pub title: String,
    command: Vec<String>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    artifact: String,
    versions: Vec<String>,
    /// The calls of one event.
    pub calls: Vec<String>,
    /// The cases that it is compared with.
    pub compared_with: Vec<String>,
    #[serde(skip)]
    folder: PathBuf,
}

impl Peer {
    /// How it is started.
    pub fn program(&self, places: &Places, cloud: &Cloud, wire: Wire) -> Program {
        let mut environment = places.environment(cloud, wire);
        let folder = self.folder.display().to_string();
        environment.push(("AWS_LAMBDA_FUNCTION_NAME".to_owned(), format!("driftless-{}", self.name)));
        environment.push(("LAMBDA_TASK_ROOT".to_owned(), folder));
        environment.extend(self.environment.iter().map(|(name, value)| (name.clone(), self.placed(places, value))));
        Program {
            command: self.command.iter().map(|word| self.placed(places, word)).collect(),
            environment,
            folder: self.folder.clone(),
            log: places.work.join(format!("{}.log", self.name)),
        }
    }

    /// The size of what would be uploaded, in bytes.
    pub fn size(&self, places: &Places) -> anyhow::Result<u64> {
        let artifact = self.placed(places, &self.artifact);
        let metadata = std::fs::metadata(&artifact);
        Ok(metadata.with_context(|| format!("{artifact}: `make bench` sets the peers up"))?.len())
    }

    /// What decides its figures, in versions.
    pub fn versions(&self, places: &Places) -> anyhow::Result<Vec<String>> {
        let words: Vec<String> = self.versions.iter().map(|word| self.placed(places, word)).collect();
        let (file, arguments) = words.split_first().context("no command for the versions")?;
        let output = Command::new(file).args(arguments).current_dir(&self.folder).output();
        let output = output.with_context(|| format!("{file}: `make bench` sets the peers up"))?;
        ensure!(output.status.success(), "{file}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?.lines().map(str::to_owned).collect())
    }

    fn placed(&self, places: &Places, text: &str) -> String {
        let venv = places.root.join(".venv/bench");
        let folders = [("root", &places.root), ("peer", &self.folder), ("venv", &venv), ("target", &places.target)];
        folders.iter().fold(text.to_owned(), |text, (name, folder)| {
            text.replace(&format!("{{{name}}}"), &folder.display().to_string())
        })
    }
}

/// All peers, by the names of their folders.
pub fn all(folder: &Path) -> anyhow::Result<Vec<Peer>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("{}", folder.display()))?;
    let mut folders = entries.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<Vec<_>>>()?;
    folders.retain(|folder| folder.join("peer.json").is_file());
    folders.sort();
    folders.into_iter().map(read).collect()
}

fn read(folder: PathBuf) -> anyhow::Result<Peer> {
    let manifest = folder.join("peer.json");
    let text = std::fs::read_to_string(&manifest)?;
    let peer: Peer = serde_json::from_str(&text).with_context(|| format!("{}", manifest.display()))?;
    Ok(Peer { folder, ..peer })
}
