//! What was measured, in words and figures: for the terminal and for the docs.

mod costs;
mod targets;

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use crate::{
    candidate::{Candidate, Function},
    costs::{Case, Use},
    cpu_limit::Memory,
    measure::{Figures, Spread},
    plot::Bars,
    schedule::{Cost, Model, SUPPOSED},
};

/// The memory that the template gives each function.
pub const DEPLOYED: Memory = Memory(128);
/// The ones that it could be.
pub const MEMORIES: [Memory; 3] = [DEPLOYED, Memory(256), Memory(512)];
/// Fixed intervals that the table of schedules shows, in seconds.
const INTERVALS: [usize; 7] = [3, 5, 6, 7, 8, 10, 20];

/// All that was measured.
pub struct Measured {
    /// On which machine.
    pub machine: String,
    /// How many processes of each candidate.
    pub rounds: usize,
    /// The zips, in bytes.
    pub zips: BTreeMap<Candidate, u64>,
    /// With all of a processor.
    pub unlimited: BTreeMap<Candidate, Figures>,
    /// With the share that goes with a function's memory; empty where no limit could be set.
    pub limited: BTreeMap<(Memory, Candidate), Figures>,
    /// Deployments.
    pub costs: BTreeMap<Case, Use>,
}

impl Measured {
    /// All of it, in Markdown.
    pub fn text(&self) -> String {
        let mut text = format!(
            "<!-- Written by `make bench`. -->\n# Measured\n\nOn {}. Each candidate was started {} times, in rounds with the others, in another order in each; figures are medians, in brackets the quartiles.\n",
            self.machine, self.rounds
        );
        for (title, table) in [
            ("Cold starts", self.cold_starts()),
            ("Memory sizes", self.memories()),
            ("When to look again", schedules()),
            ("What a deployment costs", self.deployments()),
            ("Targets", self.targets()),
        ] {
            write!(text, "\n## {title}\n\n{table}").expect("a String takes all");
        }
        text
    }

    /// For the plot.
    pub fn bars(&self) -> Vec<Bars> {
        let shown = [Candidate::HelloWorld]
            .into_iter()
            .chain(Function::ALL.map(Candidate::Product))
            .chain([
                Candidate::SdkDefaults(Function::CreateInvalidation),
                Candidate::Node,
                Candidate::Python,
            ]);
        shown
            .map(|candidate| Bars {
                name: candidate.to_string(),
                ours: matches!(candidate, Candidate::Product(_)),
                milliseconds: [
                    self.unlimited.get(&candidate),
                    self.limited.get(&(DEPLOYED, candidate)),
                ]
                .map(|figures| figures.map(|figures| milliseconds(figures.cold.median))),
            })
            .collect()
    }

    fn cold_starts(&self) -> String {
        let mut text = "\
*init*: from exec to the first request for an event. *first*: the first invocation, with its AWS calls over TLS. *128 MB*: the
same, the processor limited after the initialization as a 128 MB function's. Times in milliseconds. Python's zip is its one file:
Lambda brings the SDK.

| | zip, MB | peak, MiB | init | first | init + first | warm | 128 MB: init + first | 128 MB: warm |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
"
        .to_owned();
        for (candidate, figures) in &self.unlimited {
            let zip = megabytes(self.zips[candidate]);
            let peak = mebibytes(figures.peak.median);
            let limited = self.limited.get(&(DEPLOYED, *candidate));
            let [cold, warm] = [
                limited.map(|figures| spread(figures.cold)),
                limited.map(|figures| spread(figures.warm)),
            ]
            .map(|cell| cell.unwrap_or_else(|| "–".to_owned()));
            writeln!(
                text,
                "| {candidate} | {zip:.2} | {peak:.1} | {} | {} | {} | {} | {cold} | {warm} |",
                spread(figures.init),
                spread(figures.first),
                spread(figures.cold),
                spread(figures.warm),
            )
            .expect("a String takes all");
        }
        if self.limited.is_empty() {
            text += "\nThe processor was not limited: that needs a control group, which only root may make.\n";
        }
        text
    }

    fn memories(&self) -> String {
        let mut text = format!(
            "\
A new process to its first answer in milliseconds, and what a million of them cost in Lambda's time, if AWS answers a call in
{} ms.

| |",
            costs::AWS_ANSWERS_IN.as_millis()
        );
        for memory in MEMORIES {
            write!(text, " {memory} | $ |").expect("a String takes all");
        }
        text += "\n| --- |";
        text += &" --- | --- |".repeat(MEMORIES.len());
        text += "\n";
        for function in Function::ALL {
            write!(text, "| {} |", function.name()).expect("a String takes all");
            for memory in MEMORIES {
                let key = (memory, Candidate::Product(function));
                let cell = self.limited.get(&key).map_or_else(
                    || " – | – |".to_owned(),
                    |figures| {
                        let billed = costs::billed(figures.cold.median, 1);
                        let price = 1e6 * costs::lambda_price(billed, memory);
                        format!(" {} | {price:.2} |", spread(figures.cold))
                    },
                );
                text += &cell;
            }
            text += "\n";
        }
        text
    }
}

fn schedules() -> String {
    let mut text = "\
Of the model in `tests/bench/src/schedule.rs`: the mean time from `Completed` to the look that sees it, in seconds, and the mean
number of looks. *bound*: no schedule that looks at whole seconds, as many times, has less delay.

| purges | schedule | delay | looks | bound |
| --- | --- | --- | --- | --- |
"
    .to_owned();
    for (purges, model) in SUPPOSED {
        let model = Model::new(model);
        let bound = model.bound();
        let mut row = |schedule: &str, Cost { delay, looks }| {
            let bound = bound.delay(looks);
            writeln!(
                text,
                "| {purges} | {schedule} | {delay:.2} | {looks:.2} | {bound:.2} |"
            )
            .expect("a String takes all");
        };
        row("**ours**", model.ours());
        for seconds in INTERVALS {
            row(&format!("every {seconds} s"), model.every(seconds));
        }
    }
    text
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn spread(times: Spread<Duration>) -> String {
    let [low, median, high] = [times.low, times.median, times.high].map(milliseconds);
    let digits = if median < 10.0 { 2 } else { 0 };
    format!("{median:.digits$} ({low:.digits$}–{high:.digits$})")
}
