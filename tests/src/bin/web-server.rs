//! The web server that runs on an instance: `web-server <group> <image> <instance> <fails-every>`.
//!
//! It prints its loopback port, names itself in each response, and ends when its standard input is closed. With
//! `fails-every` N it returns an error for every Nth request; with 0 for none.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The timeout of a silent connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// The identity of the server, and its behavior.
struct Identity {
    group: String,
    image: String,
    instance: String,
    fails_every: u64,
    requests: AtomicU64,
}

fn main() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A closed standard error is no reason to stop.
            let _ = writeln!(std::io::stderr(), "web-server: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve() -> std::io::Result<()> {
    let identity =
        Arc::new(identity().ok_or_else(|| std::io::Error::other("expected <group> <image> <instance> <fails-every>"))?);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    writeln!(std::io::stdout(), "{}", listener.local_addr()?.port())?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let identity = Arc::clone(&identity);
            // A broken connection is the error of the client.
            std::thread::spawn(move || identity.answer(&stream));
        }
    });
    std::io::stdin().read_to_end(&mut Vec::new()).map(drop)
}

fn identity() -> Option<Identity> {
    let mut arguments = std::env::args().skip(1);
    Some(Identity {
        group: arguments.next()?,
        image: arguments.next()?,
        instance: arguments.next()?,
        fails_every: arguments.next()?.parse().ok()?,
        requests: AtomicU64::new(0),
    })
}

impl Identity {
    /// Answers one request; the connection is closed afterwards.
    fn answer(&self, mut stream: &TcpStream) -> std::io::Result<()> {
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut lines = BufReader::new(stream).lines();
        let is_whole = lines.any(|line| line.is_ok_and(|line| line.is_empty()));
        if !is_whole {
            return Ok(());
        }
        let request = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        let fails = self.fails_every > 0 && request.is_multiple_of(self.fails_every);
        let status = if fails { "500 Internal Server Error" } else { "200 OK" };
        let Self { group, image, instance, .. } = self;
        let body = format!("{instance} of {group}, image {image}: {}\n", if fails { "an error" } else { "served" });
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: text/plain\r\ncontent-length: {}\r\nconnection: close\r\n\
             x-group: {group}\r\nx-image: {image}\r\nx-instance: {instance}\r\n\r\n",
            body.len()
        );
        stream.write_all((head + &body).as_bytes())
    }
}
