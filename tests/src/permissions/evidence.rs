//! The used permissions of each scene, stored for the test that checks all scenes.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context as _, bail, ensure};

use super::{Permissions, Usage};
use crate::patience::lines;
use crate::stack::{LocalStack, built_at, executables, project};

/// Permissions that no scene needs, with the reason why they stay, as `function, statement: action`.
const EXPLAINED: &str = "tests/template/never_needed_here.json";

/// The stored results of the scenes, in a folder beside the executables.
#[derive(Debug)]
pub struct Evidence {
    folder: PathBuf,
}

impl LocalStack {
    /// Stores the permissions that this scene used, and releases the stack for the next scene. Only a successful scene
    /// does so.
    pub async fn leave_evidence(&self) -> anyhow::Result<()> {
        let permissions = Permissions::new(self.deployment().policies.clone())?;
        let usage = permissions.usage(&self.recording().all(), &self.groups_of_instances().await?);
        let scene = std::thread::current().name().context("a scene is a test, and has its name")?.to_owned();
        let evidence = Evidence::open()?;
        fs::create_dir_all(&evidence.folder)?;
        fs::write(evidence.of(&scene), serde_json::to_string_pretty(&usage)?)?;
        self.end_scene();
        Ok(())
    }
}

impl Evidence {
    /// The results for the executables of this build.
    pub fn open() -> anyhow::Result<Self> {
        let executables = executables()?;
        Ok(Self { folder: executables.parent().unwrap_or(&executables).join("scenes") })
    }

    /// The permissions that all scenes of this executable used. The error names scenes without a success since the last
    /// build: their permissions would be missing.
    pub fn of_all_scenes(&self) -> anyhow::Result<Usage> {
        let built_at = built_at()?;
        let (mut all, mut missing) = (Usage::default(), Vec::new());
        let ignored = scenes(&["--ignored"])?;
        let is_scene = |name: &String| !ignored.contains(name);
        for scene in scenes(&[])?.into_iter().filter(is_scene) {
            match self.read(&scene, built_at)? {
                Some(usage) => all = all.with(usage),
                None => missing.push(scene),
            }
        }
        ensure!(missing.is_empty(), "these scenes have not ended at rest since they were built:{}", lines(&missing));
        ensure!(all != Usage::default(), "there are no scenes");
        Ok(all)
    }

    /// The result of a scene. None: there is none, or it is older than the build.
    fn read(&self, scene: &str, built_at: SystemTime) -> anyhow::Result<Option<Usage>> {
        let path = self.of(scene);
        let Ok(left_at) = fs::metadata(&path).and_then(|known| known.modified()) else { return Ok(None) };
        if left_at < built_at {
            return Ok(None);
        }
        let text = fs::read_to_string(&path)?;
        Ok(Some(serde_json::from_str(&text).with_context(|| format!("{} is no evidence", path.display()))?))
    }

    fn of(&self, scene: &str) -> PathBuf {
        self.folder.join(format!("{}.json", scene.replace("::", "-")))
    }
}

impl Usage {
    /// Checks that every unused permission is explained. The error also lists explanations of permissions that are used
    /// or do not exist.
    pub fn check_explained(&self) -> anyhow::Result<()> {
        let explained = fs::read_to_string(project().join(EXPLAINED)).context(EXPLAINED)?;
        let mut explained: BTreeMap<String, String> = serde_json::from_str(&explained).context(EXPLAINED)?;
        let unneeded = self.unneeded().into_iter().map(|unneeded| unneeded.to_string());
        let bare: Vec<String> = unneeded.filter(|unneeded| explained.remove(unneeded).is_none()).collect();
        let idle: Vec<String> = explained.into_keys().collect();
        if bare.is_empty() && idle.is_empty() {
            return Ok(());
        }
        bail!(
            "allowed, and needed by no scene:{}\nexplained in {EXPLAINED} without need:{}",
            lines(&bare),
            lines(&idle)
        )
    }
}

/// The names of the tests of this executable.
fn scenes(options: &[&str]) -> anyhow::Result<Vec<String>> {
    let listing =
        Command::new(std::env::current_exe()?).args(["--list", "--format", "terse"]).args(options).output()?;
    ensure!(listing.status.success(), "the tests cannot be listed: {}", String::from_utf8_lossy(&listing.stderr));
    let text = String::from_utf8(listing.stdout)?;
    Ok(text.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect())
}
