//! The measurements as text: for the terminal and for the docs.

mod costs;
mod targets;

use std::{collections::BTreeMap, time::Duration};

use strum::VariantArray;

use crate::{
    candidate::{Candidate, Function},
    costs::{Case, Usage},
    cpu_limit::Memory,
    measure::{Run, Sample, quartiles},
    plot::Bars,
    schedule::{Cost, Model, SCENARIOS},
};

/// The memory that the template gives each function.
pub const DEPLOYED: Memory = Memory(128);
pub const MEMORIES: [Memory; 3] = [DEPLOYED, Memory(256), Memory(512)];
/// The fixed intervals in the table of schedules, in seconds.
const INTERVALS: [usize; 7] = [3, 5, 6, 7, 8, 10, 20];

/// All measurements.
pub struct Measured {
    pub machine: String,
    /// Processes of each candidate.
    pub rounds: usize,
    /// Bytes.
    pub zips: BTreeMap<Candidate, u64>,
    /// With all of a processor, and with the shares that come with memory sizes if they could be set.
    pub samples: BTreeMap<Run, Vec<Sample>>,
    pub usage: BTreeMap<Case, Usage>,
}

impl Measured {
    /// All of it in Markdown.
    pub fn text(&self) -> String {
        let introduction = format!(
            "<!-- Written by `make bench`. -->\n# Measured\n\nOn {}. Each candidate was started {} times, in rounds with the others, in another order in each; figures are medians, in brackets the quartiles.\n",
            self.machine, self.rounds
        );
        let sections = [
            ("Cold starts", self.cold_starts()),
            ("Memory sizes", self.memories()),
            ("When to check again", schedules()),
            ("What a deployment costs", self.deployments()),
            ("Targets", self.targets_table()),
        ]
        .map(|(title, content)| format!("\n## {title}\n\n{content}"));
        introduction + &sections.concat()
    }

    /// For the plot of cold starts.
    pub fn bars(&self) -> Vec<Bars> {
        let defaults = Candidate::SdkDefaults(Function::CreateInvalidation);
        let mut shown = Candidate::all();
        shown.retain(|candidate| {
            !matches!(candidate, Candidate::SdkDefaults(_)) || *candidate == defaults
        });
        let bars = shown.into_iter().map(|candidate| Bars {
            name: candidate.to_string(),
            ours: matches!(candidate, Candidate::Product(_)),
            milliseconds: [None, Some(DEPLOYED)].map(|memory| {
                let cold = self.median((candidate, memory), Sample::cold)?;
                Some(milliseconds(cold))
            }),
        });
        bars.collect()
    }

    fn quartiles<T: Copy + Ord>(&self, run: Run, value: fn(&Sample) -> T) -> Option<[T; 3]> {
        Some(quartiles(self.samples.get(&run)?.iter().map(value)))
    }

    fn median<T: Copy + Ord>(&self, run: Run, value: fn(&Sample) -> T) -> Option<T> {
        self.quartiles(run, value).map(|[_, median, _]| median)
    }

    fn cell(&self, run: Run, value: fn(&Sample) -> Duration) -> String {
        let Some(quartiles) = self.quartiles(run, value) else {
            return "–".to_owned();
        };
        let [low, median, high] = quartiles.map(milliseconds);
        let digits = if median < 10.0 { 2 } else { 0 };
        format!("{median:.digits$} ({low:.digits$}–{high:.digits$})")
    }

    fn is_limited(&self) -> bool {
        self.samples.keys().any(|(_, memory)| memory.is_some())
    }

    fn cold_starts(&self) -> String {
        let rows = self.zips.iter().map(|(&candidate, &zip)| {
            let cell = |memory, value| self.cell((candidate, memory), value);
            let peak = self.median((candidate, None), |sample| sample.peak);
            format!(
                "| {candidate} | {:.2} | {:.1} | {} | {} | {} | {} | {} | {} |",
                megabytes(zip),
                mebibytes(peak.unwrap_or_default()),
                cell(None, |sample| sample.init),
                cell(None, |sample| sample.first),
                cell(None, Sample::cold),
                cell(None, |sample| sample.warm),
                cell(Some(DEPLOYED), Sample::cold),
                cell(Some(DEPLOYED), |sample| sample.warm),
            )
        });
        let header = "\
*init*: from exec to the first request for an event. *first*: the first invocation, with its AWS calls over TLS. *128 MB*: the
same, the processor limited after the initialization as a 128 MB function's. Times in milliseconds. Python's zip is its one file:
Lambda provides the SDK.

| | zip, MB | peak, MiB | init | first | init + first | warm | 128 MB: init + first | 128 MB: warm |";
        let table = table(header, rows);
        if self.is_limited() {
            return table;
        }
        table
            + "\nThe processor was not limited: that needs a control group, which only root can create.\n"
    }

    fn memories(&self) -> String {
        let columns = MEMORIES.map(|memory| format!(" {memory} | $ |")).concat();
        let header = format!(
            "\
From the start of a process to its first response in milliseconds, and what a million of these cost in Lambda's time, if AWS
responds to a call in {} ms.

| |{columns}",
            costs::AWS_RESPONSE_TIME.as_millis()
        );
        let rows = Function::VARIANTS.iter().map(|&function| {
            let cells = MEMORIES.map(|memory| {
                let run = (Candidate::Product(function), Some(memory));
                let price = self
                    .median(run, Sample::cold)
                    .map_or("–".to_owned(), |cold| {
                        let price = 1e6 * costs::lambda_price(costs::billed(cold, 1), memory);
                        format!("{price:.2}")
                    });
                format!(" {} | {price} |", self.cell(run, Sample::cold))
            });
            format!("| {function} |{}", cells.concat())
        });
        table(&header, rows)
    }
}

fn schedules() -> String {
    let mut rows = Vec::new();
    for (scenario, slower) in SCENARIOS {
        let model = Model::new(slower);
        let bound = model.bound();
        let mut row = |schedule: &str, Cost { delay, checks }| {
            let bound = bound.delay(checks);
            let costs = format!("{delay:.2} | {checks:.2} | {bound:.2}");
            rows.push(format!("| {scenario} | {schedule} | {costs} |"));
        };
        row("**ours**", model.ours());
        for seconds in INTERVALS {
            row(&format!("every {seconds} s"), model.every(seconds));
        }
    }
    let header = "\
According to the model in `tests/bench/src/schedule.rs`: the mean time from `Completed` to the status check that finds it, in
seconds, and the mean number of status checks. *bound*: no schedule with as many checks, at whole seconds, has less delay.

| invalidations | schedule | delay | checks | bound |";
    table(header, rows)
}

/// A Markdown table. The header's last line is its first row.
fn table(header: &str, rows: impl IntoIterator<Item = String>) -> String {
    let columns = header.lines().last().unwrap_or_default();
    let separator = "| --- ".repeat(columns.matches('|').count() - 1) + "|";
    let lines = [header.to_owned(), separator].into_iter().chain(rows);
    lines.map(|line| line + "\n").collect()
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
