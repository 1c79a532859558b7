//! The plot: bars on a logarithmic scale, readable on light and on dark pages.

use std::fmt::Write as _;

use crate::report::Report;

const WIDTH: f64 = 860.0;
const LEFT: f64 = 190.0;
const RIGHT: f64 = 90.0;
const TOP: f64 = 54.0;
const ROW: f64 = 26.0;
const BAR: f64 = 16.0;

/// A bar.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    /// What it is of.
    pub label: String,
    /// Its length, in milliseconds.
    pub value: f64,
    /// `floor`, `own` or `peer`.
    pub class: &'static str,
}

/// The bars of a report: each of ours and its floor, and the peers.
pub fn bars(report: &Report) -> Vec<Bar> {
    let mut bars = Vec::new();
    for case in &report.cases {
        let (own, floor) = (case.measured.tls.start, case.measured.floor.start);
        bars.push(Bar { label: case.id.clone(), value: own, class: "own" });
        bars.push(Bar { label: "its floor".to_owned(), value: floor, class: "floor" });
    }
    let peers = report.peers.iter();
    bars.extend(peers.map(|peer| Bar { label: peer.name.clone(), value: peer.figures.start, class: "peer" }));
    bars
}

/// An SVG of bars. Empty: there is nothing to be shown.
pub fn svg(title: &str, bars: &[Bar]) -> String {
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
        // A floor stands close below what it is the floor of.
        offset += if bar.class == "floor" { ROW - 6.0 } else { ROW };
        let (y, middle, end) = (offset - BAR, offset - BAR / 2.0 + 4.0, x(bar.value));
        let label = bar.label.replace('&', "&amp;").replace('<', "&lt;");
        let _ = writeln!(drawn, r#"<text class="label" x="{}" y="{middle:.1}">{label}</text>"#, LEFT - 8.0);
        let width = (end - LEFT).max(1.0);
        let class = bar.class;
        let _ = writeln!(
            drawn,
            r#"<rect class="{class}" x="{LEFT}" y="{y:.1}" width="{width:.1}" height="{BAR}" rx="2"/>"#
        );
        let value = if bar.value < 10.0 { format!("{:.1}", bar.value) } else { format!("{:.0}", bar.value) };
        let _ = writeln!(drawn, r#"<text x="{:.1}" y="{middle:.1}">{value} ms</text>"#, end + 6.0);
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
    .floor { fill: #8c959f; }\n\
    .peer { fill: #bc6c25; }\n\
    @media (prefers-color-scheme: dark) {\n\
    text { fill: #f0f6fc; }\n\
    .tick { fill: #9198a1; }\n\
    line { stroke: #3d444d; }\n\
    .page { fill: #0d1117; }\n\
    .own { fill: #3fb68b; }\n\
    .floor { fill: #6e7681; }\n\
    .peer { fill: #d29a5b; }\n\
    }\n\
    </style>\n";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing::report;

    #[test]
    fn every_candidate_has_a_bar() {
        let bars = bars(&report());
        let labels: Vec<(&str, &str)> = bars.iter().map(|bar| (bar.label.as_str(), bar.class)).collect();
        let expected = [("detector/one", "own"), ("its floor", "floor"), ("boto3", "peer"), ("custodian", "peer")];
        assert_eq!(labels, expected);
    }

    #[test]
    fn a_plot_is_well_formed_and_shows_each_value() {
        let mut bars = bars(&report());
        bars[0].label = "a < b & c".to_owned();
        let svg = svg("title", &bars);
        for shown in ["a &lt; b &amp; c", "8.0 ms", "3.0 ms", "400 ms", "prefers-color-scheme: dark"] {
            assert!(svg.contains(shown), "{shown} in {svg}");
        }
        let mut open: Vec<&str> = Vec::new();
        for tag in svg.split('<').skip(1) {
            let (tag, _) = tag.split_once('>').expect("a tag ends");
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
        let bar = |value: f64| Bar { label: String::new(), value, class: "own" };
        let widths = |svg: &str| {
            let widths =
                svg.split("class=\"own\"").skip(1).filter_map(|rect| rect.split("width=\"").nth(1)?.split('"').next());
            widths.map(|width| width.parse::<f64>().unwrap()).collect::<Vec<_>>()
        };
        let widths = widths(&svg("t", &[bar(2.0), bar(20.0), bar(200.0)]));
        assert!((widths[2] - widths[1] - (widths[1] - widths[0])).abs() < 0.2, "{widths:?}");
        assert_eq!(svg("t", &[]), "");
    }
}
