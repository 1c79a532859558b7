//! The texts, tones and times on all pages.

use driftless_planner::fleet::Color;
use driftless_planner::text::UntrustedText;
use driftless_status::model::{ReleaseStatus, Role, State, Traffic};
use jiff::{SignedDuration, Timestamp};

/// The tone of a text or a shape: how much attention it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Good,
    Warning,
    Bad,
    Busy,
    Soft,
}

impl Tone {
    /// The CSS class of a text in this tone.
    pub(crate) const fn of_text(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Warning => "warn",
            Self::Bad => "bad",
            Self::Busy => "busy",
            Self::Soft => "soft",
        }
    }

    /// The CSS class of a shape that is filled in this tone.
    pub(crate) const fn of_fill(self) -> &'static str {
        match self {
            Self::Good => "f-good",
            Self::Warning => "f-warn",
            Self::Bad => "f-bad",
            Self::Busy => "f-busy",
            Self::Soft => "f-soft",
        }
    }
}

/// The name of a state in one or two words, and the tone of the state.
pub(crate) const fn state(state: State) -> (&'static str, Tone) {
    match state {
        State::NeedsOperator => ("needs operator", Tone::Bad),
        State::RollingBack => ("rolling back", Tone::Bad),
        State::Misconfigured => ("misconfigured", Tone::Warning),
        State::PolicyInvalid => ("policy invalid", Tone::Bad),
        State::Frozen => ("frozen", Tone::Warning),
        State::AwaitingApproval => ("awaiting approval", Tone::Warning),
        State::BreakerOpen => ("breaker open", Tone::Bad),
        State::Warm => ("warm", Tone::Busy),
        State::CuttingOver => ("cutting over", Tone::Busy),
        State::Stopped => ("stopped", Tone::Bad),
        State::Replacing => ("replacing", Tone::Busy),
        State::Drifted => ("drifted", Tone::Warning),
        State::Unadopted => ("not adopted", Tone::Soft),
        State::Steady => ("steady", Tone::Good),
    }
}

/// The name of a color.
pub(crate) const fn color(color: Option<Color>) -> &'static str {
    match color {
        Some(Color::Blue) => "blue",
        Some(Color::Green) => "green",
        None => "group",
    }
}

/// Whether a group is live or idle.
pub(crate) const fn role(role: Role) -> &'static str {
    match role {
        Role::Live => "live",
        Role::Idle => "idle",
        Role::Unknown => "role unknown",
    }
}

/// The traffic that a group gets, as one line of text.
pub(crate) fn traffic(traffic: &Traffic) -> String {
    match traffic {
        Traffic::Weighted { percent: Some(percent), .. } => format!("{percent} %"),
        Traffic::Weighted { percent: None, places } => {
            let weights: Vec<String> = places.iter().map(|place| format!("{} of {}", place.weight, place.of)).collect();
            format!("{}: the forward actions differ", weights.join(", "))
        }
        Traffic::NotForwarded => "none: nothing forwards to it".to_owned(),
        Traffic::Attached => "attached".to_owned(),
        Traffic::Detached => "detached".to_owned(),
        Traffic::NoLoadBalancer => "no load balancer".to_owned(),
    }
}

/// The traffic that a group gets, as a short text for a table cell.
pub(crate) fn traffic_in_short(traffic: &Traffic) -> String {
    match traffic {
        Traffic::Weighted { percent: Some(percent), .. } => format!("{percent} %"),
        Traffic::Weighted { percent: None, .. } => "split".to_owned(),
        Traffic::NotForwarded => "no traffic".to_owned(),
        Traffic::Attached => "attached".to_owned(),
        Traffic::Detached => "detached".to_owned(),
        Traffic::NoLoadBalancer => String::new(),
    }
}

/// A release as one line of text.
pub(crate) fn release(release: &ReleaseStatus) -> String {
    let build = release.build.as_ref().map(|build| format!("build {build}, ")).unwrap_or_default();
    format!("{} ({build}{})", release.image, release.template)
}

/// A duration as text: in whole seconds, or in days and hours if it is a day or longer.
pub(crate) fn lasting(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    let (days, hours) = (seconds / 86_400, seconds % 86_400 / 3_600);
    if days > 0 { format!("{days}d {hours}h") } else { format!("{:#}", SignedDuration::from_secs(seconds)) }
}

/// A time with its distance from now: `12:08:00Z, in 1m 15s`, with the date if it is on another day.
pub(crate) fn when(at: Timestamp, now: Timestamp) -> String {
    let day = at.strftime("%Y-%m-%d").to_string();
    let is_today = now.strftime("%Y-%m-%d").to_string() == day;
    let time = at.strftime("%H:%M:%SZ");
    let shown = if is_today { time.to_string() } else { format!("{day} {time}") };
    let distance = at.duration_since(now);
    if distance.is_zero() {
        format!("{shown}, now")
    } else if distance.is_positive() {
        format!("{shown}, in {}", lasting(distance))
    } else {
        format!("{shown}, {} ago", lasting(-distance))
    }
}

/// Shortens each ARN in a text to the part after the account id, because a fleet belongs to one account and region.
pub(crate) fn short(text: &UntrustedText) -> String {
    let resource = |word| if str::starts_with(word, "arn:") { word.splitn(6, ':').nth(5) } else { None };
    let words = text.as_str().split(' ').map(|word| resource(word).unwrap_or(word));
    words.collect::<Vec<_>>().join(" ")
}

/// Cuts a text to at most `length` characters. A cut text ends with `…`.
pub(crate) fn cut(text: &str, length: usize) -> String {
    if text.chars().count() <= length {
        return text.to_owned();
    }
    let kept: String = text.chars().take(length.saturating_sub(1)).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_only_above_its_length() {
        for (length, shown) in [(1, "…"), (3, "ab…"), (4, "abcd"), (5, "abcd")] {
            assert_eq!(cut("abcd", length), shown);
        }
    }

    #[test]
    fn an_arn_is_shown_without_its_account() {
        let told =
            short(&"weights of arn:aws:elasticloadbalancing:eu-central-1:123456789012:listener/app/web by arn:".into());
        assert_eq!(told, "weights of listener/app/web by arn:");
    }

    #[test]
    fn a_time_is_shown_from_now_with_its_day_if_it_is_another() {
        let now: Timestamp = "2026-03-02T12:00:00Z".parse().unwrap();
        let shown = |at: &str| when(at.parse().unwrap(), now);
        assert_eq!(shown("2026-03-02T11:59:59Z"), "11:59:59Z, 1s ago");
        assert_eq!(shown("2026-03-02T12:00:00Z"), "12:00:00Z, now");
        assert_eq!(shown("2026-03-02T12:00:01Z"), "12:00:01Z, in 1s");
        assert_eq!(shown("2026-03-03T00:00:00Z"), "2026-03-03 00:00:00Z, in 12h");
    }
}
