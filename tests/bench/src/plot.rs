//! The plots of the docs.

use std::path::Path;

use anyhow::Result;
use plotters::{
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use crate::schedule::{Model, SCENARIOS};

const OURS: RGBColor = RGBColor(0xC2, 0x4A, 0x10);
const OTHERS: RGBColor = RGBColor(0x5B, 0x6B, 0x7B);

/// A row of [`cold_starts`].
pub struct Bars {
    pub name: String,
    pub ours: bool,
    /// With all of a processor, and with the share of 128 MB.
    pub milliseconds: [Option<f64>; 2],
}

/// Draws the time from the start of a process to its first response, on a logarithmic scale.
pub fn cold_starts(file: &Path, rows: &[Bars]) -> Result<()> {
    const ROW: u32 = 46;
    let height = 70 + ROW * u32::try_from(rows.len())?;
    let canvas = SVGBackend::new(file, (860, height)).into_drawing_area();
    canvas.fill(&WHITE)?;
    let write = |text: &str, at, size: u32, color: RGBColor, horizontal, vertical| {
        let style = text_style(size, color).pos(Pos::new(horizontal, vertical));
        canvas.draw(&Text::new(text.to_owned(), at, style))
    };
    let title = "From process start to the first response, in milliseconds (logarithmic)";
    write(title, (16, 14), 17, BLACK, HPos::Left, VPos::Top)?;
    let (from, to) = (1.0_f64.ln(), 3000.0_f64.ln());
    #[expect(clippy::cast_possible_truncation, reason = "pixels")]
    let x = |milliseconds: f64| 250 + ((milliseconds.ln() - from) / (to - from) * 540.0) as i32;
    let bottom = i32::try_from(height)? - 26;
    for tick in [1.0, 10.0, 100.0, 1000.0] {
        let line = vec![(x(tick), 46), (x(tick), bottom)];
        canvas.draw(&PathElement::new(line, BLACK.mix(0.15)))?;
        let at = (x(tick), bottom + 6);
        write(&tick.to_string(), at, 12, OTHERS, HPos::Center, VPos::Top)?;
    }
    for (row, top) in rows.iter().zip((52..).step_by(ROW as usize)) {
        let color = if row.ours { OURS } else { OTHERS };
        let at = (238, top + 17);
        write(&row.name, at, 14, BLACK, HPos::Right, VPos::Center)?;
        let bars = [
            (top, color.filled(), ""),
            (top + 18, color.mix(0.45).filled(), " at 128 MB"),
        ];
        for ((top, shade, label), milliseconds) in bars.into_iter().zip(row.milliseconds) {
            let Some(milliseconds) = milliseconds else {
                continue;
            };
            let corners = [(x(1.0), top), (x(milliseconds), top + 15)];
            canvas.draw(&Rectangle::new(corners, shade))?;
            let digits = usize::from(milliseconds < 10.0);
            let label = format!("{milliseconds:.digits$}{label}");
            let at = (x(milliseconds) + 5, top + 8);
            write(&label, at, 12, BLACK, HPos::Left, VPos::Center)?;
        }
    }
    canvas.present()?;
    Ok(())
}

/// The largest delay in [`schedules`], in seconds.
const MAX_DELAY: f64 = 8.0;
/// The most status checks in each part of [`schedules`].
const MAX_CHECKS: [f64; 3] = [7.0, 4.0, 23.0];
/// The fixed intervals with a label, in seconds.
const LABELLED: [usize; 6] = [3, 4, 5, 7, 9, 15];

/// Draws status checks and delay of our schedule, of fixed intervals, and of the bound, in each scenario.
pub fn schedules(file: &Path) -> Result<()> {
    let canvas = SVGBackend::new(file, (1080, 380)).into_drawing_area();
    canvas.fill(&WHITE)?;
    let areas = canvas.split_evenly((1, MAX_CHECKS.len()));
    for ((area, max_checks), (scenario, slower)) in areas.iter().zip(MAX_CHECKS).zip(SCENARIOS) {
        let model = Model::new(slower);
        let bound = model.bound();
        let mut chart = ChartBuilder::on(area)
            .caption(format!("invalidations {scenario}"), ("sans-serif", 16))
            .margin(10)
            .x_label_area_size(36)
            .y_label_area_size(40)
            .build_cartesian_2d(1.0..max_checks, 0.0..MAX_DELAY)?;
        chart
            .configure_mesh()
            .disable_mesh()
            .x_desc("status checks, mean")
            .y_desc("seconds from Completed to the check that finds it, mean")
            .label_style(("sans-serif", 12))
            .draw()?;
        let checks = (0..=200).map(|step| 1.0 + (max_checks - 1.0) * f64::from(step) / 200.0);
        let points = checks.map(|checks| (checks, bound(checks)));
        let shown = points.filter(|(_, delay)| *delay < MAX_DELAY);
        chart.draw_series(LineSeries::new(shown, BLACK.mix(0.5)))?;
        for seconds in 1..=20 {
            let cost = model.every(seconds);
            if cost.checks > max_checks || cost.delay > MAX_DELAY {
                continue;
            }
            let at = (cost.checks, cost.delay);
            chart.draw_series([Circle::new(at, 3, OTHERS.filled())])?;
            if LABELLED.contains(&seconds) {
                let label = format!("every {seconds} s");
                let label = Text::new(label, (7, -6), text_style(12, OTHERS));
                chart.draw_series([EmptyElement::at(at) + label])?;
            }
        }
        let ours = model.ours();
        chart.draw_series([EmptyElement::at((ours.checks, ours.delay))
            + Circle::new((0, 0), 6, OURS.filled())
            + Text::new("ours", (9, -4), text_style(14, OURS))])?;
        let below = (1.0 + (max_checks - 1.0) * 0.3, 0.5);
        let label = "the bound: no schedule is below";
        chart.draw_series([Text::new(label, below, text_style(12, BLACK))])?;
    }
    canvas.present()?;
    Ok(())
}

fn text_style(size: u32, color: RGBColor) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&color)
}
