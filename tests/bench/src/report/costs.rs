//! Deployments in figures and in dollars (prices of us-east-1, November 2026, without free tiers).

use std::time::Duration;

use super::{DEPLOYED, Measured, table};
use crate::{
    candidate::Candidate,
    costs::{Case, DISTRIBUTIONS, INVALIDATION_TIMES, POLL_INTERVAL, StateMachine, Usage},
    cpu_limit::Memory,
    measure::Sample,
};

/// Assumed, the same for all: how long an AWS API takes to respond. There is no network here that could be measured.
pub(super) const AWS_RESPONSE_TIME: Duration = Duration::from_millis(100);
/// Of a state transition (<https://aws.amazon.com/step-functions/pricing/>).
const TRANSITION_PRICE: f64 = 0.025 / 1000.0;
/// Of a gigabyte for a second, on x86 (<https://aws.amazon.com/lambda/pricing/>).
const GIGABYTE_SECOND_PRICE: f64 = 0.000_016_666_7;
const INVOCATION_PRICE: f64 = 0.2e-6;
/// Of a minute of `CodeBuild`'s smallest Linux machine (<https://aws.amazon.com/codebuild/pricing/>).
const BUILD_MINUTE_PRICE: f64 = 0.005;
/// Lambda's limit.
const LONGEST_INVOCATION: Duration = Duration::from_mins(15);

/// What Lambda bills in milliseconds, rounded up: a process's time, and that of AWS to respond to so many calls, one after
/// the other.
pub(super) fn billed(time: Duration, calls: u32) -> u64 {
    let time = time + AWS_RESPONSE_TIME * calls;
    let milliseconds = time.as_micros().div_ceil(1000);
    milliseconds.try_into().unwrap_or(u64::MAX)
}

/// In dollars.
pub(super) fn lambda_price(milliseconds: u64, memory: Memory) -> f64 {
    let gigabytes = f64::from(memory.0) / 1024.0;
    milliseconds as f64 / 1000.0 * gigabytes * GIGABYTE_SECOND_PRICE
}

impl Measured {
    pub(super) fn deployments(&self) -> String {
        let poll_seconds = POLL_INTERVAL.as_secs();
        let response_time = AWS_RESPONSE_TIME.as_millis();
        let at_memory = match self.is_limited() {
            true => format!(" at {DEPLOYED}"),
            false => String::new(),
        };
        let header = format!(
            "\
Transitions, invocations, API calls and history events are counted in executions of the real state machine and of a poller
(`tests/bench/peers/poller.asl.json`, a `Map` that checks each distribution every {poll_seconds} s). Lambda's milliseconds are what was
measured above for one distribution{at_memory}, and {response_time} ms in each invocation for AWS to respond to its calls, which are made together. A
Lambda that sleeps, and a CI job (CodeBuild), are calculated: they check every {poll_seconds} s, all distributions together.

The clocks of the executions of 10 and 50 minutes run fast, and with them what this machine takes to compute: they make up to a
tenth fewer status checks than real ones, ours more so than the poller's.

Prices are those of us-east-1 and x86 in November 2026, without free tiers. CloudFront's own are added to them, the same for all:
from the 1,001st path of a month on, half a cent each.

| invalidation | distributions | | transitions | history events | invocations | Lambda, ms | API calls | $ |"
        );
        let mut rows = Vec::new();
        for (time, _) in INVALIDATION_TIMES {
            let label = match time.as_secs() {
                seconds @ 0..60 => format!("{seconds} s"),
                seconds => format!("{} min", seconds / 60),
            };
            for distributions in DISTRIBUTIONS {
                for (name, cells) in [
                    (
                        "**ours**",
                        self.execution(StateMachine::Product, time, distributions),
                    ),
                    (
                        "poller",
                        self.execution(StateMachine::Poller, time, distributions),
                    ),
                    ("sleeping Lambda", self.sleeping_lambda(time, distributions)),
                    ("CI job", ci_job(time, distributions)),
                ] {
                    rows.push(format!("| {label} | {distributions} | {name} | {cells} |"));
                }
            }
        }
        table(&header, rows)
    }

    fn execution(
        &self,
        machine: StateMachine,
        invalidation_time: Duration,
        distributions: u32,
    ) -> String {
        let case = Case {
            machine,
            invalidation_time,
            distributions,
        };
        let Some(usage) = self.usage.get(&case) else {
            return failure("AWS ends an execution that has 25,000 events");
        };
        let Usage {
            transitions,
            invocations,
            api_calls,
            history_events,
        } = usage;
        let milliseconds: u64 = invocations
            .iter()
            .map(|(&function, &times)| {
                let candidate = Candidate::Product(function);
                // The first runs in a new process, the others in the same.
                let warm = billed(self.deployed(candidate, |sample| sample.warm), 1);
                billed(self.deployed(candidate, Sample::cold), 1) + (times as u64 - 1) * warm
            })
            .sum();
        let invocations: usize = invocations.values().sum();
        let price = *transitions as f64 * TRANSITION_PRICE
            + lambda_price(milliseconds, DEPLOYED)
            + invocations as f64 * INVOCATION_PRICE;
        format!(
            "{transitions} | {history_events} | {invocations} | {milliseconds} | {api_calls} | {price:.6}"
        )
    }

    /// The median with the memory that is deployed, where that could be measured.
    fn deployed(&self, candidate: Candidate, value: fn(&Sample) -> Duration) -> Duration {
        self.median((candidate, Some(DEPLOYED)), value)
            .or_else(|| self.median((candidate, None), value))
            .unwrap_or_default()
    }

    fn sleeping_lambda(&self, invalidation_time: Duration, distributions: u32) -> String {
        let checks = checks(invalidation_time);
        let slept = POLL_INTERVAL * checks;
        if slept > LONGEST_INVOCATION {
            return failure("Lambda ends it after 15 minutes");
        }
        // It creates one invalidation after the other, and sleeps; the last status check and the report come after that.
        let time = self.deployed(Candidate::Python, Sample::cold) + slept;
        let milliseconds = billed(time, distributions + 2);
        let api_calls = cloudfront_calls(distributions, checks) + 1;
        let price = lambda_price(milliseconds, DEPLOYED) + INVOCATION_PRICE;
        format!("– | – | 1 | {milliseconds} | {api_calls} | {price:.6}")
    }
}

fn failure(reason: &str) -> String {
    format!("– | – | – | – | – | fails: {reason}")
}

fn ci_job(invalidation_time: Duration, distributions: u32) -> String {
    let checks = checks(invalidation_time);
    let minutes = (POLL_INTERVAL * checks).as_secs().div_ceil(60);
    let api_calls = cloudfront_calls(distributions, checks);
    let price = minutes as f64 * BUILD_MINUTE_PRICE;
    format!("– | – | – | – | {api_calls} | {price:.6}")
}

/// Until the one that finds the invalidation completed.
fn checks(invalidation_time: Duration) -> u32 {
    let checks = invalidation_time
        .as_secs()
        .div_ceil(POLL_INTERVAL.as_secs());
    checks.try_into().unwrap_or(u32::MAX)
}

/// For each distribution, one call that creates and so many that check.
fn cloudfront_calls(distributions: u32, checks: u32) -> u32 {
    distributions * (1 + checks)
}
