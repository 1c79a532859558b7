//! The functions' logs, saved from the emulator before it ends.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::REGION;
use crate::http;

const TIMEOUT: Duration = Duration::from_secs(5);

/// Writes a file for each function. Best effort: an emulator that is gone has no logs.
pub(crate) fn save(endpoint: &str, functions: Vec<String>, folder: &Path) {
    let (endpoint, folder) = (endpoint.to_owned(), folder.to_path_buf());
    // A thread of its own: the caller is a destructor, which may run inside of a runtime.
    let saving = std::thread::spawn(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        let saving = async {
            for function in functions {
                if let Ok(text) = read(&endpoint, &function, Timestamp::UNIX_EPOCH).await {
                    let _ = std::fs::write(folder.join(format!("{function}.log")), text);
                }
            }
        };
        // The timer needs the runtime: it is made inside.
        let _ = runtime.block_on(async { tokio::time::timeout(TIMEOUT, saving).await });
    });
    let _ = saving.join();
}

/// Everything that a function has logged since a moment, oldest first.
pub(crate) async fn read(endpoint: &str, function: &str, since: Timestamp) -> anyhow::Result<String> {
    let headers = [
        ("authorization", &*http::authorization("logs", REGION)),
        ("content-type", "application/x-amz-json-1.1"),
        ("x-amz-target", "Logs_20140328.FilterLogEvents"),
    ];
    let mut text = String::new();
    let group = format!("/aws/lambda/{function}");
    let mut page = Value::Null;
    loop {
        let request = json!({"logGroupName": group, "startTime": since.as_millisecond(), "nextToken": page});
        let answer: Value = serde_json::from_slice(http::post(endpoint, &headers, &request).await?.body())?;
        let events = answer.get("events").and_then(Value::as_array).cloned().unwrap_or_default();
        for message in events.iter().filter_map(|event| event.get("message")?.as_str()) {
            // `write!` to a String cannot fail.
            let _ = writeln!(text, "{}", message.trim_end());
        }
        match answer.get("nextToken") {
            Some(token) if !token.is_null() => page = token.clone(),
            Some(_) | None => return Ok(text),
        }
    }
}
