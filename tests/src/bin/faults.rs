//! `make faults`: runs the fault matrix on both engines, and ends with one line of figures.

use std::{
    collections::BTreeSet,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Result;
use futures_util::future::join_all;
use tests::{
    faults::{
        cases::{self, Case},
        lab::{Engine, Lab},
        verdict::{self, Outcome, Wrong},
    },
    guardian,
    scenario::Deployment,
};
use tokio::sync::{Mutex, Semaphore};

/// More would starve each other on two processors.
const CASES_AT_A_TIME: usize = 20;
/// Of those that take long: they wait, for the next try or for a function that times out, which costs nothing.
const LONG_CASES_AT_A_TIME: usize = 400;
const PROGRESS_INTERVAL: Duration = Duration::from_secs(15);
/// So few cases are named when they are all that is left: one of them may be the one that hangs.
const NAMED_IN_PROGRESS: usize = 5;

/// A case on an engine, and what came of it.
struct Met {
    case: Case,
    engine: Engine,
    result: Result<(Deployment, Outcome)>,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    tokio::select! {
        code = run() => code,
        stopped = guardian::asked_to_stop() => {
            stopped?;
            Ok(ExitCode::FAILURE)
        }
    }
}

async fn run() -> Result<ExitCode> {
    let mut engines = Engine::ALL.to_vec();
    let mut quick = false;
    let mut filters = Vec::new();
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--quick" => quick = true,
            "--engine=ministack" => engines.retain(|engine| *engine == Engine::Ministack),
            "--engine=moto" => engines.retain(|engine| *engine == Engine::Moto),
            _ => filters.push(argument),
        }
    }
    let began = Instant::now();
    let mut runs: Vec<_> = cases::all()
        .into_iter()
        .filter(|case| filters.iter().all(|part| case.to_string().contains(part)))
        .filter(|case| !quick || case.is_quick())
        .flat_map(|case| engines.iter().map(move |engine| (case.clone(), *engine)))
        .filter(|(case, engine)| !case.on_moto_only || *engine == Engine::Moto)
        .collect();
    // Those that take long first.
    runs.sort_by_key(|(case, _)| !case.long);
    let needed: Vec<_> = runs.iter().map(|(case, _)| case).collect();
    println!("deploying the stacks of {} cases …", runs.len());
    let lab = Arc::new(Lab::start(&needed, &engines).await?);
    let (load, matrix): (Vec<_>, Vec<_>) = runs.into_iter().partition(|(case, _)| case.is_load());
    // First, while the engines have few executions to look through.
    let mut met = Vec::new();
    for engine in Engine::ALL {
        let hooks = load.iter().filter(|(_, on)| *on == engine);
        let hooks = hooks.map(|(case, _)| meet(&lab, case, engine));
        met.extend(join_all(hooks).await);
    }
    met.extend(meet_all(&lab, matrix).await);
    report(&lab, met, &engines, began).await
}

async fn meet_all(lab: &Arc<Lab>, runs: Vec<(Case, Engine)>) -> Vec<Met> {
    let turns = Arc::new(Semaphore::new(CASES_AT_A_TIME));
    let long_turns = Arc::new(Semaphore::new(LONG_CASES_AT_A_TIME));
    let left: BTreeSet<_> = runs
        .iter()
        .map(|(case, engine)| format!("{case} on {engine}"))
        .collect();
    assert_eq!(left.len(), runs.len(), "two cases have the same name");
    let left = Arc::new(Mutex::new(left));
    let progress = tokio::spawn({
        let left = Arc::clone(&left);
        async move {
            let mut named = 0;
            loop {
                tokio::time::sleep(PROGRESS_INTERVAL).await;
                let left = left.lock().await;
                println!("  {} cases left", left.len());
                if left.len() <= NAMED_IN_PROGRESS && left.len() != named {
                    named = left.len();
                    left.iter().for_each(|name| println!("    {name}"));
                }
            }
        }
    });
    let meetings = runs.into_iter().map(|(case, engine)| {
        let (lab, left) = (Arc::clone(lab), Arc::clone(&left));
        let turns = Arc::clone(if case.long { &long_turns } else { &turns });
        async move {
            let turn = turns.acquire().await;
            let met = meet(&lab, &case, engine).await;
            drop(turn);
            left.lock().await.remove(&format!("{case} on {engine}"));
            met
        }
    });
    let met = join_all(meetings).await;
    progress.abort();
    met
}

async fn meet(lab: &Lab, case: &Case, engine: Engine) -> Met {
    Met {
        case: case.clone(),
        engine,
        result: lab.meet(case, engine).await,
    }
}

/// Judges all cases when all are over, so that whatever came late is seen, too.
async fn report(
    lab: &Lab,
    mut met: Vec<Met>,
    engines: &[Engine],
    began: Instant,
) -> Result<ExitCode> {
    let deaf = met.iter().filter(|met| met.case.deaf);
    let deaf: BTreeSet<_> = deaf
        .filter_map(|met| met.result.as_ref().ok())
        .map(|(deployment, _)| deployment.id.as_str())
        .collect();
    let dead_letters = lab.dead_letters(&deaf).await?;
    let (mut unanswered, mut wrong_answers, mut double_purges) = (0, 0, 0);
    for met in &mut met {
        let wrong = match &mut met.result {
            Ok((deployment, outcome)) => {
                lab.complete(deployment, outcome);
                outcome.dead_letter = dead_letters.contains(&deployment.id);
                verdict::judge(&met.case, outcome, lab.definition())
            }
            Err(error) => vec![Wrong::Answer(format!("the case broke off: {error:#}"))],
        };
        if wrong.is_empty() {
            continue;
        }
        println!("\n{} on {}:", met.case, met.engine);
        for wrong in &wrong {
            println!("  {wrong}");
            match wrong {
                Wrong::Unanswered(_) => unanswered += 1,
                Wrong::Answer(_) => wrong_answers += 1,
                Wrong::DoublePurge(_) => double_purges += 1,
            }
        }
        if let Ok((_, outcome)) = &met.result {
            print_log(outcome);
        }
    }
    let count = |engine| met.iter().filter(|met| met.engine == engine).count();
    let counts: Vec<_> = engines
        .iter()
        .map(|engine| format!("{} on {engine}", count(*engine)))
        .collect();
    println!(
        "\n{}, in {} s",
        counts.join(", "),
        began.elapsed().as_secs()
    );
    println!(
        "faults: {} cases, {unanswered} unanswered, {wrong_answers} wrong answers, {double_purges} double purges",
        met.len()
    );
    let all_is_well = unanswered + wrong_answers + double_purges == 0 && !met.is_empty();
    Ok(if all_is_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The calls of a case, the first and the last of them where there are many.
fn print_log(outcome: &Outcome) {
    const SHOWN: usize = 40;
    println!("  {:?}", outcome.execution);
    for (number, call) in outcome.log.iter().enumerate() {
        if number == SHOWN / 2 && outcome.log.len() > SHOWN {
            println!("  … {} calls …", outcome.log.len() - SHOWN);
        }
        if number < SHOWN / 2 || number + SHOWN / 2 >= outcome.log.len() {
            println!(
                "  {:7.1} s  {:?} {}: {:?}{}",
                call.at
                    .duration_since(outcome.began)
                    .unwrap_or_default()
                    .as_secs_f64(),
                call.operation,
                call.subject,
                call.request,
                call.error
                    .as_ref()
                    .map(|e| format!(" -> {e}"))
                    .unwrap_or_default()
            );
        }
    }
}
