//! The figures that have a target, and whether they meet it.

use std::time::Duration;

use strum::VariantArray;

use self::Limit::{AtLeast, AtMost};
use super::{DEPLOYED, Measured, mebibytes, megabytes, table};
use crate::{
    candidate::{Candidate, Function},
    costs::Case,
    measure::Sample,
    schedule::Model,
};

struct Target {
    name: String,
    value: f64,
    limit: Limit,
}

#[derive(Clone, Copy)]
enum Limit {
    AtLeast(f64),
    AtMost(f64),
}

impl Measured {
    /// A line for each ratio, `bench: <name> <ratio>`.
    pub fn ratios(&self) -> String {
        let targets = self.targets().into_iter();
        targets
            .filter(|target| target.name.contains('/'))
            .map(|Target { name, value, .. }| format!("bench: {name} {value:.2}\n"))
            .collect()
    }

    pub(super) fn targets_table(&self) -> String {
        let rows = self.targets().into_iter().map(|target| {
            let Target { name, value, limit } = target;
            let (sign, limit, is_met) = match limit {
                AtLeast(limit) => ("≥", limit, value >= limit),
                AtMost(limit) => ("≤", limit, value <= limit),
            };
            let result = if is_met { "met" } else { "**missed**" };
            format!("| {name} | {value:.2} | {sign} {limit} | {result} |")
        });
        table("| figure | measured | target | |", rows)
    }

    fn targets(&self) -> Vec<Target> {
        let mut targets = Vec::new();
        let mut add = |name: String, value, limit| targets.push(Target { name, value, limit });
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
                        let ratio = ratio(theirs, ours);
                        add(format!("{function}{at}/{peer}"), ratio, AtLeast(limit));
                    }
                }
            }
            let init = |candidate| self.median((candidate, None), |sample| sample.init);
            if let (Some(ours), Some(floor)) = (init(ours), init(Candidate::HelloWorld)) {
                let ratio = ratio(ours, floor);
                add(format!("{function}:init/hello-world"), ratio, AtMost(2.2));
            }
            let zip = megabytes(self.zips[&ours]);
            add(format!("{function}: zip, MB"), zip, AtMost(2.2));
            if let Some(peak) = self.median((ours, None), |sample| sample.peak) {
                let name = format!("{function}: peak memory, MiB");
                add(name, mebibytes(peak), AtMost(8.0));
            }
        }
        let model = Model::new(1.0);
        let ours = model.ours();
        let bound = model.bound().delay(ours.checks);
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

fn ratio(of: Duration, to: Duration) -> f64 {
    of.as_secs_f64() / to.as_secs_f64()
}
