//! One process of a candidate from its start to its end, and the figures of many.

use std::{
    fs,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tokio::time::timeout;

use crate::{
    candidate::Candidate,
    cpu_limit::{CpuLimit, Memory},
    runtime_api::RuntimeApi,
};

/// Invocations after the first.
const WARM: usize = 5;
/// Longer than the slowest takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// What one process showed.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// From exec to the first request for an event.
    pub init: Duration,
    /// The first invocation, with its AWS calls.
    pub first: Duration,
    /// The median of the invocations after it.
    pub warm: Duration,
    /// The most memory it held, in bytes.
    pub peak: u64,
}

/// Starts a candidate, invokes it, and ends it. After the initialization, for which Lambda gives more, it has the share of
/// a processor that comes with the memory, if one is given.
///
/// # Errors
/// When it does not answer as it should.
pub async fn measure(
    candidate: Candidate,
    invalidation: &Value,
    environment: &[(&str, String)],
    memory: Option<Memory>,
    log: &Path,
) -> Result<Sample> {
    timeout(
        PATIENCE,
        run(candidate, invalidation, environment, memory, log),
    )
    .await
    .context("no answer")
    .flatten()
    .with_context(|| format!("{candidate}; its log: {}", log.display()))
}

async fn run(
    candidate: Candidate,
    invalidation: &Value,
    environment: &[(&str, String)],
    memory: Option<Memory>,
    log: &Path,
) -> Result<Sample> {
    // Of its own, so that it owes nothing that the process before it has used.
    let limit = memory.map(CpuLimit::new).transpose()?;
    let mut api = RuntimeApi::start().await?;
    let event = candidate.event(invalidation).to_string();
    let log = fs::File::create(log)?;
    let mut command = candidate.command();
    command
        .env_clear()
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .env("AWS_LAMBDA_RUNTIME_API", api.address.to_string())
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .kill_on_drop(true);
    let began = Instant::now();
    let mut process = command
        .spawn()
        .with_context(|| format!("{candidate} has not been built"))?;
    let id = process.id().context("it has ended at once")?;
    let life = async {
        let init = api.asked_for_event().await? - began;
        if let Some(limit) = &limit {
            limit.hold(id)?;
        }
        let first = invoke(&mut api, candidate, &event).await?;
        let mut warm = Vec::new();
        for _ in 0..WARM {
            api.asked_for_event().await?;
            warm.push(invoke(&mut api, candidate, &event).await?);
        }
        Ok(Sample {
            init,
            first,
            warm: Spread::of(warm).median,
            peak: peak(id)?,
        })
    };
    let sample = tokio::select! {
        sample = life => sample,
        status = process.wait() => bail!("it ended by itself: {}", status?),
    };
    // So that its control group can go.
    process.kill().await?;
    sample
}

async fn invoke(api: &mut RuntimeApi, candidate: Candidate, event: &str) -> Result<Duration> {
    let sent = Instant::now();
    let (at, answer) = api.invoke(event).await?;
    let compact: String = answer.split_whitespace().collect();
    ensure!(
        compact.contains(candidate.statuses()),
        "answered {answer}, not {}",
        candidate.statuses()
    );
    Ok(at - sent)
}

/// `VmHWM` of a process, in bytes (proc(5)).
fn peak(process: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let kibibytes = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:")?.strip_suffix("kB"))
        .context("no VmHWM in /proc")?;
    Ok(kibibytes.trim().parse::<u64>()? * 1024)
}

/// A median, and the quartiles around it.
#[derive(Debug, Clone, Copy)]
pub struct Spread<T> {
    /// A quarter is less.
    pub low: T,
    /// Half is less.
    pub median: T,
    /// Three quarters are less.
    pub high: T,
}

impl<T: Copy + Ord> Spread<T> {
    /// Of one value at least.
    pub fn of(mut values: Vec<T>) -> Self {
        values.sort_unstable();
        let at = |quarter: usize| values[(values.len() - 1) * quarter / 4];
        Self {
            low: at(1),
            median: at(2),
            high: at(3),
        }
    }
}

/// The figures of a candidate.
#[derive(Debug, Clone, Copy)]
pub struct Figures {
    /// [`Sample::init`].
    pub init: Spread<Duration>,
    /// [`Sample::first`].
    pub first: Spread<Duration>,
    /// Both.
    pub cold: Spread<Duration>,
    /// [`Sample::warm`].
    pub warm: Spread<Duration>,
    /// [`Sample::peak`].
    pub peak: Spread<u64>,
}

impl Figures {
    /// Of one sample at least.
    pub fn of(samples: &[Sample]) -> Self {
        fn spread<T: Copy + Ord>(samples: &[Sample], of: impl Fn(&Sample) -> T) -> Spread<T> {
            Spread::of(samples.iter().map(of).collect())
        }
        Self {
            init: spread(samples, |s| s.init),
            first: spread(samples, |s| s.first),
            cold: spread(samples, |s| s.init + s.first),
            warm: spread(samples, |s| s.warm),
            peak: spread(samples, |s| s.peak),
        }
    }
}
