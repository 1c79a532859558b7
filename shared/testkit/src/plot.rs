//! Plots of measurements and counts: bars on a logarithmic scale, readable on light and on dark pages.

use std::fmt::Write as _;

const WIDTH: f64 = 860.0;
const LEFT: f64 = 190.0;
const RIGHT: f64 = 90.0;
const TOP: f64 = 54.0;
const ROW: f64 = 26.0;
const BAR: f64 = 16.0;

/// The color of a bar, which tells what the bar shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Color {
    /// Green: a value of Driftless.
    Own,
    /// Grey, close below the bar before: a value with which to compare that bar.
    Below,
    /// Orange: a value of other tools.
    Peer,
}

impl Color {
    const fn class(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Below => "baseline",
            Self::Peer => "peer",
        }
    }
}

/// A bar.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    /// The text to the left of the bar.
    pub label: String,
    pub value: f64,
    pub color: Color,
}

/// Draws the bars as an SVG. Each bar shows its value followed by the unit. The result is empty if there are no bars.
pub fn svg(title: &str, unit: &str, bars: &[Bar]) -> String {
    let values = || bars.iter().map(|bar| bar.value).filter(|value| *value > 0.0);
    let Some((low, high)) = values().min_by(f64::total_cmp).zip(values().max_by(f64::total_cmp)) else {
        return String::new();
    };
    // Whole decades, and one at least.
    let (first, last) = (low.log10().floor(), high.log10().ceil().max(low.log10().floor() + 1.0));
    let x = |value: f64| LEFT + (value.log10() - first) / (last - first) * (WIDTH - LEFT - RIGHT);
    let mut offset = TOP;
    let mut drawn = String::new();
    for bar in bars.iter().filter(|bar| bar.value > 0.0) {
        offset += if bar.color == Color::Below { ROW - 6.0 } else { ROW };
        let (y, middle, end) = (offset - BAR, offset - BAR / 2.0 + 4.0, x(bar.value));
        let label = bar.label.replace('&', "&amp;").replace('<', "&lt;");
        let _ = writeln!(drawn, r#"<text class="label" x="{}" y="{middle:.1}">{label}</text>"#, LEFT - 8.0);
        let width = (end - LEFT).max(1.0);
        let class = bar.color.class();
        let _ = writeln!(
            drawn,
            r#"<rect class="{class}" x="{LEFT}" y="{y:.1}" width="{width:.1}" height="{BAR}" rx="2"/>"#
        );
        let value = if bar.value < 10.0 { format!("{:.1}", bar.value) } else { format!("{:.0}", bar.value) };
        let _ = writeln!(drawn, r#"<text x="{:.1}" y="{middle:.1}">{value}{unit}</text>"#, end + 6.0);
    }
    let height = offset + 16.0;
    let mut lines = String::new();
    let mut decade = first;
    while decade <= last {
        let value = 10_f64.powf(decade);
        let (at, bottom, word) =
            (x(value), offset + 6.0, if value < 1.0 { format!("{value:.1}") } else { format!("{value:.0}") });
        let _ = writeln!(lines, r#"<line x1="{at:.1}" y1="{TOP}" x2="{at:.1}" y2="{bottom:.1}"/>"#);
        let _ = writeln!(lines, r#"<text class="tick" x="{at:.1}" y="{:.1}">{word}</text>"#, TOP - 6.0);
        decade += 1.0;
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{title}\">\n{STYLE}\
         <rect class=\"page\" width=\"{WIDTH}\" height=\"{height}\"/>\n\
         <text class=\"title\" x=\"16\" y=\"24\">{title}</text>\n{lines}{drawn}</svg>\n"
    )
}

const STYLE: &str = "<style>\n\
    text { font: 12px system-ui, sans-serif; fill: #1f2328; }\n\
    .title { font-weight: 600; font-size: 14px; }\n\
    .label { text-anchor: end; }\n\
    .tick { text-anchor: middle; fill: #59636e; }\n\
    line { stroke: #d1d9e0; }\n\
    .page { fill: #ffffff; }\n\
    .own { fill: #1a7f64; }\n\
    .baseline { fill: #8c959f; }\n\
    .peer { fill: #bc6c25; }\n\
    @media (prefers-color-scheme: dark) {\n\
    text { fill: #f0f6fc; }\n\
    .tick { fill: #9198a1; }\n\
    line { stroke: #3d444d; }\n\
    .page { fill: #0d1117; }\n\
    .own { fill: #3fb68b; }\n\
    .baseline { fill: #6e7681; }\n\
    .peer { fill: #d29a5b; }\n\
    }\n\
    </style>\n";

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(label: &str, value: f64) -> Bar {
        Bar { label: label.to_owned(), value, color: Color::Own }
    }

    #[test]
    fn a_plot_is_well_formed_and_shows_each_value() {
        let svg = svg("title", " ms", &[bar("a < b & c", 8.0), bar("b", 3.0), bar("c", 400.0)]);
        for shown in ["a &lt; b &amp; c", "8.0 ms", "3.0 ms", "400 ms", "prefers-color-scheme: dark"] {
            assert!(svg.contains(shown), "{shown} in {svg}");
        }
        let mut open: Vec<&str> = Vec::new();
        for tag in svg.split('<').skip(1) {
            let (tag, _) = tag.split_once('>').unwrap();
            match tag.strip_prefix('/') {
                Some(closed) => assert_eq!(open.pop(), Some(closed)),
                None if tag.ends_with('/') => {}
                None => open.push(tag.split(' ').next().unwrap_or_default()),
            }
        }
        assert!(open.is_empty(), "{open:?}");
    }

    #[test]
    fn a_bar_ten_times_as_long_in_time_is_one_decade_longer() {
        let widths = |svg: &str| {
            let widths =
                svg.split("class=\"own\"").skip(1).filter_map(|rect| rect.split("width=\"").nth(1)?.split('"').next());
            widths.map(|width| width.parse::<f64>().unwrap()).collect::<Vec<_>>()
        };
        let widths = widths(&svg("t", "", &[bar("", 2.0), bar("", 20.0), bar("", 200.0)]));
        assert!((widths[2] - widths[1] - (widths[1] - widths[0])).abs() < 0.2, "{widths:?}");
        assert_eq!(svg("t", "", &[]), "");
    }
}
