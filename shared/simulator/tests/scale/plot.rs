//! Plots of what is counted, beside docs/performance.md.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

/// The size of a plot, and what is left for its words at the left, right, top and bottom.
const SIZE: (f64, f64) = (720.0, 360.0);
const EDGES: (f64, f64, f64, f64) = (60.0, 200.0, 40.0, 45.0);
/// Colors that can be told apart on white and on black.
const COLORS: [&str; 3] = ["#0072b2", "#d55e00", "#009e73"];

/// Holds a plot beside the page against what was counted, both axes logarithmic; with `BLESS=1` writes it there.
pub(crate) fn plot(name: &str, title: &str, axis: &str, series: &[(&str, Vec<(u64, u64)>)]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    let drawn = drawn(title, axis, series);
    if env::var_os("BLESS").is_some() {
        fs::write(&path, drawn).unwrap();
    } else {
        assert_eq!(fs::read_to_string(&path).unwrap(), drawn, "docs/{name} is not what is counted");
    }
}

fn drawn(title: &str, axis: &str, series: &[(&str, Vec<(u64, u64)>)]) -> String {
    let ((width, height), (left, right, top, bottom)) = (SIZE, EDGES);
    let log = |value: u64| f64::from(u32::try_from(value.max(1)).unwrap()).log10();
    let all = || series.iter().flat_map(|(_, points)| points);
    let (from, to) = all().fold((f64::MAX, f64::MIN), |(from, to), (x, _)| (from.min(log(*x)), to.max(log(*x))));
    let highest = all().map(|(_, y)| log(*y)).fold(0.0, f64::max).ceil();
    let x = |value: u64| left + (log(value) - from) / (to - from) * (width - left - right);
    let y = |value: f64| height - bottom - (value - 1.0) / (highest - 1.0) * (height - top - bottom);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <style>text{{fill:#555}}@media(prefers-color-scheme:dark){{text{{fill:#bbb}}}}</style>\n\
         <text x=\"{left}\" y=\"22\" font-size=\"15\">{title}</text>\n"
    );
    let mut power = 1.0;
    while power <= highest {
        let (at, label) = (y(power), 10_f64.powf(power));
        let _ = writeln!(
            svg,
            "<path d=\"M{left} {at:.1}H{:.1}\" stroke=\"#888\" stroke-opacity=\".4\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label:.0}</text>",
            width - right,
            left - 6.0,
            at + 4.0
        );
        power += 1.0;
    }
    for (value, _) in series.first().into_iter().flat_map(|(_, points)| points) {
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{value}</text>",
            x(*value),
            height - bottom + 18.0
        );
    }
    let _ = writeln!(svg, "<text x=\"{left}\" y=\"{:.1}\">{axis}</text>", height - 8.0);
    for ((name, points), color) in series.iter().zip(COLORS) {
        let line: Vec<String> =
            points.iter().map(|(at, value)| format!("{:.1},{:.1}", x(*at), y(log(*value)))).collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"2\"/>",
            line.join(" ")
        );
        if let Some((at, value)) = points.last() {
            let (at, value) = (x(*at) + 8.0, y(log(*value)) + 4.0);
            let _ = writeln!(svg, "<text x=\"{at:.1}\" y=\"{value:.1}\" style=\"fill:{color}\">{name}</text>");
        }
    }
    svg.push_str("</svg>\n");
    svg
}
