//! The fault matrix on both engines. Without arguments it runs the quick cases, with `--include-ignored` all, and with another
//! argument those that have it in their name, as in `make faults FAULTS="Report, Denied"`.
//!
//! `make test` builds the functions first. Without the tools that `make tools` installs, all of it fails and says so.

mod suite;

use std::{collections::BTreeSet, process::ExitCode, sync::Arc, time::Instant};

use anyhow::{Context, Result, ensure};
use libtest_mimic::{Arguments, Conclusion, Trial};
use stand_in::{ConnectionFault, Fault};
use strum::VariantArray;
use suite::{Suite, none_of, python};
use tests::{
    case::Case,
    edge,
    environment::WAIT_SCALE,
    interpreter::{Engine, skipped_time},
    judge::{Kind, Violation},
    matrix,
    run::Run,
};
use tokio::sync::{Mutex, Semaphore};

/// How many run at a time: more would starve each other on two processors.
static SHORT_CASES: Semaphore = Semaphore::const_new(32);
/// Long cases mostly wait, but what they do in between must not slow down cases whose limits are short.
static LONG_CASES: Semaphore = Semaphore::const_new(200);
/// An engine that starts many executions at once takes longer than the hook function has time.
static STARTS: Semaphore = Semaphore::const_new(4);
/// Of the load, while nothing else runs.
static STARTS_OF_THE_LOAD: Semaphore = Semaphore::const_new(20);
/// `make mutants` searches for this: such a case says nothing about the product.
const NOT_FINISHED: &str = "the case was not finished";

/// The cases that have run, each with the guarantees that did not hold.
static FINISHED: Mutex<Vec<(Run, Vec<Violation>)>> = Mutex::const_new(Vec::new());

fn main() -> Result<ExitCode> {
    let mut arguments = Arguments::from_args();
    // Each case has a thread, and waits for its turn by itself.
    arguments.test_threads = Some(matrix::all().len() * Engine::VARIANTS.len());
    let suite = Suite::new(Some(WAIT_SCALE))?;
    let began = Instant::now();
    // The load goes first, while the engines have few executions to search.
    let parts = if arguments.include_ignored || arguments.filter.is_some() {
        vec![matrix::load(), matrix::all()]
    } else {
        vec![matrix::quick()]
    };
    let mut conclusions = Vec::new();
    for cases in parts {
        let trials = trials(&suite, cases);
        conclusions.push(suite.run(&arguments, trials)?);
    }
    if arguments.list {
        return Ok(ExitCode::SUCCESS);
    }
    let counts = conclusions.iter().map(|c| c.num_passed + c.num_failed);
    let count = counts.sum();
    ensure!(count > 0, "no case has this in its name (see --list)");
    arguments.filter = None;
    let name = "nothing comes late, and the dead-letter queues have what they must";
    let late = suite.trial(name, async |suite| {
        none_of(&late_effects(suite).await.context(NOT_FINISHED)?)
    });
    conclusions.push(suite.run(&arguments, vec![late])?);
    let finished = std::mem::take(&mut *FINISHED.blocking_lock());
    print_summary(&finished, count, began);
    let has_failed = conclusions.iter().any(Conclusion::has_failed);
    Ok(ExitCode::from(u8::from(has_failed)))
}

