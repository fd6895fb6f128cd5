//! Deployments in figures and in dollars (prices of us-east-1, November 2026, without free tiers).

use serde::Serialize;

use crate::{
    DEPLOYED,
    costs::{Case, DISTRIBUTIONS, POLL_SECONDS, POLLER, PRODUCT, SECONDS},
    cpu_limit::Memory,
    measure::{Measured, Samples, median},
    report::Report,
};

/// Assumed, the same for all: how long an AWS API takes to respond. There is no network here that could be measured.
pub const AWS_MILLISECONDS: u32 = 100;
/// Of a state transition (<https://aws.amazon.com/step-functions/pricing/>).
const TRANSITION_PRICE: f64 = 0.025 / 1000.0;
/// Of a gigabyte for a second, on x86 (<https://aws.amazon.com/lambda/pricing/>).
const GIGABYTE_SECOND_PRICE: f64 = 0.000_016_666_7;
const INVOCATION_PRICE: f64 = 0.2e-6;
/// Of a minute of `CodeBuild`'s smallest Linux machine (<https://aws.amazon.com/codebuild/pricing/>).
const BUILD_MINUTE_PRICE: f64 = 0.005;
/// Lambda's limit, in seconds.
const LONGEST_INVOCATION: u32 = 900;

/// The price of a million invocations in Lambda's time, in dollars, if each takes so many milliseconds and one call.
pub fn of_a_million(milliseconds: f64, memory: Memory) -> f64 {
    1e6 * lambda(billed(milliseconds, 1), memory)
}

fn lambda(milliseconds: f64, memory: Memory) -> f64 {
    milliseconds / 1000.0 * f64::from(memory) / 1024.0 * GIGABYTE_SECOND_PRICE
}

/// The milliseconds that Lambda bills: a process's, and AWS's to respond to so many calls, one after the other.
fn billed(milliseconds: f64, calls: u32) -> f64 {
    (milliseconds + f64::from(AWS_MILLISECONDS * calls)).ceil()
}

/// How many seconds the invalidations take, of how many distributions, what waits for them, and what it uses or why it fails.
pub type Deployment = (u32, u32, &'static str, Result<Used, &'static str>);

/// What it does not use is 0.
#[derive(Default, Serialize)]
pub struct Used {
    transitions: u32,
    history_events: u32,
    invocations: u32,
    lambda_milliseconds: f64,
    api_calls: u32,
    build_minutes: u32,
    /// In dollars.
    price: f64,
}

impl Used {
    fn priced(self) -> Self {
        let price = f64::from(self.transitions) * TRANSITION_PRICE
            + lambda(self.lambda_milliseconds, DEPLOYED)
            + f64::from(self.invocations) * INVOCATION_PRICE
            + f64::from(self.build_minutes) * BUILD_MINUTE_PRICE;
        Self { price, ..self }
    }
}

impl Report {
    pub fn deployments(&self) -> Vec<Deployment> {
        let mut deployments = Vec::new();
        for seconds in SECONDS {
            let checks = seconds.div_ceil(POLL_SECONDS);
            for distributions in DISTRIBUTIONS {
                let execution = |machine| self.execution((machine, seconds, distributions));
                let sleeping_lambda = self.sleeping_lambda(checks, distributions);
                for (name, used) in [
                    ("**ours**", execution(PRODUCT)),
                    ("poller", execution(POLLER)),
                    ("sleeping Lambda", sleeping_lambda),
                    ("CI job", Ok(ci_job(checks, distributions))),
                ] {
                    deployments.push((seconds, distributions, name, used.map(Used::priced)));
                }
            }
        }
        deployments
    }

    fn execution(&self, case: Case) -> Result<Used, &'static str> {
        let usage = self.usage.get(&case);
        let usage = usage.ok_or("AWS ends an execution that has 25,000 events")?;
        let billed = usage.invocations.iter().map(|(function, &times)| {
            let samples = self.deployed(function);
            // The first runs in a new process, the others in the same.
            let warm = billed(median(&samples.warm), 1);
            billed(median(&samples.cold), 1) + f64::from(times - 1) * warm
        });
        Ok(Used {
            transitions: usage.transitions,
            history_events: usage.history_events,
            invocations: usage.invocations.values().sum(),
            lambda_milliseconds: billed.sum(),
            api_calls: usage.api_calls,
            ..Used::default()
        })
    }

    /// With the memory that is deployed, where that could be measured.
    fn deployed(&self, name: &str) -> &Samples {
        let mut candidates = self.candidates.iter();
        let measured = candidates.find(|measured| measured.candidate.name == name);
        let Measured { full, limited, .. } = measured.expect("all candidates are measured");
        let limited = &limited[&DEPLOYED];
        let is_measured = !limited.cold.is_empty();
        if is_measured { limited } else { full }
    }

    fn sleeping_lambda(&self, checks: u32, distributions: u32) -> Result<Used, &'static str> {
        let slept = POLL_SECONDS * checks;
        if slept > LONGEST_INVOCATION {
            return Err("Lambda ends it after 15 minutes");
        }
        // It creates one invalidation after the other, and sleeps; the last status check and the report come after that.
        let time = median(&self.deployed("Python, boto3").cold) + 1e3 * f64::from(slept);
        Ok(Used {
            invocations: 1,
            lambda_milliseconds: billed(time, distributions + 2),
            api_calls: distributions * (1 + checks) + 1,
            ..Used::default()
        })
    }
}

fn ci_job(checks: u32, distributions: u32) -> Used {
    Used {
        api_calls: distributions * (1 + checks),
        build_minutes: (POLL_SECONDS * checks).div_ceil(60),
        ..Used::default()
    }
}
