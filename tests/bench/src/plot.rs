//! The plots of the docs.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::{
    coord::Shift,
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use crate::schedule::{Model, SUPPOSED};

const OURS: RGBColor = RGBColor(0xC2, 0x4A, 0x10);
const OTHERS: RGBColor = RGBColor(0x5B, 0x6B, 0x7B);
const FONT: &str = "sans-serif";

type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// A row of [`cold_starts`].
pub struct Bars {
    /// Whose.
    pub name: String,
    /// Whether it is the product's.
    pub ours: bool,
    /// Milliseconds, with all of a processor and with the share of 128 MB.
    pub milliseconds: [Option<f64>; 2],
}

/// Draws how long a new process takes to its first answer, on a logarithmic scale.
///
/// # Errors
/// When the file cannot be written.
pub fn cold_starts(file: &Path, rows: &[Bars]) -> Result<()> {
    const ROW: u32 = 46;
    let height = 70 + ROW * u32::try_from(rows.len())?;
    draw(file, (860, height), |canvas| {
        canvas.draw(&Text::new(
            "From process start to the first answer, in milliseconds (logarithmic)",
            (16, 14),
            (FONT, 17).into_font(),
        ))?;
        let (from, to) = (1.0_f64.ln(), 3000.0_f64.ln());
        #[expect(clippy::cast_possible_truncation, reason = "pixels")]
        let x = |milliseconds: f64| 250 + ((milliseconds.ln() - from) / (to - from) * 540.0) as i32;
        let bottom = i32::try_from(height)? - 26;
        for tick in [1.0, 10.0, 100.0, 1000.0] {
            let line = vec![(x(tick), 46), (x(tick), bottom)];
            canvas.draw(&PathElement::new(line, BLACK.mix(0.15)))?;
            let style = (FONT, 12).into_font().color(&OTHERS);
            let style = style.pos(Pos::new(HPos::Center, VPos::Top));
            canvas.draw(&Text::new(tick.to_string(), (x(tick), bottom + 6), style))?;
        }
        for (row, top) in rows.iter().zip((52..).step_by(ROW as usize)) {
            let color = if row.ours { OURS } else { OTHERS };
            let style = (FONT, 14).into_font().color(&BLACK);
            let style = style.pos(Pos::new(HPos::Right, VPos::Center));
            canvas.draw(&Text::new(row.name.as_str(), (238, top + 17), style))?;
            let shades = [color.filled(), color.mix(0.45).filled()];
            let labels = ["", " at 128 MB"];
            for (bar, milliseconds) in row.milliseconds.into_iter().enumerate() {
                let Some(milliseconds) = milliseconds else {
                    continue;
                };
                let top = top + 18 * i32::try_from(bar)?;
                let corners = [(x(1.0), top), (x(milliseconds), top + 15)];
                canvas.draw(&Rectangle::new(corners, shades[bar]))?;
                let digits = usize::from(milliseconds < 10.0);
                let label = format!("{milliseconds:.digits$}{}", labels[bar]);
                let style = (FONT, 12).into_font().color(&BLACK);
                let style = style.pos(Pos::new(HPos::Left, VPos::Center));
                canvas.draw(&Text::new(label, (x(milliseconds) + 5, top + 8), style))?;
            }
        }
        Ok(())
    })
}

/// Seconds that [`schedules`] has room for.
const MOST_DELAY: f64 = 8.0;
/// The fixed intervals whose points it names, in seconds.
const LABELLED: [usize; 6] = [3, 4, 5, 7, 9, 15];

/// Draws looks against delay: ours, fixed intervals, and the bound; for the model, and for purges that are otherwise.
///
/// # Errors
/// When the file cannot be written.
pub fn schedules(file: &Path) -> Result<()> {
    const MOST_LOOKS: [f64; 3] = [7.0, 4.0, 23.0];
    draw(file, (1080, 380), |canvas| {
        let areas = canvas.split_evenly((1, MOST_LOOKS.len()));
        for ((area, most_looks), (purges, model)) in areas.iter().zip(MOST_LOOKS).zip(SUPPOSED) {
            let model = Model::new(model);
            let bound = model.bound();
            let mut chart = ChartBuilder::on(area)
                .caption(format!("purges {purges}"), (FONT, 16))
                .margin(10)
                .x_label_area_size(36)
                .y_label_area_size(40)
                .build_cartesian_2d(1.0..most_looks, 0.0..MOST_DELAY)?;
            chart
                .configure_mesh()
                .disable_mesh()
                .x_desc("looks, mean")
                .y_desc("seconds from Completed to the look that sees it, mean")
                .label_style((FONT, 12))
                .draw()?;
            let looks = (0..=200).map(|step| 1.0 + (most_looks - 1.0) * f64::from(step) / 200.0);
            let best = looks.map(|looks| (looks, bound.delay(looks)));
            let shown = best.filter(|(_, delay)| *delay < MOST_DELAY);
            chart.draw_series(LineSeries::new(shown, BLACK.mix(0.5)))?;
            for seconds in 1..=20 {
                let cost = model.every(seconds);
                if cost.looks > most_looks || cost.delay > MOST_DELAY {
                    continue;
                }
                let at = (cost.looks, cost.delay);
                chart.draw_series([Circle::new(at, 3, OTHERS.filled())])?;
                if LABELLED.contains(&seconds) {
                    let label = format!("every {seconds} s");
                    let style = (FONT, 12).into_font().color(&OTHERS);
                    chart.draw_series([EmptyElement::at(at) + Text::new(label, (7, -6), style)])?;
                }
            }
            let ours = model.ours();
            let at = (ours.looks, ours.delay);
            chart.draw_series([EmptyElement::at(at)
                + Circle::new((0, 0), 6, OURS.filled())
                + Text::new("ours", (9, -4), (FONT, 14).into_font().color(&OURS))])?;
            let below = (1.0 + (most_looks - 1.0) * 0.3, 0.5);
            let style = (FONT, 12).into_font().color(&BLACK);
            chart.draw_series([Text::new("the bound: no schedule is below", below, style)])?;
        }
        Ok(())
    })
}

fn draw(
    file: &Path,
    size: (u32, u32),
    content: impl FnOnce(&Canvas<'_>) -> Result<()>,
) -> Result<()> {
    let canvas = SVGBackend::new(file, size).into_drawing_area();
    canvas.fill(&WHITE)?;
    content(&canvas)?;
    canvas
        .present()
        .map_err(|error| anyhow!("{}: {error}", file.display()))
}
