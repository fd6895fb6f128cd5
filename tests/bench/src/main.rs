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
mod plot;
mod report;
mod runtime_api;
mod schedule;
mod server;

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Result, bail};
use tests::{guardian, local_aws::repository};

use crate::{
    aws_services::AwsServices,
    candidate::Candidate,
    cpu_limit::CpuLimit,
    measure::{Run, Sample, measure},
    report::{DEPLOYED, MEMORIES, Measured},
};

/// Processes of each candidate, with and without a limit.
const ROUNDS: usize = 20;

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
    let folder = candidate::target().join("bench");
    fs::create_dir_all(&folder)?;
    let mut zips = BTreeMap::new();
    for candidate in Candidate::all() {
        zips.insert(candidate, candidate.zip_size(&folder).await?);
    }
    println!("starting each candidate {ROUNDS} times …");
    let samples = samples(&folder).await?;
    println!("running deployments, to count what they use …");
    let logs = folder.join("moto");
    if logs.exists() {
        fs::remove_dir_all(&logs)?;
    }
    fs::create_dir(&logs)?;
    let measured = Measured {
        machine: machine(),
        zips,
        samples,
        usage: costs::count(&logs).await?,
    };
    let docs = repository().join("docs/performance");
    let text = measured.text();
    fs::write(docs.join("measured.md"), &text)?;
    plot::cold_starts(&docs.join("cold-starts.svg"), &measured.bars())?;
    plot::schedules(&docs.join("schedules.svg"))?;
    println!("\n{text}\n{}", measured.ratios().trim_end());
    Ok(())
}

async fn samples(folder: &Path) -> Result<BTreeMap<Run, Vec<Sample>>> {
    let services = AwsServices::start(folder).await?;
    let log = folder.join("candidate.log");
    let mut runs = runs();
    let mut samples: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for round in 0..=ROUNDS {
        // A candidate is slower after one that fills the processor's caches.
        fastrand::Rng::with_seed(round as u64).shuffle(&mut runs);
        for &run in &runs {
            let sample = measure(&services, run, &log).await?;
            // The first round fills the page cache, and is not counted.
            if round > 0 {
                samples.entry(run).or_default().push(sample);
            }
        }
    }
    Ok(samples)
}

/// All of a round: every candidate without a limit and with the deployed memory, the product with more memory too.
fn runs() -> Vec<Run> {
    let mut runs: Vec<_> = Candidate::all()
        .into_iter()
        .map(|candidate| (candidate, None))
        .collect();
    if let Err(error) = CpuLimit::new(DEPLOYED) {
        println!("no figures with a limited processor: only root can limit it ({error})");
        return runs;
    }
    for candidate in Candidate::all() {
        let is_ours = matches!(candidate, Candidate::Product(_));
        let memories = MEMORIES
            .into_iter()
            .filter(|memory| is_ours || *memory == DEPLOYED);
        runs.extend(memories.map(|memory| (candidate, Some(memory))));
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
