//! The picture of a run: latency over time as bands of percentiles, and its histogram; both on a logarithmic axis, as SVG.

use super::record::Recorder;
use super::report::{Report, time};
use hdrhistogram::Histogram;
use std::fmt::Write as _;
use std::time::Duration;

/// Size of the picture.
const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 640.0;
/// The panels' left and right edge.
const LEFT: f64 = 76.0;
const RIGHT: f64 = 940.0;
/// Panels: top and bottom.
const OVER_TIME: (f64, f64) = (104.0, 340.0);
const DISTRIBUTION: (f64, f64) = (412.0, 580.0);
/// Room above the bars for the names of percentiles.
const LABELS: f64 = 56.0;
/// Bars of the histogram for each power of ten.
const BARS: f64 = 20.0;

/// Percentiles drawn, from the highest down: the band up to it, and its name.
const BANDS: [(f64, &str, &str); 4] =
    [(0.999, "#f6c9a8", "p99.9"), (0.99, "#ec9a63", "p99"), (0.9, "#7fb2d9", "p90"), (0.5, "#1f5f99", "p50")];

/// Draws a run.
pub fn draw(report: &Report, record: &Recorder) -> String {
    let axis = Axis::over(record);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" \
         font-family=\"system-ui, sans-serif\" font-size=\"13\" fill=\"#222\"><rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    let load = &report.load;
    text(&mut svg, (LEFT, 28.0), "font-size=\"17\" font-weight=\"600\"", &title(&report.measured));
    let line = format!(
        "{:.0} a second · {} loop, {} connections · {} × {} · countersign {}",
        report.requests.per_second, load.kind, load.connections, report.machine.cores, report.machine.cpu, report.machine.version
    );
    text(&mut svg, (LEFT, 48.0), "fill=\"#555\"", &line);
    over_time(&mut svg, &axis, &record.intervals, record.every());
    distribution(&mut svg, &axis, &record.times);
    svg.push_str("</svg>\n");
    svg
}

/// The latency axis: whole powers of ten around everything that happened, in microseconds.
struct Axis {
    low: f64,
    high: f64,
}

impl Axis {
    fn over(record: &Recorder) -> Self {
        let low = (record.times.min().max(1) as f64).log10().floor();
        let high = (record.times.max().max(10) as f64).log10().ceil();
        Self { low, high: high.max(low + 2.0) }
    }

