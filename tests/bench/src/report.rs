//! The measurements as text, for the terminal and for the docs, and the targets they should meet.

mod costs;

use std::collections::BTreeMap;

use strum::VariantArray;

use self::Limit::{AtLeast, AtMost};
use crate::{
    ROUNDS,
    candidate::{Candidate, Function},
    costs::{Case, Usage},
    cpu_limit::Memory,
    measure::{Run, Sample, quartiles},
    plot::Bars,
    schedule::{Cost, Model, SCENARIOS},
};

/// The memory that the template gives each function.
pub const DEPLOYED: Memory = 128;
pub const MEMORIES: [Memory; 3] = [DEPLOYED, 256, 512];
/// The fixed intervals in the table of schedules, in seconds.
const INTERVALS: [usize; 7] = [3, 5, 6, 7, 8, 10, 20];

/// Its name, the measured value, and the limit.
type Target = (String, f64, Limit);

enum Limit {
    AtLeast(f64),
    AtMost(f64),
}

/// All measurements.
pub struct Measured {
    pub machine: String,
    /// In MB.
    pub zips: BTreeMap<Candidate, f64>,
    /// With all of a processor, and with the shares that come with memory sizes if they could be set.
    pub samples: BTreeMap<Run, Vec<Sample>>,
    pub usage: BTreeMap<Case, Usage>,
}

impl Measured {
    /// All of it in Markdown.
    pub fn text(&self) -> String {
        let introduction = format!(
            "<!-- Written by `make bench`. -->\n# Measured\n\nOn {}. Each candidate was started {} times, in rounds with the others, in another order in each; figures are medians, in brackets the quartiles.\n",
            self.machine, ROUNDS
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
        let mut shown = Candidate::all();
        shown.retain(|candidate| match candidate {
            Candidate::SdkDefaults(function) => *function == Function::CreateInvalidation,
            _ => true,
        });
        let bars = shown.into_iter().map(|candidate| Bars {
            name: candidate.to_string(),
            ours: matches!(candidate, Candidate::Product(_)),
            milliseconds: [None, Some(DEPLOYED)]
                .map(|memory| self.median((candidate, memory), Sample::cold)),
        });
        bars.collect()
    }

    fn quartiles(&self, run: Run, value: fn(&Sample) -> f64) -> Option<[f64; 3]> {
        Some(quartiles(self.samples.get(&run)?.iter().map(value)))
    }

    fn median(&self, run: Run, value: fn(&Sample) -> f64) -> Option<f64> {
        self.quartiles(run, value).map(|[_, median, _]| median)
    }

    fn cell(&self, run: Run, value: fn(&Sample) -> f64) -> String {
        let Some([low, median, high]) = self.quartiles(run, value) else {
            return "–".to_owned();
        };
        let digits = if median < 10.0 { 2 } else { 0 };
        format!("{median:.digits$} ({low:.digits$}–{high:.digits$})")
    }

    fn is_limited(&self) -> bool {
        self.samples.keys().any(|(_, memory)| memory.is_some())
    }

    fn cold_starts(&self) -> String {
        let rows = self.zips.iter().map(|(&candidate, zip)| {
            let cell = |memory, value| self.cell((candidate, memory), value);
            let peak = self.median((candidate, None), |sample| sample.peak);
            let peak = peak.unwrap_or_default();
            format!(
                "| {candidate} | {zip:.2} | {peak:.1} | {} | {} | {} | {} | {} | {} |",
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
        let columns = MEMORIES
            .map(|memory| format!(" {memory} MB | $ |"))
            .concat();
        let header = format!(
            "\
From the start of a process to its first response in milliseconds, and what a million of these cost in Lambda's time, if AWS
responds to a call in {} ms.

| |{columns}",
            costs::AWS_MILLISECONDS
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

    /// A line for each ratio, `bench: <name> <ratio>`.
    pub fn ratios(&self) -> String {
        let targets = self.targets().into_iter();
        let ratios = targets.filter(|(name, ..)| name.contains('/'));
        let lines = ratios.map(|(name, ratio, _)| format!("bench: {name} {ratio:.2}\n"));
        lines.collect()
    }

    fn targets_table(&self) -> String {
        let rows = self.targets().into_iter().map(|(name, value, limit)| {
            let (limit, is_met) = match limit {
                AtLeast(limit) => (format!("≥ {limit}"), value >= limit),
                AtMost(limit) => (format!("≤ {limit}"), value <= limit),
            };
            let result = if is_met { "met" } else { "**missed**" };
            format!("| {name} | {value:.2} | {limit} | {result} |")
        });
        table("| figure | measured | target | |", rows)
    }

    fn targets(&self) -> Vec<Target> {
        let mut targets = Vec::new();
        let mut add = |name: String, value, limit| targets.push((name, value, limit));
        for &function in Function::VARIANTS {
            let ours = Candidate::Product(function);
            for (peer, theirs, unlimited, limited) in [
                ("python", Candidate::Python, 50.0, 180.0),
                ("node", Candidate::Node, 25.0, 100.0),
                ("sdk-defaults", Candidate::SdkDefaults(function), 7.0, 80.0),
            ] {
                for (at, memory, limit) in
                    [("", None, unlimited), ("@128MB", Some(DEPLOYED), limited)]
                {
                    let cold = |candidate| self.median((candidate, memory), Sample::cold);
                    if let (Some(theirs), Some(ours)) = (cold(theirs), cold(ours)) {
                        let name = format!("{function}{at}/{peer}");
                        add(name, theirs / ours, AtLeast(limit));
                    }
                }
            }
            let init = |candidate| self.median((candidate, None), |sample| sample.init);
            if let (Some(ours), Some(floor)) = (init(ours), init(Candidate::HelloWorld)) {
                let name = format!("{function}:init/hello-world");
                add(name, ours / floor, AtMost(2.2));
            }
            add(
                format!("{function}: zip, MB"),
                self.zips[&ours],
                AtMost(2.2),
            );
            if let Some(peak) = self.median((ours, None), |sample| sample.peak) {
                add(format!("{function}: peak memory, MiB"), peak, AtMost(8.0));
            }
        }
        let model = Model::new(1.0);
        let ours = model.ours();
        let bound = model.bound()(ours.checks);
        let better = model.better_intervals().len() as f64;
        let transitions = self.usage[&Case::USUAL].transitions as f64;
        for (name, value, limit) in [
            ("schedule: mean delay, seconds", ours.delay, 2.5),
            ("schedule: mean status checks", ours.checks, 3.0),
            ("schedule:delay/bound", ours.delay / bound, 1.2),
            (
                "schedule: fixed intervals better in both, of 60",
                better,
                0.0,
            ),
            ("transitions, 1 distribution, 20 s", transitions, 16.0),
        ] {
            add(name.to_owned(), value, AtMost(limit));
        }
        targets
    }
}

fn schedules() -> String {
    let mut rows = Vec::new();
    for (scenario, slower) in SCENARIOS {
        let model = Model::new(slower);
        let bound = model.bound();
        let mut row = |schedule: &str, Cost { delay, checks }| {
            let bound = bound(checks);
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