/// The cases on each of their engines: the long ones, then the others; of both, first those in which a call gets no response, then those
/// with an edge location; each from the last in the files to the first, because the last take longest.
fn trials(suite: &Arc<Suite>, mut cases: Vec<Case>) -> Vec<Trial> {
    if edge::varnishd().is_none() {
        let all = cases.len();
        cases.retain(|case| case.stack.verified.is_empty());
        let skipped = all - cases.len();
        println!("skipped: {skipped} cases with an edge location, because there is no varnishd");
    }
    cases.reverse();
    let slow = Fault::After(ConnectionFault::NoResponse);
    let is_slow = |case: &Case| case.faults.iter().any(|planned| planned.fault == slow);
    cases.sort_by_key(|case| (!case.long, !is_slow(case), case.stack.verified.is_empty()));
    let mut names = BTreeSet::new();
    let mut trials = Vec::new();
    for case in cases {
        for &engine in &case.engines {
            let mut case = case.clone();
            case.name = format!("{} on {engine}", case.name);
            let name = case.name.clone();
            assert!(names.insert(name.clone()), "two cases are called {name}");
            trials.push(suite.trial(name, async move |suite| {
                let run = meet(suite, engine, case).await.context(NOT_FINISHED)?;
                let violations = run.judge();
                if !violations.is_empty() {
                    print_calls(&run);
                }
                let result = none_of(&violations);
                FINISHED.lock().await.push((run, violations));
                result
            }));
        }
    }
    trials
}

async fn meet(suite: &Suite, engine: Engine, case: Case) -> Result<Run> {
    let kind = if case.long { &LONG_CASES } else { &SHORT_CASES };
    let _turn = kind.acquire().await?;
    let environment = suite.environment().await?;
    let stack = environment.stack(&case).await?;
    let starts = match case.deployment {
        Some(_) => &STARTS_OF_THE_LOAD,
        None => &STARTS,
    };
    let start = starts.acquire().await?;
    let mut run = Run::new(environment, engine, case, stack);
    run.trigger().await?;
    drop(start);
    run.finish().await?;
    Ok(run)
}

/// Judges all cases once more when all are over: with whatever came late, the dead-letter queues, and the time that the engines
/// skipped.
async fn late_effects(suite: &Suite) -> Result<Vec<Violation>> {
    let environment = suite.environment().await?;
    let stacks = environment.stacks().await.into_iter();
    let stacks: Vec<_> = stacks.map(|stack| stack.name).collect();
    let dead_letters = python(environment, "dead_letters.py", &stacks).await?;
    let skipped = skipped_time(environment.folder.path())?;
    let mut late = Vec::new();
    for (run, violations) in &mut *FINISHED.lock().await {
        run.observe();
        let id = &run.deployment.id;
        run.outcome.skipped = skipped.get(id).cloned().unwrap_or_default();
        run.outcome.dead_letter = Some(dead_letters.contains(id));
        for violation in run.judge() {
            if !violations.contains(&violation) {
                println!("{violation}");
                print_calls(run);
                late.push(violation.clone());
                violations.push(violation);
            }
        }
    }
    Ok(late)
}

fn print_summary(finished: &[(Run, Vec<Violation>)], cases: u64, began: Instant) {
    let count = |kind| {
        let violations = finished.iter().flat_map(|(_, violations)| violations);
        violations.filter(|found| found.kind == kind).count() as u64
    };
    // A case that was not finished has come to nothing right.
    let unfinished = cases - finished.len() as u64;
    println!(
        "faults: {cases} cases, {} without a status, {} wrong, {} invalidated twice, in {} s",
        count(Kind::NoStatus),
        count(Kind::Wrong) + unfinished,
        count(Kind::InvalidatedTwice),
        began.elapsed().as_secs()
    );
}

/// The calls of a case, the first and the last of them where there are many.
fn print_calls(run: &Run) {
    const SHOWN: usize = 40;
    let outcome = &run.outcome;
    let count = outcome.calls.len();
    println!("{}: {:?}", run.case.name, outcome.execution);
    for (number, call) in outcome.calls.iter().enumerate() {
        if number < SHOWN / 2 || number + SHOWN / 2 >= count {
            let after = call.at.duration_since(outcome.began).unwrap_or_default();
            let after = after.as_secs_f64();
            let called = format!("{:?} {}: {}", call.operation, call.subject, call.request);
            let response = call.error.as_deref().unwrap_or("ok");
            println!("  {after:7.1} s  {called} -> {response}");
        }
    }
}
