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
    let mut runs = runs();
    let mut samples: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for round in 0..=ROUNDS {
        // Whoever comes after one that fills the processor's caches is slower.
        fastrand::Rng::with_seed(round as u64).shuffle(&mut runs);
        for &(candidate, memory) in &runs {
            let sample = sample(&world, candidate, memory, &folder).await?;
            // The first round fills the page cache, and is not counted.
            if round > 0 {
                samples.entry((candidate, memory)).or_default().push(sample);
            }
        }
    }
    drop(world);
    let (mut unlimited, mut limited) = (BTreeMap::new(), BTreeMap::new());
    for ((candidate, memory), samples) in samples {
        let figures = Figures::of(&samples);
        match memory {
            None => unlimited.insert(candidate, figures),
            Some(memory) => limited.insert((memory, candidate), figures),
        };
    }
    println!("letting deployments happen, to count what they use …");
    let logs = folder.join("moto");
    if logs.exists() {
        fs::remove_dir_all(&logs)?;
    }
    fs::create_dir(&logs)?;
    let costs = costs::count(&logs).await?;
    let measured = Measured {
        machine: machine(),
        rounds: ROUNDS,
        zips,
        unlimited,
        limited,
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

/// All of a round: everybody without a limit and as a function of the deployed memory, ours with more memory as well.
fn runs() -> Vec<(Candidate, Option<Memory>)> {
    let memories = memories();
    let mut runs = Vec::new();
    for candidate in Candidate::all() {
        runs.push((candidate, None));
        for &memory in memories {
            if memory == DEPLOYED || matches!(candidate, Candidate::Product(_)) {
                runs.push((candidate, Some(memory)));
            }
        }
    }
    runs
}

/// Those whose share of a processor this user may set.
fn memories() -> &'static [Memory] {
    match CpuLimit::new(DEPLOYED) {
        Ok(_) => &MEMORIES,
        Err(error) => {
            println!(
                "no figures with a limited processor, because a control group cannot be made ({error}); root may"
            );
            &[]
        }
    }
}

async fn sample(
    world: &World,
    candidate: Candidate,
    memory: Option<Memory>,
    folder: &Path,
) -> Result<Sample> {
    let log = folder.join("candidate.log");
    measure(
        candidate,
        &world.invalidation,
        &world.environment,
        memory,
        &log,
    )
    .await
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
