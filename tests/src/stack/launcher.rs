//! An emulator as a child process, which lives as long as its standard input is open.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

/// The emulators are Python programs: importing them takes a second or two on a busy machine.
const START_TIMEOUT: Duration = Duration::from_mins(1);
/// What an emulator may take to kill its functions and go.
const END_TIMEOUT: Duration = Duration::from_secs(5);

/// A running emulator. It ends, with everything that it started, when this is dropped or this process dies.
#[derive(Debug)]
pub(crate) struct Launcher {
    child: Child,
    name: &'static str,
}

impl Launcher {
    /// Starts a script of `tests/local` and waits until it serves.
    pub(crate) async fn start(
        project: &Path,
        name: &'static str,
        options: Vec<String>,
        logs: &Path,
    ) -> anyhow::Result<Self> {
        let log = logs.join(format!("{name}.log"));
        let mut child = Command::new(python(project)?)
            .arg(project.join("tests/local").join(format!("{name}_launcher.py")))
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&log)?)
            // A group of its own: an interrupt from the keyboard reaches us first, and we end it in order.
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let stdout = child.stdout.take();
        let launcher = Self { child, name };
        let first_line = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            stdout.map_or(Ok(0), |stdout| BufReader::new(stdout).read_line(&mut line)).map(|_| line)
        });
        // When the time is up the child is killed, which also ends the reading.
        match tokio::time::timeout(START_TIMEOUT, first_line).await {
            Ok(line) if line.as_ref().is_ok_and(|line| line.as_ref().is_ok_and(|line| line.trim() == "ready")) => {
                Ok(launcher)
            }
            Ok(line) => bail!("{name} did not start: {line:?}\n{}", said(&log)),
            Err(_) => bail!("{name} was not ready after {START_TIMEOUT:?}\n{}", said(&log)),
        }
    }
}

impl Drop for Launcher {
    fn drop(&mut self) {
        self.end();
    }
}

impl Launcher {
    /// Ends it now. Once is enough.
    #[expect(clippy::print_stderr, reason = "there is nobody to give an error to")]
    pub(crate) fn end(&mut self) {
        if self.child.stdin.take().is_none() {
            return;
        }
        let end = Instant::now() + END_TIMEOUT;
        while Instant::now() < end {
            match self.child.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(10)),
                Ok(Some(_)) | Err(_) => return,
            }
        }
        eprintln!("{} did not end in {END_TIMEOUT:?} and is killed", self.name);
        // Its group, for the functions that it started. Neither can fail in a way that something could be done about.
        let _ = Command::new("kill").args(["-9", "--", &format!("-{}", self.child.id())]).status();
        let _ = self.child.wait();
    }
}

/// The interpreter with the emulators installed.
pub(crate) fn python(project: &Path) -> anyhow::Result<PathBuf> {
    let python = project.join(".venv/local/bin/python");
    if !python.exists() {
        bail!("there is no {}: the Makefile creates it from tests/local/requirements.txt", python.display());
    }
    Ok(python)
}

fn said(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(30)..).unwrap_or_default().join("\n")
}
