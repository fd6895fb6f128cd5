//! Runs one process of a candidate, and measures it.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, ensure};
use serde::Serialize;
use tokio::time::timeout;

use crate::{
    aws_services::AwsServices,
    candidate::{Candidate, event},
    cpu_limit::{CpuLimit, Memory},
    runtime_api::RuntimeApi,
};

/// Invocations after the first.
const WARM: usize = 5;
/// Longer than the slowest candidate needs.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The measurements of a candidate's processes, in milliseconds and MiB.
#[derive(Debug, Default, Clone, Serialize)]
pub struct Samples {
    /// From exec to the first request for an event.
    pub init: Vec<f64>,
    /// The first invocation, with its AWS calls.
    pub first: Vec<f64>,
    /// Both.
    pub cold: Vec<f64>,
    /// The median of the invocations after the first.
    pub warm: Vec<f64>,
    /// The most memory.
    pub peak: Vec<f64>,
}

/// A candidate, and what was measured.
#[derive(Debug, Serialize)]
pub struct Measured {
    #[serde(flatten)]
    pub candidate: Candidate,
    /// The size of its zip, in MB.
    pub zip: f64,
    /// With all of a processor.
    pub full: Samples,
    /// With the shares that come with memory sizes; empty where it was not measured.
    pub limited: BTreeMap<Memory, Samples>,
}

/// The lower quartile, the median and the upper quartile; none of no values.
pub fn quartiles(values: &[f64]) -> Option<[f64; 3]> {
    let mut values = values.to_vec();
    values.sort_unstable_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    Some([1, 2, 3].map(|quarter| values[last * quarter / 4]))
}

/// NaN of no values.
pub fn median(values: &[f64]) -> f64 {
    quartiles(values).map_or(f64::NAN, |[_, median, _]| median)
}

/// Starts a candidate, invokes it, and kills it. With a memory, its processor is limited after the initialization, for which
/// Lambda gives every function more.
pub async fn measure(
    services: &AwsServices,
    candidate: &Candidate,
    memory: Option<Memory>,
    samples: &mut Samples,
    log: &Path,
) -> Result<()> {
    // A new group for each process, so that the usage of an earlier process does not count.
    let limit = memory.map(CpuLimit::new).transpose()?;
    let mut api = RuntimeApi::start().await?;
    let event = event(&candidate.event)?;
    let output = fs::File::create(log)?;
    let mut command = candidate.command();
    command
        .env_clear()
        .envs(services.environment())
        .env("AWS_LAMBDA_RUNTIME_API", api.server.address.to_string())
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .kill_on_drop(true);
    let started = Instant::now();
    let process = command.spawn();
    let mut process = process.with_context(|| format!("{} has not been built", candidate.name))?;
    let id = process.id().context("it has exited")?;
    let invocations = async {
        let mut next = api.request("/next").await?;
        let init = milliseconds(next.at - started);
        if let Some(limit) = &limit {
            limit.apply_to(id)?;
        }
        let mut times = [0.0; 1 + WARM];
        for time in &mut times {
            let sent = Instant::now();
            next.respond(&event);
            let response = api.request("/response").await?;
            *time = milliseconds(response.at - sent);
            let compact: String = response.body.split_whitespace().collect();
            ensure!(compact.contains(&candidate.response), "responded {compact}");
            drop(response);
            next = api.request("/next").await?;
        }
        let [first, warm @ ..] = times;
        samples.init.push(init);
        samples.first.push(first);
        samples.cold.push(init + first);
        samples.warm.push(median(&warm));
        samples.peak.push(peak_memory(id)?);
        Ok(())
    };
    let measured = tokio::select! {
        measured = timeout(TIMEOUT, invocations) => measured.context("no response").flatten(),
        status = process.wait() => Err(anyhow!("it exited: {:?}", status?)),
    };
    // Its control group can be removed only then.
    process.kill().await?;
    measured.with_context(|| format!("{}; its log: {}", candidate.name, log.display()))
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// `VmHWM` of a process in MiB (proc(5)).
fn peak_memory(process: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let kibibytes = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:")?.strip_suffix("kB"))
        .context("no VmHWM in /proc")?;
    Ok(kibibytes.trim().parse::<f64>()? / 1024.0)
}
