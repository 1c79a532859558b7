//! A process that is measured: started with nothing but what it is given, read from `/proc`, and ended.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

/// What is started.
#[derive(Debug, Clone)]
pub struct Program {
    /// The file and its arguments.
    pub command: Vec<String>,
    /// Its whole environment, but for what a run adds.
    pub environment: Vec<(String, String)>,
    pub folder: PathBuf,
    /// Where its output goes.
    pub log: PathBuf,
}

/// A running process. It ends when it is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    /// Right before it was started.
    pub started: Instant,
}

impl Process {
    /// Starts one, with these variables besides its own.
    pub fn start(program: &Program, more: &[(String, String)]) -> anyhow::Result<Self> {
        let log = File::options().create(true).append(true).open(&program.log);
        let log = log.with_context(|| format!("{} cannot be written", program.log.display()))?;
        let Some((file, arguments)) = program.command.split_first() else { bail!("an empty command") };
        let mut command = Command::new(file);
        command.args(arguments).current_dir(&program.folder).env_clear();
        command.envs(program.environment.iter().cloned()).envs(more.iter().cloned());
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let started = Instant::now();
        let child = command.spawn().with_context(|| format!("{file} does not start"))?;
        Ok(Self { child, started })
    }

    /// Its number, which no other running process has.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> anyhow::Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// The processor time that its threads have used, of those that are still there.
    pub fn cpu(&self) -> anyhow::Result<Duration> {
        let tasks = format!("/proc/{}/task", self.child.id());
        let mut nanoseconds = 0;
        for task in std::fs::read_dir(&tasks).with_context(|| tasks.clone())? {
            // A thread may end while the folder is read.
            let Ok(statistics) = std::fs::read_to_string(task?.path().join("schedstat")) else { continue };
            let of_thread = statistics.split(' ').next().context("no figures of the scheduler")?;
            nanoseconds += of_thread.parse::<u64>()?;
        }
        Ok(Duration::from_nanos(nanoseconds))
    }

    /// The most memory that it ever had, in KiB.
    pub fn peak_kib(&self) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended already needs neither.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The end of a log, for the message of a failure.
pub fn tail(log: &Path) -> String {
    let text = std::fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(12)..).unwrap_or_default().join("\n")
}
