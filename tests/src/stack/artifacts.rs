//! Where things lie: the project, the built functions, the log folder of a stack.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context as _, bail};

const BUILD: &str = "cargo build --workspace --all-targets";

/// The root of the project.
pub(crate) fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(PathBuf::new, Path::to_path_buf)
}

/// The folder of the executables of this very build: this process is one of them, or lies in its `deps`.
pub(crate) fn executables() -> anyhow::Result<PathBuf> {
    let this = std::env::current_exe().context("where is this executable?")?;
    let is_sub_folder = |folder: &&Path| folder.ends_with("deps") || folder.ends_with("examples");
    let folder = this.parent().context("this executable has no folder")?;
    Ok(Some(folder).filter(is_sub_folder).and_then(Path::parent).unwrap_or(folder).to_path_buf())
}

/// The functions that a template deploys, by `CodeUri: functions/<name>`.
pub(crate) fn functions_of(template: &str) -> Vec<&str> {
    let uris = template.lines().filter_map(|line| line.trim().strip_prefix("CodeUri: functions/"));
    uris.map(|name| name.trim_end_matches('/')).collect()
}

/// Refuses to test what was not built, or was built from sources that have changed since.
pub(crate) fn check_built(functions: &[&str], executables: &Path) -> anyhow::Result<()> {
    for function in functions {
        let executable = executables.join(function);
        let Ok(built_at) = modified(&executable) else {
            bail!("there is no {}: run `{BUILD}`", executable.display());
        };
        if let Some(source) = sources(&executable).into_iter().find(|path| modified(path).is_ok_and(|at| at > built_at))
        {
            bail!("{} has changed since {} was built: run `{BUILD}`", source.display(), executable.display());
        }
    }
    Ok(())
}

/// When the youngest was written of what a local stack runs, and of this executable.
pub(crate) fn built_at() -> anyhow::Result<SystemTime> {
    let (template, executables) = (project().join("template.yaml"), executables()?);
    let text = fs::read_to_string(&template).context("cannot read template.yaml")?;
    let functions = functions_of(&text).into_iter().map(|function| executables.join(function));
    let all = functions.chain([template, std::env::current_exe()?]);
    let times = all.map(|path| modified(&path).with_context(|| path.display().to_string()));
    times.collect::<anyhow::Result<Vec<_>>>()?.into_iter().max().context("nothing is built")
}

/// The folder of a stack's logs, created empty.
pub(crate) fn create_log_folder(executables: &Path, id: &str) -> anyhow::Result<PathBuf> {
    let folder = executables.parent().unwrap_or(executables).join("local-stack").join(id);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(folder)
}

/// The sources of an executable, from the file that Cargo writes beside it: `<executable>: <source> <source> …`.
fn sources(executable: &Path) -> Vec<PathBuf> {
    let rules = fs::read_to_string(executable.with_extension("d")).unwrap_or_default();
    let Some((_, sources)) = rules.lines().next().and_then(|line| line.split_once(": ")) else { return Vec::new() };
    sources.replace("\\ ", "\0").split(' ').map(|source| PathBuf::from(source.replace('\0', " "))).collect()
}

fn modified(path: &Path) -> std::io::Result<SystemTime> {
    fs::metadata(path)?.modified()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_names_its_functions() {
        let template = "  A:\n    Properties:\n      CodeUri: functions/reconcile\n      CodeUri: functions/status/\n";
        assert_eq!(functions_of(template), ["reconcile", "status"]);
    }

    #[test]
    fn a_function_that_is_not_built_is_named_with_the_command_that_builds_it() {
        let error = check_built(&["nobody"], Path::new("/nowhere")).unwrap_err().to_string();
        assert_eq!(error, "there is no /nowhere/nobody: run `cargo build --workspace --all-targets`");
    }
}
