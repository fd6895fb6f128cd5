//! What was measured, in words and figures: for the terminal and for the docs.

mod costs;

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
    time::Duration,
};

use crate::{
    candidate::{Candidate, Function},
    costs::{Case, Use},
    cpu_limit::Memory,
    measure::{Figures, Spread},
    plot::Bars,
    schedule::{Cost, Model, Purges},
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

/// A figure that has a target.
struct Goal {
    name: String,
    value: f64,
    target: Target,
}

#[derive(Clone, Copy)]
enum Target {
    AtLeast(f64),
    AtMost(f64),
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, limit, met) = match self.target {
            Target::AtLeast(limit) => ("≥", limit, self.value >= limit),
            Target::AtMost(limit) => ("≤", limit, self.value <= limit),
        };
        let met = if met { "met" } else { "**missed**" };
        let Self { name, value, .. } = self;
        write!(f, "| {name} | {value:.2} | {sign} {limit} | {met} |")
    }
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

    /// A line for each ratio, `bench: <name> <ratio>`.
    pub fn ratios(&self) -> String {
        let ratios = self.goals().into_iter().filter(|g| g.name.contains('/'));
        let lines = ratios.map(|Goal { name, value, .. }| format!("bench: {name} {value:.2}\n"));
        lines.collect()
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

    fn targets(&self) -> String {
        let rows = self.goals().into_iter().map(|goal| format!("{goal}\n"));
        format!(
            "| figure | measured | target | |\n| --- | --- | --- | --- |\n{}",
            rows.collect::<String>()
        )
    }

    fn goals(&self) -> Vec<Goal> {
        let mut goals = Vec::new();
        let mut goal = |name: String, value, target| {
            goals.push(Goal {
                name,
                value,
                target,
            });
        };
        let cold = |candidate| self.unlimited[&candidate].cold.median;
        let limited = |candidate| {
            let figures = self.limited.get(&(DEPLOYED, candidate))?;
            Some(figures.cold.median)
        };
        for function in Function::ALL {
            let (name, ours) = (function.name(), Candidate::Product(function));
            for (peer, theirs, target, limited_target) in [
                ("python", Candidate::Python, 50.0, 180.0),
                ("node", Candidate::Node, 25.0, 100.0),
                ("sdk-defaults", Candidate::SdkDefaults(function), 7.0, 80.0),
            ] {
                goal(
                    format!("{name}/{peer}"),
                    ratio(cold(theirs), cold(ours)),
                    Target::AtLeast(target),
                );
                if let (Some(theirs), Some(ours)) = (limited(theirs), limited(ours)) {
                    goal(
                        format!("{name}@128MB/{peer}"),
                        ratio(theirs, ours),
                        Target::AtLeast(limited_target),
                    );
                }
            }
            let init = |candidate| self.unlimited[&candidate].init.median;
            goal(
                format!("{name}:init/hello-world"),
                ratio(init(ours), init(Candidate::HelloWorld)),
                Target::AtMost(2.2),
            );
            goal(
                format!("{name}: zip, MB"),
                megabytes(self.zips[&ours]),
                Target::AtMost(2.2),
            );
            goal(
                format!("{name}: peak memory, MiB"),
                mebibytes(self.unlimited[&ours].peak.median),
                Target::AtMost(8.0),
            );
        }
        let model = Model::new(Purges { slower: 1.0 });
        let schedule = model.ours();
        goal(
            "schedule: mean delay, seconds".to_owned(),
            schedule.delay,
            Target::AtMost(2.5),
        );
        goal(
            "schedule: mean looks".to_owned(),
            schedule.looks,
            Target::AtMost(3.0),
        );
        goal(
            "schedule:delay/bound".to_owned(),
            schedule.delay / model.bound().delay(schedule.looks),
            Target::AtMost(1.2),
        );
        let better = (1..=60).filter(|seconds| model.every(*seconds).beats(schedule));
        goal(
            "schedule: fixed intervals better in both, of 60".to_owned(),
            better.count() as f64,
            Target::AtMost(0.0),
        );
        goal(
            "transitions, 1 distribution, 20 s".to_owned(),
            self.costs[&Case::USUAL].transitions as f64,
            Target::AtMost(16.0),
        );
        goals
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
    for (purges, slower) in [
        ("as modelled", 1.0),
        ("twice as fast", 0.5),
        ("five times slower", 5.0),
    ] {
        let model = Model::new(Purges { slower });
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

fn ratio(of: Duration, to: Duration) -> f64 {
    of.as_secs_f64() / to.as_secs_f64()
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
