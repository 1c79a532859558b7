//! Parts of the sentences for waiting reasons that depend on whether a time is known.

use jiff::Timestamp;

pub(super) fn until(at: Option<&Timestamp>) -> String {
    at.map(|at| format!(" until {at:.0}")).unwrap_or_default()
}

pub(super) fn window(opens_at: Option<&Timestamp>) -> String {
    opens_at.map_or_else(
        || "the window is closed and does not open in the next two weeks".to_owned(),
        |at| format!("the window is closed until {at:.0}"),
    )
}

pub(super) fn quarantine(first_goes_at: Option<&Timestamp>) -> String {
    first_goes_at.map_or_else(
        || "the quarantine is full: no more instances can be kept for forensics".to_owned(),
        |at| format!("the quarantine is full until {at:.0}, when its first instance is terminated"),
    )
}
