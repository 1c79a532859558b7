//! Converts between the SDK's times, jiff's times, and those of the table.

use aws_smithy_types::DateTime;
use driftless_reconciler::ports::CallError;
use jiff::Timestamp;

use crate::error::{required, unreadable};

/// Converts a time in a response. A missing or invalid time makes the response unreadable.
pub(crate) fn timestamp(
    operation: &'static str,
    field: &'static str,
    value: Option<&DateTime>,
) -> Result<Timestamp, CallError> {
    let time = required(operation, field, value)?;
    let nanosecond = i32::try_from(time.subsec_nanos()).unwrap_or_default();
    Timestamp::new(time.secs(), nanosecond).map_err(|error| unreadable(operation, format!("{field}: {error}")))
}

/// Formats a time with exactly three fractional digits, so that the texts sort in the order of the times.
pub(crate) fn sortable(time: Timestamp) -> String {
    format!("{time:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sortable_times_sort_as_texts() {
        let texts: Vec<String> = [0, 1, 10, 100, 999, 1000, 1_000_000]
            .map(|milliseconds| sortable(Timestamp::from_millisecond(milliseconds).unwrap()))
            .into();
        assert_eq!(texts[0], "1970-01-01T00:00:00.000Z");
        assert!(texts.is_sorted(), "{texts:?}");
    }

    #[test]
    fn a_time_of_the_sdk_keeps_its_fraction() {
        let time = DateTime::from_secs_and_nanos(1, 250_000_000);
        assert_eq!(timestamp("x", "y", Some(&time)).unwrap().to_string(), "1970-01-01T00:00:01.25Z");
        assert_eq!(timestamp("x", "StartTime", None).unwrap_err().message.as_str(), "the answer lacks StartTime");
    }
}
