//! A sample application for a fleet. It answers `/health` for the load balancer and `/` with what it was built from, keeps
//! no state, and writes nothing anywhere.

use std::env;
use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

/// How long a client may take to ask, and to read the answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest request line and headers that are read, in bytes. The load balancer's own limit is the same.
const MAX_REQUEST: u64 = 16 * 1024;
/// Clients that are served at once. More wait in the kernel's queue.
const MAX_CLIENTS: usize = 32;
/// What the image says of itself, and the name that it has in the answer.
const RELEASE: [(&str, &str); 3] = [("fleet", "IMAGE_FLEET"), ("build", "IMAGE_BUILD"), ("commit", "IMAGE_COMMIT")];

fn main() -> ExitCode {
    let result = match env::args().nth(1).as_deref() {
        None => listen_address().and_then(serve),
        Some("healthcheck") => listen_address().and_then(ask_whether_healthy),
        Some(other) => Err(io::Error::other(format!("no command {other}: `app` serves, `app healthcheck` asks"))),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("app: {error}");
            ExitCode::FAILURE
        }
    }
}

fn listen_address() -> io::Result<SocketAddr> {
    let text = env::var("APP_LISTEN").map_err(|error| io::Error::other(format!("APP_LISTEN: {error}")))?;
    text.parse().map_err(|error| io::Error::other(format!("APP_LISTEN is {text}: {error}")))
}

/// One thread for each of a fixed number of clients: a flood finds no more of them.
fn serve(address: SocketAddr) -> io::Result<()> {
    let listener = TcpListener::bind(address)?;
    let about = about(|name| env::var(name).ok());
    thread::scope(|scope| {
        for _ in 0..MAX_CLIENTS {
            scope.spawn(|| {
                loop {
                    // A client that left, or was too slow, is no reason to stop.
                    if let Err(error) = listener.accept().and_then(|(client, _)| answer(&client, &about)) {
                        eprintln!("app: {error}");
                    }
                }
            });
        }
    });
    Ok(())
}

fn answer(client: &TcpStream, about: &str) -> io::Result<()> {
    client.set_read_timeout(Some(PATIENCE))?;
    client.set_write_timeout(Some(PATIENCE))?;
    let mut request = BufReader::new(client.take(MAX_REQUEST));
    let mut first = String::new();
    request.read_line(&mut first)?;
    let mut header = String::new();
    while request.read_line(&mut header)? > 2 {
        header.clear();
    }
    let mut client = client;
    client.write_all(response(&first, about).as_bytes())
}

/// The whole response to a request line.
fn response(request_line: &str, about: &str) -> String {
    let mut words = request_line.split_ascii_whitespace();
    let (status, body) = match (words.next(), words.next()) {
        (Some("GET" | "HEAD"), Some("/health")) => ("200 OK", "{\"healthy\":true}\n"),
        (Some("GET" | "HEAD"), Some("/")) => ("200 OK", about),
        (Some("GET" | "HEAD"), Some(_)) => ("404 Not Found", "{\"error\":\"there is / and /health\"}\n"),
        (Some(_), Some(_)) => ("405 Method Not Allowed", "{\"error\":\"it can only be read\"}\n"),
        (_, None) | (None, _) => ("400 Bad Request", "{\"error\":\"this is not HTTP\"}\n"),
    };
    let shown = if request_line.starts_with("HEAD ") { "" } else { body };
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\
         x-content-type-options: nosniff\r\n\r\n{shown}",
        body.len()
    )
}

/// What this release is, as JSON. A value that is not set is left out.
fn about(variable: impl Fn(&str) -> Option<String>) -> String {
    let known: Vec<String> =
        RELEASE.iter().filter_map(|(name, key)| Some(format!("\"{name}\":{}", quoted(&variable(key)?)))).collect();
    format!("{{{}}}\n", known.join(","))
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            control if control.is_control() => {
                // Writing to a string cannot fail.
                let _ = write!(quoted, "\\u{:04x}", u32::from(control));
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

/// For a container's health check, where there is no shell and no curl.
fn ask_whether_healthy(listens: SocketAddr) -> io::Result<()> {
    let mut address = listens;
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() { [127, 0, 0, 1].into() } else { [0, 0, 0, 0, 0, 0, 0, 1].into() });
    }
    let mut server = TcpStream::connect_timeout(&address, PATIENCE)?;
    server.set_read_timeout(Some(PATIENCE))?;
    server.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut response = String::new();
    server.take(MAX_REQUEST).read_to_string(&mut response)?;
    match response.lines().next() {
        Some("HTTP/1.1 200 OK") => Ok(()),
        Some(status) => Err(io::Error::other(format!("it answers {status}"))),
        None => Err(io::Error::other("it answers nothing")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(request_line: &str) -> String {
        response(request_line, "{}\n").split("\r\n").next().unwrap_or_default().to_owned()
    }

    #[test]
    fn it_answers_for_the_load_balancer_and_for_the_curious_only() {
        for (request, expected) in [
            ("GET /health HTTP/1.1\r\n", "HTTP/1.1 200 OK"),
            ("HEAD /health HTTP/1.1\r\n", "HTTP/1.1 200 OK"),
            ("GET / HTTP/1.1\r\n", "HTTP/1.1 200 OK"),
            ("GET /etc/passwd HTTP/1.1\r\n", "HTTP/1.1 404 Not Found"),
            ("POST /health HTTP/1.1\r\n", "HTTP/1.1 405 Method Not Allowed"),
            ("\r\n", "HTTP/1.1 400 Bad Request"),
            ("", "HTTP/1.1 400 Bad Request"),
        ] {
            assert_eq!(status(request), expected, "{request:?}");
        }
    }

    #[test]
    fn the_head_of_an_answer_has_the_length_of_its_body_and_no_body() {
        let answer = response("HEAD /health HTTP/1.1\r\n", "{}\n");
        assert!(answer.contains("content-length: 17\r\n") && answer.ends_with("\r\n\r\n"), "{answer}");
    }

    #[test]
    fn it_says_what_it_was_built_from_and_nothing_that_it_does_not_know() {
        let variable = |name: &str| match name {
            "IMAGE_FLEET" => Some("app".to_owned()),
            "IMAGE_BUILD" => Some("1\"\n2".to_owned()),
            _ => None,
        };
        assert_eq!(about(variable), "{\"fleet\":\"app\",\"build\":\"1\\\"\\u000a2\"}\n");
        assert_eq!(about(|_| None), "{}\n");
    }
}
