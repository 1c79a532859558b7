//! Loopback ports that stay free until an emulator takes them.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Context as _;

/// Below the ports that Linux gives to outgoing connections: of those, one may be taken before the emulator listens.
const FIRST: u32 = 12_000;
const COUNT: u32 = 20_000;
/// A prime that shares no factor with `COUNT`, so that processes which start together look at different ports.
const STRIDE: u32 = 7_919;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A free port that no other call of this process has got, and hardly one of another process.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    let start = std::process::id().wrapping_mul(STRIDE);
    (0..1000)
        .map(|_| FIRST + start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT)
        .filter_map(|port| u16::try_from(port).ok())
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .context("1000 loopback ports in a row are taken")
}
