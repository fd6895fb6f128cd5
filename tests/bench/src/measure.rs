//! Runs one process of a candidate, and measures it.

use std::{
    fs,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, ensure};
use tokio::time::timeout;

use crate::{
    aws_services::AwsServices,
    candidate::Candidate,
    cpu_limit::{CpuLimit, Memory},
    runtime_api::RuntimeApi,
};

/// Invocations after the first.
const WARM: usize = 5;
/// Longer than the slowest candidate needs.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The measurements of one process, in milliseconds and MiB.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// From exec to the first request for an event.
    pub init: f64,
    /// The first invocation, with its AWS calls.
    pub first: f64,
    /// The median of the invocations after it.
    pub warm: f64,
    /// The most memory.
    pub peak: f64,
}

impl Sample {
    pub fn cold(&self) -> f64 {
        self.init + self.first
    }
}

/// The lower quartile, the median and the upper quartile of one value or more.
pub fn quartiles(values: impl IntoIterator<Item = f64>) -> [f64; 3] {
    let mut values: Vec<_> = values.into_iter().collect();
    values.sort_unstable_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| values[(values.len() - 1) * quarter / 4])
}

/// A candidate, and the memory that limits its processor.
pub type Run = (Candidate, Option<Memory>);

/// Starts a candidate, invokes it, and kills it. Its processor is limited after the initialization, for which Lambda gives
/// every function more.
pub async fn measure(services: &AwsServices, run: Run, log: &Path) -> Result<Sample> {
    let (candidate, memory) = run;
    // A new group for each process, so that the usage of an earlier process does not count.
    let limit = memory.map(CpuLimit::new).transpose()?;
    let mut api = RuntimeApi::start().await?;
    let event = candidate.function().event()?;
    let output = fs::File::create(log)?;
    let mut command = candidate.command();
    command
        .env_clear()
        .envs(services.environment.iter().cloned())
        .env("AWS_LAMBDA_RUNTIME_API", api.server.address.to_string())
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .kill_on_drop(true);
    let started = Instant::now();
    let process = command.spawn();
    let mut process = process.with_context(|| format!("{candidate} has not been built"))?;
    let id = process.id().context("it has exited")?;
    let invocations = async {
        let init = milliseconds(api.event_requested().await? - started);
        if let Some(limit) = &limit {
            limit.apply_to(id)?;
        }
        let first = invoke(&mut api, candidate, &event).await?;
        let mut warm = Vec::new();
        for _ in 0..WARM {
            api.event_requested().await?;
            warm.push(invoke(&mut api, candidate, &event).await?);
        }
        Ok(Sample {
            init,
            first,
            warm: quartiles(warm)[1],
            peak: peak_memory(id)?,
        })
    };
    let sample = tokio::select! {
        sample = timeout(TIMEOUT, invocations) => sample.context("no response").flatten(),
        status = process.wait() => Err(anyhow!("it exited: {:?}", status?)),
    };
    // Its control group can be removed only then.
    process.kill().await?;
    sample.with_context(|| format!("{candidate}; its log: {}", log.display()))
}

async fn invoke(api: &mut RuntimeApi, candidate: Candidate, event: &str) -> Result<f64> {
    let sent = Instant::now();
    let (at, response) = api.invoke(event).await?;
    let compact: String = response.split_whitespace().collect();
    let expected = candidate.expected_response();
    ensure!(
        compact.contains(expected),
        "responded {response}, not {expected}"
    );
    Ok(milliseconds(at - sent))
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
