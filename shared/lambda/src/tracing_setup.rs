//! Logs: JSON lines on standard output, in the format of Lambda's logging configuration.
//!
//! The helper of `lambda_runtime` does not fit: it writes no time, and Lambda gives every line without a valid
//! `timestamp` the level INFO, so that our errors would count as information or be filtered out. Fields are at the top
//! level of a line, so that a metric filter can read `$.event`, the stable code of the line (docs/metrics.md lists the
//! codes).

use lambda_runtime::tracing::subscriber::filter::LevelFilter;
use lambda_runtime::tracing::subscriber::fmt::{MakeWriter, Subscriber as Lines};
use tracing::Subscriber;

/// Sends the logs of this process to standard output. A second call has no effect.
pub fn init(lookup: impl Fn(&str) -> Option<String>) {
    if tracing::subscriber::set_global_default(subscriber(lookup, std::io::stdout)).is_err() {
        tracing::debug!(event = "logs_set_up_already", "logs are set up already");
    }
}

/// The subscriber that writes logs. The environment names their format and their lowest level.
fn subscriber<W>(lookup: impl Fn(&str) -> Option<String>, writer: W) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let level = level(lookup("AWS_LAMBDA_LOG_LEVEL").as_deref());
    let lines = Lines::builder().with_max_level(level).with_target(false).with_ansi(false).with_writer(writer);
    if lookup("AWS_LAMBDA_LOG_FORMAT").is_some_and(|format| format.eq_ignore_ascii_case("json")) {
        Box::new(lines.json().flatten_event(true).with_span_list(false).finish())
    } else {
        Box::new(lines.finish())
    }
}

/// Maps the log levels of Lambda. `FATAL` maps to `ERROR`, our highest level. A missing or unknown level means `INFO`:
/// a wrong log level must not stop the function.
fn level(name: Option<&str>) -> LevelFilter {
    match name.map(str::to_ascii_uppercase).as_deref() {
        Some("TRACE") => LevelFilter::TRACE,
        Some("DEBUG") => LevelFilter::DEBUG,
        Some("WARN") => LevelFilter::WARN,
        Some("ERROR" | "FATAL") => LevelFilter::ERROR,
        Some(_) | None => LevelFilter::INFO,
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use jiff::Timestamp;
    use serde_json::Value;

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The log lines of one error and one informational event.
    fn written(format: &'static str, level: &'static str) -> String {
        let lines = Written::default();
        let writer = lines.clone();
        let lookup = |name: &str| match name {
            "AWS_LAMBDA_LOG_FORMAT" => Some(format.to_owned()),
            "AWS_LAMBDA_LOG_LEVEL" => Some(level.to_owned()),
            _ => None,
        };
        tracing::subscriber::with_default(subscriber(lookup, move || writer.clone()), || {
            let span = tracing::info_span!("run", request_id = "r-1");
            span.in_scope(|| {
                tracing::error!(
                    event = "event_invalid",
                    error_type = "InvalidEvent",
                    message_id = "m-1",
                    "invalid event"
                );
            });
            tracing::info!(event = "fact_sent", "fact sent");
        });
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_line_of_json_has_its_time_its_level_and_its_fields_at_the_top() {
        let text = written("JSON", "INFO");
        let line: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        assert_eq!(line["level"], "ERROR");
        assert_eq!(line["message"], "invalid event");
        assert_eq!(line["event"], "event_invalid");
        assert_eq!(line["error_type"], "InvalidEvent");
        assert_eq!(line["message_id"], "m-1");
        assert_eq!(line["span"]["request_id"], "r-1");
        assert!(line["timestamp"].as_str().unwrap().parse::<Timestamp>().is_ok(), "{line}");
        assert_eq!(text.lines().count(), 2);
    }

    #[test]
    fn a_level_filters_lower_levels() {
        for (level, lines) in [("DEBUG", 2), ("INFO", 2), ("WARN", 1), ("ERROR", 1), ("FATAL", 1), ("", 2), ("loud", 2)]
        {
            assert_eq!(written("JSON", level).lines().count(), lines, "{level}");
        }
    }

    #[test]
    fn without_the_format_json_lines_are_plain_text() {
        let text = written("Text", "INFO");
        let start = "ERROR run{request_id=\"r-1\"}: invalid event event=\"event_invalid\" error_type=\"InvalidEvent\"";
        assert!(text.contains(start), "{text}");
    }
}
