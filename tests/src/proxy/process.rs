//! The process at the other end of a connection, found in `/proc`: Linux only.

use std::fs;
use std::net::{SocketAddr, SocketAddrV4};
use std::process::Command;

use anyhow::{Context as _, ensure};

/// Kills the function process that holds a connection, as Lambda does at a timeout: without a warning.
///
/// Only a process whose environment names this function and this stack is killed.
pub(crate) fn kill_function(connection: Connection, function: &str, stack: &str) -> anyhow::Result<u32> {
    let inode = connection.inode().context("no socket belongs to the connection")?;
    let pid = functions(function, stack)
        .find(|pid| holds(*pid, &inode))
        .with_context(|| format!("no process of {function} in stack {stack} holds the connection"))?;
    let killed = Command::new("kill").args(["-9", &pid.to_string()]).status()?;
    ensure!(killed.success(), "kill -9 {pid}: {killed}");
    Ok(pid)
}

/// A connection, seen from the process that opened it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Connection {
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
}

impl Connection {
    /// The socket of the process that opened it: `sl local remote st queues timer retransmits uid timeout inode …`.
    fn inode(self) -> Option<String> {
        let (from, to) = (as_kernel(self.from)?, as_kernel(self.to)?);
        fs::read_to_string("/proc/net/tcp").ok()?.lines().find_map(|line| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            (columns.get(1) == Some(&from.as_str()) && columns.get(2) == Some(&to.as_str()))
                .then(|| columns.get(9).map(|inode| (*inode).to_owned()))?
        })
    }
}

/// An IPv4 address as the kernel prints it: its bytes as one number of this machine, and the port.
fn as_kernel(address: SocketAddr) -> Option<String> {
    let SocketAddr::V4(address) = address else { return None };
    let (ip, port) = (SocketAddrV4::ip(&address).octets(), address.port());
    Some(format!("{:08X}:{port:04X}", u32::from_ne_bytes(ip)))
}

fn functions(function: &str, stack: &str) -> impl Iterator<Item = u32> {
    let wanted = [format!("AWS_LAMBDA_FUNCTION_NAME={function}"), format!("DRIFTLESS_STACK={stack}")];
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(move |pid: &u32| {
        // Processes of others, and those that have just ended, cannot be read.
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        wanted.iter().all(|variable| environment.split(|byte| *byte == 0).any(|set| set == variable.as_bytes()))
    })
}

fn holds(pid: u32, inode: &str) -> bool {
    let socket = format!("socket:[{inode}]");
    let handles = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    handles.filter_map(|handle| fs::read_link(handle.path()).ok()).any(|target| target.as_os_str() == socket.as_str())
}
