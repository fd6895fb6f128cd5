//! The figures that have a target, and whether they meet it.

use std::{fmt, time::Duration};

use super::{DEPLOYED, Measured, mebibytes, megabytes};
use crate::{
    candidate::{Candidate, Function},
    costs::Case,
    schedule::{Model, Purges},
};

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
    /// A line for each ratio, `bench: <name> <ratio>`.
    pub fn ratios(&self) -> String {
        let ratios = self.goals().into_iter().filter(|g| g.name.contains('/'));
        let lines = ratios.map(|Goal { name, value, .. }| format!("bench: {name} {value:.2}\n"));
        lines.collect()
    }

    pub(super) fn targets(&self) -> String {
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

fn ratio(of: Duration, to: Duration) -> f64 {
    of.as_secs_f64() / to.as_secs_f64()
}
