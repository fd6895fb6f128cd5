//! `make bench`: how fast, small and cheap the product is, beside what people would pick instead.

#![expect(
    clippy::cast_precision_loss,
    reason = "counts, bytes and seconds here are far below 2^52"
)]

mod candidate;
mod costs;
mod cpu_limit;
mod https;
mod measure;
mod plot;
mod report;
mod runtime_api;
mod schedule;
mod world;

use std::{collections::BTreeMap, fs, path::Path, process::ExitCode};

use anyhow::Result;
use tests::{guardian, local_aws::repository};

use crate::{
    candidate::Candidate,
    cpu_limit::{CpuLimit, Memory},
    measure::{Figures, Sample, measure},
    report::{DEPLOYED, MEMORIES, Measured},
    world::World,
};

/// Processes of each candidate, with and without a limit.
const ROUNDS: usize = 20;

#[tokio::main]
async fn main() -> Result<ExitCode> {
    tokio::select! {
        ended = run() => ended.map(|()| ExitCode::SUCCESS),
        stopped = guardian::asked_to_stop() => {
            stopped?;
            Ok(ExitCode::FAILURE)
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
    let world = World::start(&folder).await?;
    let limits = limits();
    let (mut unlimited, mut limited) = (BTreeMap::new(), BTreeMap::new());
    for round in 0..=ROUNDS {
        // Whoever comes after one that fills the processor's caches is slower.
        let mut candidates = Candidate::all();
        fastrand::Rng::with_seed(round as u64).shuffle(&mut candidates);
        for candidate in candidates {
            let free = sample(&world, candidate, None, &folder).await?;
            keep(&mut unlimited, round, candidate, free);
            for (memory, limit) in &limits {
                if *memory == DEPLOYED || matches!(candidate, Candidate::Product(_)) {
                    let held = sample(&world, candidate, Some(limit), &folder).await?;
                    keep(&mut limited, round, (*memory, candidate), held);
                }
            }
        }
    }
    drop(world);
    println!("letting deployments happen, to count what they use …");
    let costs = costs::count(&folder).await?;
    let measured = Measured {
        machine: machine(),
        rounds: ROUNDS,
        zips,
        unlimited: figures(unlimited),
        limited: figures(limited),
        costs,
    };
    let docs = repository().join("docs/performance");
    let text = measured.text();
    fs::write(docs.join("measured.md"), &text)?;
    plot::cold_starts(&docs.join("cold-starts.svg"), &measured.bars())?;
    plot::schedules(&docs.join("schedules.svg"))?;
    println!("\n{text}\n{}", measured.ratios().trim_end());
    Ok(())
}

/// The limits that this user may set.
fn limits() -> Vec<(Memory, CpuLimit)> {
    let limits: std::io::Result<_> = MEMORIES
        .into_iter()
        .map(|memory| Ok((memory, CpuLimit::new(memory)?)))
        .collect();
    limits.unwrap_or_else(|error| {
        println!("no figures with a limited processor, because a control group cannot be made ({error}); root may");
        Vec::new()
    })
}

async fn sample(
    world: &World,
    candidate: Candidate,
    limit: Option<&CpuLimit>,
    folder: &Path,
) -> Result<Sample> {
    let log = folder.join("candidate.log");
    measure(
        candidate,
        &world.invalidation,
        &world.environment,
        limit,
        &log,
    )
    .await
}

/// The first round fills the page cache, and is not counted.
fn keep<K: Ord>(samples: &mut BTreeMap<K, Vec<Sample>>, round: usize, key: K, sample: Sample) {
    if round > 0 {
        samples.entry(key).or_default().push(sample);
    }
}

fn figures<K: Ord>(samples: BTreeMap<K, Vec<Sample>>) -> BTreeMap<K, Figures> {
    let samples = samples.into_iter();
    samples
        .map(|(key, samples)| (key, Figures::of(&samples)))
        .collect()
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
