//! `driftless man`: prints the man page.

use std::fs;
use std::path::PathBuf;

use clap::{Args, CommandFactory};

use crate::console::{Console, Failure};
use crate::exit::Exit;
use crate::line::Line;

/// What `driftless man` takes.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Folder for a page of each command [default: print the page of the tool]
    #[arg(value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments, console: &mut Console<'_>) -> Result<Exit, Failure> {
    match &arguments.folder {
        Some(folder) => {
            fs::create_dir_all(folder)?;
            clap_mangen::generate_to(Line::command(), folder)?;
        }
        None => clap_mangen::Man::new(Line::command()).render(&mut console.out)?,
    }
    Ok(Exit::Done)
}
