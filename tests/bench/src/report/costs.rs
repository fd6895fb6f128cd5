//! Deployments in figures and in dollars (prices of us-east-1, November 2026, without free tiers).

use super::{DEPLOYED, Measured, table};
use crate::{
    candidate::Candidate,
    costs::{Case, DISTRIBUTIONS, INVALIDATION_TIMES, POLL_SECONDS, POLLER, PRODUCT, Usage},
    cpu_limit::Memory,
    measure::Sample,
};

/// Assumed, the same for all: how long an AWS API takes to respond. There is no network here that could be measured.
pub(super) const AWS_MILLISECONDS: u32 = 100;
/// Of a state transition (<https://aws.amazon.com/step-functions/pricing/>).
const TRANSITION_PRICE: f64 = 0.025 / 1000.0;
/// Of a gigabyte for a second, on x86 (<https://aws.amazon.com/lambda/pricing/>).
const GIGABYTE_SECOND_PRICE: f64 = 0.000_016_666_7;
const INVOCATION_PRICE: f64 = 0.2e-6;
/// Of a minute of `CodeBuild`'s smallest Linux machine (<https://aws.amazon.com/codebuild/pricing/>).
const BUILD_MINUTE_PRICE: f64 = 0.005;
/// Lambda's limit, in seconds.
const LONGEST_INVOCATION: u32 = 900;

/// The milliseconds that Lambda bills: a process's, and AWS's to respond to so many calls, one after the other.
pub(super) fn billed(milliseconds: f64, calls: u32) -> f64 {
    (milliseconds + f64::from(AWS_MILLISECONDS * calls)).ceil()
}

/// In dollars.
pub(super) fn lambda_price(milliseconds: f64, memory: Memory) -> f64 {
    milliseconds / 1000.0 * f64::from(memory) / 1024.0 * GIGABYTE_SECOND_PRICE
}

impl Measured {
    pub(super) fn deployments(&self) -> String {
        let at_memory = self.is_limited().then(|| format!(" at {DEPLOYED} MB"));
        let at_memory = at_memory.unwrap_or_default();
        let header = format!(
            "\
Transitions, invocations, API calls and history events are counted in executions of the real state machine and of a poller
(`tests/bench/peers/poller.asl.json`, a `Map` that checks each distribution every {POLL_SECONDS} s). Lambda's milliseconds are what was
measured above for one distribution{at_memory}, and {AWS_MILLISECONDS} ms in each invocation for AWS to respond to its calls, which are made together. A
Lambda that sleeps, and a CI job (CodeBuild), are calculated: they check every {POLL_SECONDS} s, all distributions together.

The clocks of the executions of 10 and 50 minutes run fast, and with them what this machine takes to compute: they make up to a
tenth fewer status checks than real ones, ours more so than the poller's.

Prices are those of us-east-1 and x86 in November 2026, without free tiers. CloudFront's own are added to them, the same for all:
from the 1,001st path of a month on, half a cent each.

| invalidation | distributions | | transitions | history events | invocations | Lambda, ms | API calls | $ |"
        );
        let mut rows = Vec::new();
        for (seconds, _) in INVALIDATION_TIMES {
            let label = match seconds {
                0..60 => format!("{seconds} s"),
                _ => format!("{} min", seconds / 60),
            };
            let checks = seconds.div_ceil(POLL_SECONDS);
            for distributions in DISTRIBUTIONS {
                let execution = |machine| {
                    let case = Case {
                        machine,
                        seconds,
                        distributions,
                    };
                    self.execution(self.usage.get(&case))
                };
                for (name, cells) in [
                    ("**ours**", execution(PRODUCT)),
                    ("poller", execution(POLLER)),
                    (
                        "sleeping Lambda",
                        self.sleeping_lambda(checks, distributions),
                    ),
                    ("CI job", ci_job(checks, distributions)),
                ] {
                    rows.push(format!("| {label} | {distributions} | {name} | {cells} |"));
                }
            }
        }
        table(&header, rows)
    }

    fn execution(&self, usage: Option<&Usage>) -> String {
        let Some(usage) = usage else {
            return failure("AWS ends an execution that has 25,000 events");
        };
        let billed = usage.invocations.iter().map(|(&function, &times)| {
            let candidate = Candidate::Product(function);
            // The first runs in a new process, the others in the same.
            let warm = billed(self.deployed(candidate, |sample| sample.warm), 1);
            billed(self.deployed(candidate, Sample::cold), 1) + (times - 1) as f64 * warm
        });
        let milliseconds: f64 = billed.sum();
        let invocations: usize = usage.invocations.values().sum();
        let price = usage.transitions as f64 * TRANSITION_PRICE
            + lambda_price(milliseconds, DEPLOYED)
            + invocations as f64 * INVOCATION_PRICE;
        format!(
            "{} | {} | {invocations} | {milliseconds} | {} | {price:.6}",
            usage.transitions, usage.history_events, usage.api_calls
        )
    }

    /// The median with the memory that is deployed, where that could be measured.
    fn deployed(&self, candidate: Candidate, value: fn(&Sample) -> f64) -> f64 {
        self.median((candidate, Some(DEPLOYED)), value)
            .or_else(|| self.median((candidate, None), value))
            .unwrap_or_default()
    }

    fn sleeping_lambda(&self, checks: u32, distributions: u32) -> String {
        let slept = POLL_SECONDS * checks;
        if slept > LONGEST_INVOCATION {
            return failure("Lambda ends it after 15 minutes");
        }
        // It creates one invalidation after the other, and sleeps; the last status check and the report come after that.
        let time = self.deployed(Candidate::Python, Sample::cold) + 1e3 * f64::from(slept);
        let milliseconds = billed(time, distributions + 2);
        let api_calls = distributions * (1 + checks) + 1;
        let price = lambda_price(milliseconds, DEPLOYED) + INVOCATION_PRICE;
        format!("– | – | 1 | {milliseconds} | {api_calls} | {price:.6}")
    }
}

fn failure(reason: &str) -> String {
    format!("– | – | – | – | – | fails: {reason}")
}

fn ci_job(checks: u32, distributions: u32) -> String {
    let minutes = (POLL_SECONDS * checks).div_ceil(60);
    let api_calls = distributions * (1 + checks);
    let price = f64::from(minutes) * BUILD_MINUTE_PRICE;
    format!("– | – | – | – | {api_calls} | {price:.6}")
}
