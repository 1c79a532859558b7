//! What each scene leaves behind for those who look at all of them: which permissions it needed.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context as _, bail, ensure};

use super::{Permissions, Usage};
use crate::patience::lines;
use crate::stack::{LocalStack, built_at, executables, project};

/// Permissions that no scene needs, with the reason why they stay: `function, statement: action`.
const EXPLAINED: &str = "tests/template/never_needed_here.json";

/// What scenes have left behind, in a folder beside the executables.
#[derive(Debug)]
pub struct Evidence {
    folder: PathBuf,
}

impl LocalStack {
    /// Leaves behind which permissions this scene needed until now, and the stack to the next one. Only a scene that has
    /// ended as it must does so.
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
    /// That of the executables of this very build.
    pub fn open() -> anyhow::Result<Self> {
        let executables = executables()?;
        Ok(Self { folder: executables.parent().unwrap_or(&executables).join("scenes") })
    }

    /// What all scenes of this executable together needed. The error names scenes that have not ended as they must since
    /// anything was built: their permissions would be missed.
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

    /// None: there is none, or it is older than what is to be proven.
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
    /// The error lists what is neither needed nor explained, and explanations of what is needed or not even allowed.
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
