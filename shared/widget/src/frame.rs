//! What a page is drawn for: the theme, the functions that its buttons call, and the parameters.

use driftless_planner::ids::FleetName;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use crate::style::STYLE;

/// The colors of the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Theme {
    Light,
    Dark,
}

/// What every page of one response has in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub theme: Theme,
    /// How wide the widget is, in pixels.
    pub width: u32,
    /// The ARN of the function that draws: links call it again.
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

/// The widths for which a page is drawn, in pixels. A narrower widget scrolls.
const WIDTHS: std::ops::RangeInclusive<u64> = 360..=1_800;
/// The width where the console does not say it, in pixels.
const WIDTH: u64 = 900;

impl Frame {
    /// The frame of a request, by its `widgetContext`.
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
    /// The theme of a `widgetContext`; light, the default of the console, where it has none.
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

/// A whole page.
pub(crate) fn page(theme: Theme, body: &Markup) -> String {
    let page = html! {
        div class="cwdb-no-default-styles" {}
        style { (STYLE) }
        div class=(theme.class()) { (body) }
    };
    page.into_string()
}