    /// 0 to 1.
    fn place(&self, us: u64) -> f64 {
        (((us.max(1) as f64).log10() - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }

    fn ticks(&self) -> impl Iterator<Item = u64> {
        (self.low as i32..=self.high as i32).map(|it| 10_f64.powi(it) as u64)
    }
}

fn over_time(svg: &mut String, axis: &Axis, intervals: &[Histogram<u64>], every: Duration) {
    let (top, bottom) = OVER_TIME;
    let height = |us: u64| bottom - axis.place(us) * (bottom - top);
    // The last interval is cut off by the end, so what it shows is chance.
    let whole = &intervals[..intervals.len().saturating_sub(1).max(1).min(intervals.len())];
    let wide = (RIGHT - LEFT) / whole.len().max(1) as f64;
    text(svg, (LEFT, top - 24.0), "font-weight=\"600\"", "Latency over time");
    for (at, (quantile, colour, name)) in BANDS.into_iter().enumerate() {
        let mut path = format!("M{LEFT:.1} {bottom:.1}");
        for (index, times) in whole.iter().enumerate() {
            let (from, y) = (LEFT + index as f64 * wide, height(times.value_at_quantile(quantile)));
            // Writing into a String can't fail, here and below.
            let _ = write!(path, "L{from:.1} {y:.1}H{:.1}", from + wide);
        }
        let _ = writeln!(svg, "<path d=\"{path}V{bottom:.1}Z\" fill=\"{colour}\"/>");
        let x = RIGHT - 260.0 + 66.0 * at as f64;
        let _ = writeln!(svg, "<rect x=\"{x:.1}\" y=\"{:.1}\" width=\"12\" height=\"12\" fill=\"{colour}\"/>", top - 35.0);
        text(svg, (x + 17.0, top - 24.0), "", name);
    }
    for us in axis.ticks() {
        rule(svg, (LEFT, height(us)), (RIGHT, height(us)));
        text(svg, (LEFT - 8.0, height(us) + 4.0), "text-anchor=\"end\"", &tick(us));
    }
    let seconds = every.as_secs_f64() * whole.len() as f64;
    for it in 0..=6 {
        let x = LEFT + (RIGHT - LEFT) * f64::from(it) / 6.0;
        text(svg, (x, bottom + 20.0), "text-anchor=\"middle\"", &format!("{:.1} s", seconds * f64::from(it) / 6.0));
    }
}

fn distribution(svg: &mut String, axis: &Axis, times: &Histogram<u64>) {
    let (top, bottom) = DISTRIBUTION;
    let at = |us: u64| LEFT + axis.place(us) * (RIGHT - LEFT);
    let bars = ((axis.high - axis.low) * BARS) as usize;
    let edge = |it: usize| 10_f64.powf(axis.low + it as f64 / BARS) as u64;
    let count = |it: usize| times.count_between(edge(it), edge(it + 1).saturating_sub(1).max(edge(it)));
    let counts: Vec<u64> = (0..bars).map(count).collect();
    let most = counts.iter().copied().max().unwrap_or(1).max(1) as f64;
    text(svg, (LEFT, top - 24.0), "font-weight=\"600\"", "How many took how long");
    for (index, count) in counts.iter().enumerate().filter(|it| *it.1 > 0) {
        let (from, to) = (at(edge(index).max(1)), at(edge(index + 1)));
        let high = (*count as f64 / most * (bottom - top - LABELS)).max(1.0);
        let (x, y, wide) = (from, bottom - high, (to - from - 1.0).max(1.0));
        let _ = writeln!(svg, "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{wide:.1}\" height=\"{high:.1}\" fill=\"#7fb2d9\"/>");
    }
    rule(svg, (LEFT, bottom), (RIGHT, bottom));
    for us in axis.ticks() {
        rule(svg, (at(us), bottom), (at(us), bottom + 5.0));
        text(svg, (at(us), bottom + 20.0), "text-anchor=\"middle\"", &tick(us));
    }
    for (row, (quantile, _, name)) in BANDS.into_iter().rev().enumerate() {
        let us = times.value_at_quantile(quantile);
        let (x, y) = (at(us), top + 14.0 * row as f64);
        let _ = writeln!(svg, "<path d=\"M{x:.1} {bottom:.1}V{:.1}\" stroke=\"#b3261e\" stroke-dasharray=\"3 3\"/>", y - 4.0);
        // Beside its line, on the side where there is room.
        let (x, anchor) = if x > RIGHT - 130.0 { (x - 5.0, "text-anchor=\"end\"") } else { (x + 5.0, "") };
        text(svg, (x, y + 4.0), anchor, &format!("{name} {}", time(us)));
    }
    text(
        svg,
        (LEFT, HEIGHT - 16.0),
        "fill=\"#555\"",
        "Logarithmic axes of latency. Each band reaches up to its percentile within its interval.",
    );
}

fn text(svg: &mut String, (x, y): (f64, f64), style: &str, text: &str) {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" {style}>{text}</text>");
}

fn rule(svg: &mut String, (x, y): (f64, f64), (to_x, to_y): (f64, f64)) {
    let _ = writeln!(svg, "<path d=\"M{x:.1} {y:.1}L{to_x:.1} {to_y:.1}\" stroke=\"#888\" stroke-opacity=\"0.45\"/>");
}

fn tick(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..1_000_000 => format!("{} ms", us / 1_000),
        _ => format!("{} s", us / 1_000_000),
    }
}

/// The first words: the rest stands in the report.
fn title(measured: &str) -> String {
    let end = measured.find([':', ',']).unwrap_or(measured.len());
    format!("Countersign: {}", &measured[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round() {
        assert_eq!([1, 100, 1_000, 10_000, 1_000_000].map(tick), ["1 µs", "100 µs", "1 ms", "10 ms", "1 s"]);
        assert_eq!(title("accept path: from here"), "Countersign: accept path");
    }
}
