//! The lower bound for a function: it makes the recorded calls of a function over plain sockets, unsigned, in the same
//! rounds. It speaks the Lambda Runtime API and does nothing else.
//!
//! `floor <script>`, where the script is a text of `round` lines and, below each, `call <address> <length>` lines that are
//! followed by so many bytes of a request.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// A request, and where it goes.
struct Call {
    address: SocketAddr,
    request: Vec<u8>,
}

/// A connection, and what was read of it beyond the last answer.
struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

fn main() -> Outcome<()> {
    let script = std::env::args().nth(1).ok_or("the script is missing")?;
    let rounds = read_script(&std::fs::read(script)?)?;
    let runtime = std::env::var("AWS_LAMBDA_RUNTIME_API")?;
    let mut runtime = Connection::open(runtime.parse()?)?;
    let mut idle: BTreeMap<SocketAddr, Vec<Connection>> = BTreeMap::new();
    loop {
        let next = runtime.ask(b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nhost: runtime\r\n\r\n")?;
        let id = header(&next, "lambda-runtime-aws-request-id").ok_or("an invocation without an id")?;
        for round in &rounds {
            play(round, &mut idle)?;
        }
        let path = format!("/2018-06-01/runtime/invocation/{id}/response");
        let answer = format!("POST {path} HTTP/1.1\r\nhost: runtime\r\ncontent-length: 2\r\n\r\n{{}}");
        runtime.ask(answer.as_bytes())?;
    }
}

/// All calls of a round at once, each on a connection of its own, as the function made them.
fn play(round: &[Call], idle: &mut BTreeMap<SocketAddr, Vec<Connection>>) -> Outcome<()> {
    let mut open = Vec::with_capacity(round.len());
    for call in round {
        let known = idle.entry(call.address).or_default().pop();
        let mut connection = known.map_or_else(|| Connection::open(call.address), Ok)?;
        connection.stream.write_all(&call.request)?;
        open.push((call.address, connection));
    }
    for (address, mut connection) in open {
        let head = connection.answer()?;
        if !head.starts_with("HTTP/1.1 2") {
            return Err(head.into());
        }
        idle.entry(address).or_default().push(connection);
    }
    Ok(())
}

impl Connection {
    fn open(address: SocketAddr) -> Outcome<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(16 * 1024) })
    }

    fn ask(&mut self, request: &[u8]) -> Outcome<String> {
        self.stream.write_all(request)?;
        self.answer()
    }

    /// Reads a whole answer. Returns its head.
    fn answer(&mut self) -> Outcome<String> {
        let end = loop {
            if let Some(end) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            self.fill()?;
        };
        let head = String::from_utf8(self.buffer.drain(..end).collect())?;
        let length: usize = header(&head, "content-length").unwrap_or("0").parse()?;
        while self.buffer.len() < length {
            self.fill()?;
        }
        self.buffer.drain(..length);
        Ok(head)
    }

    fn fill(&mut self) -> Outcome<()> {
        let mut chunk = [0; 16 * 1024];
        match self.stream.read(&mut chunk)? {
            0 => Err("the connection was closed".into()),
            length => {
                self.buffer.extend(chunk.iter().take(length));
                Ok(())
            }
        }
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    lines.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

fn read_script(script: &[u8]) -> Outcome<Vec<Vec<Call>>> {
    let mut rounds: Vec<Vec<Call>> = Vec::new();
    let mut rest = script;
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let (line, after) = rest.split_at(end);
        let line = std::str::from_utf8(line)?;
        rest = after.get(1..).unwrap_or_default();
        let mut words = line.split(' ');
        match (words.next(), words.next(), words.next()) {
            (Some("round"), None, None) => rounds.push(Vec::new()),
            (Some("call"), Some(address), Some(length)) => {
                let (request, after) = rest.split_at_checked(length.parse()?).ok_or("the script ends in a request")?;
                let call = Call { address: address.parse()?, request: request.to_vec() };
                rounds.last_mut().ok_or("a call outside of a round")?.push(call);
                rest = after;
            }
            _ => return Err(format!("no line of a script: {line}").into()),
        }
    }
    Ok(rounds)
}
