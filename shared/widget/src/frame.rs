//! The settings for which a page is drawn: the theme, the width, the functions that links and buttons call, and the
//! parameters of the widget.

use driftless_planner::ids::FleetName;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use crate::style::STYLE;

/// The color theme of the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Theme {
    Light,
    Dark,
}

/// The settings that all pages of one response share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub theme: Theme,
    /// The width of the widget, in pixels.
    pub width: u32,
    /// The ARN of the function `status`, which draws the page. Links call it again.
    pub status: String,
    /// The ARN of the function `operator`. None: the page has no buttons for commands.
    pub operator: Option<String>,
}

/// The parameters of the widget: from its definition, or from a link.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// Show only this fleet, in full. None: all fleets.
    pub fleet: Option<FleetName>,
}

/// The range of widths for which a page is drawn, in pixels. A narrower widget gets a scroll bar.
const WIDTHS: std::ops::RangeInclusive<u64> = 360..=1_800;
/// The width that is used if the console does not state one, in pixels.
const WIDTH: u64 = 900;

impl Frame {
    /// Reads the frame of a request from its `widgetContext`.
    pub fn of(context: &Value, status: &str, operator: Option<&str>) -> Self {
        let width = context.get("width").and_then(Value::as_u64).unwrap_or(WIDTH);
        let width = width.clamp(*WIDTHS.start(), *WIDTHS.end());
        Self {
            theme: Theme::of(context),
            width: u32::try_from(width).unwrap_or(u32::MAX),
            status: status.to_owned(),
            operator: operator.map(str::to_owned),
        }
    }
}

impl Theme {
    /// Reads the theme from a `widgetContext`. Without a theme, it is light, as in the console.
    pub fn of(context: &Value) -> Self {
        if context.get("theme").and_then(Value::as_str) == Some("dark") { Self::Dark } else { Self::Light }
    }

    const fn class(self) -> &'static str {
        match self {
            Self::Light => "driftless light",
            Self::Dark => "driftless dark",
        }
    }
}

/// Draws a complete page with its style sheet.
pub(crate) fn page(theme: Theme, body: &Markup) -> String {
    let page = html! {
        div class="cwdb-no-default-styles" {}
        style { (STYLE) }
        div class=(theme.class()) { (body) }
    };
    page.into_string()
}
