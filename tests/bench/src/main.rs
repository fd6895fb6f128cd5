//! `make bench`: how fast, small and cheap the product is, beside its alternatives.

#![expect(
    clippy::cast_precision_loss,
    reason = "counts, bytes and seconds here are far below 2^52"
)]

mod aws_services;
mod candidate;
mod costs;
mod cpu_limit;
mod measure;
mod prices;
mod report;
mod runtime_api;
mod schedule;

use std::{fs, path::Path};

use anyhow::{Result, bail};
use tests::{command::repository, guardian};

use crate::{
    aws_services::AwsServices,
    candidate::Candidate,
    cpu_limit::{CpuLimit, Memory},
    measure::{Measured, Samples, measure},
    report::Report,
};

/// Processes of each candidate, with and without a limit.
const ROUNDS: usize = 20;
/// The memory that the template gives each function.
const DEPLOYED: Memory = 128;
/// The memory sizes that the product is measured with.
const MEMORIES: [Memory; 3] = [DEPLOYED, 256, 512];

#[tokio::main]
async fn main() -> Result<()> {
    tokio::select! {
        ended = run() => ended,
        stopped = guardian::asked_to_stop() => {
            stopped?;
            bail!("stopped")
        }
    }
}

async fn run() -> Result<()> {
    let folder = repository().join("target/bench");
    fs::create_dir_all(&folder)?;
    let mut candidates = Vec::new();
    for candidate in Candidate::all()? {
        candidates.push(Measured {
            zip: candidate.zip_size(&folder).await?,
            full: Samples::default(),
            limited: MEMORIES.map(|memory| (memory, Samples::default())).into(),
            candidate,
        });
    }
    println!("starting each candidate {ROUNDS} times …");
    start_all(&mut candidates, &folder).await?;
    println!("running deployments, to count what they use …");
    let report = Report {
        machine: machine(),
        candidates,
        usage: costs::count(&folder).await?,
    };
    let text = report.write(&repository().join("docs/performance"))?;
    println!("\n{}", text.trim_end());
    Ok(())
}

async fn start_all(candidates: &mut [Measured], folder: &Path) -> Result<()> {
    let services = AwsServices::start(folder).await?;
    let log = folder.join("candidate.log");
    let mut runs = runs(candidates);
    for round in 0..=ROUNDS {
        // A candidate is slower after one that fills the processor's caches.
        fastrand::Rng::with_seed(round as u64).shuffle(&mut runs);
        for &(number, memory) in &runs {
            let measured = &mut candidates[number];
            let samples = match memory {
                // The first round fills the page cache, and is not counted.
                _ if round == 0 => &mut Samples::default(),
                None => &mut measured.full,
                Some(memory) => measured.limited.entry(memory).or_default(),
            };
            measure(&services, &measured.candidate, memory, samples, &log).await?;
        }
    }
    Ok(())
}

/// All of a round: every candidate without a limit and with the deployed memory, the product with more memory too.
fn runs(candidates: &[Measured]) -> Vec<(usize, Option<Memory>)> {
    let limit = CpuLimit::new(DEPLOYED);
    if let Err(error) = &limit {
        println!("no figures with a limited processor: only root can limit it ({error})");
    }
    let mut runs = Vec::new();
    for (number, measured) in candidates.iter().enumerate() {
        runs.push((number, None));
        let memories = MEMORIES.into_iter();
        let memories = memories.filter(|memory| measured.candidate.is_ours || *memory == DEPLOYED);
        if limit.is_ok() {
            runs.extend(memories.map(|memory| (number, Some(memory))));
        }
    }
    runs
}

fn machine() -> String {
    let read = |file| fs::read_to_string(file).unwrap_or_default();
    let processors = read("/proc/cpuinfo");
    let model = processors
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("a processor without a name", |(_, model)| model);
    format!(
        "{model}, {} processors, {}, Linux {}",
        std::thread::available_parallelism().map_or(1, usize::from),
        std::env::consts::ARCH,
        read("/proc/sys/kernel/osrelease").trim(),
    )
}
