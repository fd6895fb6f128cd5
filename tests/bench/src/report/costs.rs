//! Deployments in figures and in dollars (prices of us-east-1, November 2026, without free tiers).

use std::{fmt::Write as _, time::Duration};

use super::{DEPLOYED, Measured};
use crate::{
    candidate::{Candidate, Function},
    costs::{Case, DISTRIBUTIONS, Machine, PEERS_LOOK_EVERY, PURGES, Use},
    cpu_limit::Memory,
    measure::Figures,
};

/// Assumed, the same for all: what an AWS API takes to answer. There is no network here that could be measured.
pub(super) const AWS_ANSWERS_IN: Duration = Duration::from_millis(100);
/// Of a state transition (<https://aws.amazon.com/step-functions/pricing/>).
const TRANSITION_PRICE: f64 = 0.025 / 1000.0;
/// Of a gigabyte for a second, on x86 (<https://aws.amazon.com/lambda/pricing/>).
const GIGABYTE_SECOND_PRICE: f64 = 0.000_016_666_7;
/// Of an invocation.
const INVOCATION_PRICE: f64 = 0.2e-6;
/// Of a minute of `CodeBuild`'s smallest Linux machine (<https://aws.amazon.com/codebuild/pricing/>).
const BUILD_MINUTE_PRICE: f64 = 0.005;
/// When Lambda ends a function.
const LONGEST_INVOCATION: Duration = Duration::from_mins(15);
/// Of a poller that has to look too often.
const TOO_MANY_EVENTS: &str =
    "– | – | – | – | – | fails: AWS ends an execution that has 25,000 events |";

/// As Lambda bills it, in milliseconds: a process's time, and that of AWS to answer so many times, one after the other;
/// rounded up.
pub(super) fn billed(time: Duration, answers: u32) -> u64 {
    let time = time + AWS_ANSWERS_IN * answers;
    time.as_micros()
        .div_ceil(1000)
        .try_into()
        .unwrap_or(u64::MAX)
}

/// In dollars.
pub(super) fn lambda_price(milliseconds: u64, memory: Memory) -> f64 {
    let gigabytes = f64::from(memory.0) / 1024.0;
    milliseconds as f64 / 1000.0 * gigabytes * GIGABYTE_SECOND_PRICE
}

impl Measured {
    pub(super) fn deployments(&self) -> String {
        let look_every = PEERS_LOOK_EVERY.as_secs();
        let answers_in = AWS_ANSWERS_IN.as_millis();
        let at_memory = if self.limited.is_empty() {
            String::new()
        } else {
            format!(" at {DEPLOYED}")
        };
        let mut text = format!(
            "\
Transitions, invocations, API calls and history events are counted in executions of the real state machine and of a poller
(`tests/bench/peers/poller.asl.json`, a `Map` that looks at each distribution every {look_every} s). Lambda's milliseconds are what was
measured above for one distribution{at_memory}, and {answers_in} ms in each invocation for AWS to answer its calls, which are made together. A
Lambda that sleeps, and a CI job (CodeBuild), are reckoned: they look every {look_every} s, at all distributions together.

The clocks of the executions of 10 and 50 minutes run fast, and with them what this machine takes to compute: they look up to a
tenth less often than real ones, ours more so than the poller's.

Prices are those of us-east-1 and x86 in November 2026, without free tiers. CloudFront's own come on top, the same for all: from
the 1,001st path of a month on, half a cent each.

| purge | distributions | | transitions | history events | invocations | Lambda, ms | API calls | $ |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
",
        );
        for (purge, _) in PURGES {
            for distributions in DISTRIBUTIONS {
                let mut row = |who: &str, cells: String| {
                    let minutes = purge.as_secs() / 60;
                    let purge = if minutes == 0 {
                        format!("{} s", purge.as_secs())
                    } else {
                        format!("{minutes} min")
                    };
                    writeln!(text, "| {purge} | {distributions} | {who} | {cells}")
                        .expect("a String takes all");
                };
                for (who, machine) in [("**ours**", Machine::Product), ("poller", Machine::Poller)]
                {
                    let case = Case {
                        machine,
                        purge,
                        distributions,
                    };
                    let used = self.costs.get(&case).map(|used| self.counted(used));
                    row(who, used.unwrap_or_else(|| TOO_MANY_EVENTS.to_owned()));
                }
                row("sleeping Lambda", self.sleeping(purge, distributions));
                row("CI job", ci_job(purge, distributions));
            }
        }
        text
    }

    fn counted(&self, used: &Use) -> String {
        let invocations: usize = used.invocations.values().sum();
        let milliseconds: u64 = used
            .invocations
            .iter()
            .map(|(function, times)| self.billed_of(*function, *times))
            .sum();
        let price = used.transitions as f64 * TRANSITION_PRICE
            + lambda_price(milliseconds, DEPLOYED)
            + invocations as f64 * INVOCATION_PRICE;
        let Use {
            transitions,
            events,
            calls,
            ..
        } = used;
        format!(
            "{transitions} | {events} | {invocations} | {milliseconds} | {calls} | {price:.6} |"
        )
    }

    /// With the memory that is deployed, where that could be measured.
    fn as_deployed(&self, candidate: Candidate) -> &Figures {
        let limited = self.limited.get(&(DEPLOYED, candidate));
        limited.unwrap_or(&self.unlimited[&candidate])
    }

    /// The first of them in a new process, the others in the same.
    fn billed_of(&self, function: Function, times: usize) -> u64 {
        let figures = self.as_deployed(Candidate::Product(function));
        let warm = billed(figures.warm.median, 1);
        billed(figures.cold.median, 1) + (times as u64).saturating_sub(1) * warm
    }

    fn sleeping(&self, purge: Duration, distributions: u32) -> String {
        let looks = looks(purge);
        let slept = PEERS_LOOK_EVERY * looks;
        if slept > LONGEST_INVOCATION {
            return "– | – | – | – | – | fails: Lambda ends it after 15 minutes |".to_owned();
        }
        let figures = self.as_deployed(Candidate::Python);
        let calls = calls(distributions, looks);
        // It creates one invalidation after the other, and sleeps; the last look and CodeDeploy's answer come after that.
        let milliseconds = billed(figures.cold.median + slept, distributions + 2);
        let price = lambda_price(milliseconds, DEPLOYED) + INVOCATION_PRICE;
        format!("– | – | 1 | {milliseconds} | {calls} | {price:.6} |")
    }
}

fn looks(purge: Duration) -> u32 {
    let looks = purge.as_secs().div_ceil(PEERS_LOOK_EVERY.as_secs());
    looks.try_into().unwrap_or(u32::MAX)
}

/// One that creates and so many that look, for each distribution, and the answer.
fn calls(distributions: u32, looks: u32) -> u32 {
    distributions * (1 + looks) + 1
}

fn ci_job(purge: Duration, distributions: u32) -> String {
    let looks = looks(purge);
    let minutes = (PEERS_LOOK_EVERY * looks).as_secs().div_ceil(60);
    let calls = calls(distributions, looks) - 1;
    let price = minutes as f64 * BUILD_MINUTE_PRICE;
    format!("– | – | – | – | {calls} | {price:.6} |")
}
