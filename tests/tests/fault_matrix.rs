//! The fault matrix on both engines. Without arguments it runs the quick cases, with `--include-ignored` all, and with another
//! argument those that have it in their name, as in `make faults FAULTS="Report, Denied"`.
//!
//! `make test` builds the functions first. Without the tools that `make tools` installs, all of it fails and says so.

mod suite;

use std::{
    collections::BTreeSet,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use aws_sdk_sqs::{Client, types::QueueAttributeName as Attribute};
use libtest_mimic::{Arguments, Conclusion, Trial};
use strum::VariantArray;
use suite::{Suite, none_of};
use tests::{
    case::Case,
    edge,
    environment::{Engine, Environment, WAIT_SCALE},
    judge::{Kind, Violation},
    matrix,
    run::Run,
    until::until,
};
use tokio::sync::{Mutex, Semaphore};

/// How many run at a time: more would starve each other on two processors.
static SHORT_CASES: Semaphore = Semaphore::const_new(32);
/// Long cases mostly wait, but what they do in between must not slow down cases whose limits are short.
static LONG_CASES: Semaphore = Semaphore::const_new(200);
/// The newest hundred invalidations of a distribution always include the one that is searched for.
static SEARCHED_CASES: Semaphore = Semaphore::const_new(40);
/// An engine that starts many executions at once takes longer than the hook function has time.
static STARTS: Semaphore = Semaphore::const_new(4);
/// Of the load, while nothing else runs.
static STARTS_OF_THE_LOAD: Semaphore = Semaphore::const_new(20);
/// A message leaves the queue of pending reports after 55 receipts at the latest, each of which can time out.
const DEAD_LETTER_PATIENCE: Duration = Duration::from_mins(15);
/// `make mutants` searches for this: such a case says nothing about the product.
const NOT_FINISHED: &str = "the case was not finished";

/// The cases that have run, each with the guarantees that did not hold.
type Finished = Mutex<Vec<(Run, Vec<Violation>)>>;

fn main() -> Result<ExitCode> {
    let mut arguments = Arguments::from_args();
    // Each case has a thread, and waits for its turn by itself.
    arguments.test_threads = Some(matrix::all().len() * Engine::VARIANTS.len());
    let suite = Suite::new(Some(WAIT_SCALE))?;
    let finished = Arc::new(Finished::default());
    let began = Instant::now();
    // The load goes first, while the engines have few executions to search.
    let parts = if arguments.include_ignored || arguments.filter.is_some() {
        vec![matrix::load(), matrix::all()]
    } else {
        vec![matrix::quick()]
    };
    let mut conclusions = Vec::new();
    for cases in parts {
        let trials = trials(&suite, &finished, cases);
        conclusions.push(suite.run(&arguments, trials)?);
    }
    if arguments.list {
        return Ok(ExitCode::SUCCESS);
    }
    let counts = conclusions.iter().map(|c| c.num_passed + c.num_failed);
    let count = counts.sum();
    ensure!(
        count > 0,
        "no case has this in its name; `--list` shows the names"
    );
    arguments.filter = None;
    let name = "nothing comes late, and the dead-letter queues have what they must";
    let of_late_effects = Arc::clone(&finished);
    let late = async move |suite: &Suite| {
        let violations = late_effects(suite, &of_late_effects).await;
        none_of(&violations.context(NOT_FINISHED)?)
    };
    let late = suite.trial(name, late);
    conclusions.push(suite.run(&arguments, vec![late])?);
    print_summary(&finished.blocking_lock(), count, began);
    let has_failed = conclusions.iter().any(Conclusion::has_failed);
    Ok(ExitCode::from(u8::from(has_failed)))
}

/// The cases on each of their engines: the long ones first, of which the last in the files take longest, then those with an edge
/// location.
fn trials(suite: &Arc<Suite>, finished: &Arc<Finished>, mut cases: Vec<Case>) -> Vec<Trial> {
    let all = cases.len();
    cases.retain(|case| case.stack.verified.is_empty() || edge::varnish().is_some());
    if cases.len() < all {
        let skipped = all - cases.len();
        println!("skipped: {skipped} cases with an edge location, because there is no varnishd");
    }
    let (long, mut short): (Vec<_>, Vec<_>) = cases.into_iter().partition(|case| case.long);
    short.sort_by_key(|case| case.stack.verified.is_empty());
    let mut names = BTreeSet::new();
    let mut trials = Vec::new();
    for case in long.into_iter().rev().chain(short) {
        for &engine in &case.engines {
            let mut case = case.clone();
            case.name = format!("{} on {engine}", case.name);
            let name = case.name.clone();
            assert!(names.insert(name.clone()), "two cases are called {name}");
            let finished = Arc::clone(finished);
            trials.push(suite.trial(name, async move |suite| {
                let run = meet(suite, engine, case).await;
                let run = run.context(NOT_FINISHED)?;
                let violations = run.judge();
                if !violations.is_empty() {
                    print_calls(&run);
                }
                let result = none_of(&violations);
                finished.lock().await.push((run, violations));
                result
            }));
        }
    }
    trials
}

async fn meet(suite: &Suite, engine: Engine, case: Case) -> Result<Run> {
    let kind = if case.long { &LONG_CASES } else { &SHORT_CASES };
    let mut turns = vec![kind.acquire().await?];
    if case.stack.distributions == matrix::SEARCHED {
        turns.push(SEARCHED_CASES.acquire().await?);
    }
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
    drop(turns);
    Ok(run)
}

/// Judges all cases once more when all are over: with whatever came late, the dead-letter queues, and the time that the engines
/// skipped.
async fn late_effects(suite: &Suite, finished: &Finished) -> Result<Vec<Violation>> {
    let environment = suite.environment().await?;
    let dead_letters = dead_letters(environment).await?;
    let skipped = environment.skipped_time()?;
    let mut late = Vec::new();
    for (run, violations) in &mut *finished.lock().await {
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
    let violations = finished.iter().flat_map(|(_, violations)| violations);
    let kinds: Vec<_> = violations.map(|violation| violation.kind).collect();
    let count = |kind| kinds.iter().filter(|found| **found == kind).count() as u64;
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

/// The messages in the dead-letter queues of all stacks, once no report is pending any more.
async fn dead_letters(environment: &Environment) -> Result<String> {
    let sqs = Client::new(&environment.aws.ministack.config);
    let began = Instant::now();
    let mut found = String::new();
    let queues = ["PendingReports", "Rollbacks"];
    let stacks = environment.stacks().await;
    for (stack, queue) in stacks.iter().flat_map(|s| queues.map(|queue| (s, queue))) {
        let is_empty = async || is_empty(&sqs, &stack.outputs[&format!("{queue}QueueUrl")]).await;
        let patience = DEAD_LETTER_PATIENCE.saturating_sub(began.elapsed());
        ensure!(
            until(patience, Duration::from_millis(500), is_empty).await?,
            "messages of {} are in the queue {queue}",
            stack.name
        );
        let queue = queue.trim_start_matches("Pending");
        let queue_url = &stack.outputs[&format!("{queue}DeadLetterQueueUrl")];
        let receive = || {
            sqs.receive_message()
                .queue_url(queue_url)
                .max_number_of_messages(10)
                .visibility_timeout(43_200)
        };
        while let Some(messages) = receive().send().await?.messages
            && !messages.is_empty()
        {
            found.extend(messages.into_iter().filter_map(|message| message.body));
        }
    }
    Ok(found)
}

async fn is_empty(sqs: &Client, queue_url: &str) -> Result<bool> {
    let counts = [
        Attribute::ApproximateNumberOfMessages,
        Attribute::ApproximateNumberOfMessagesNotVisible,
    ];
    let get = sqs.get_queue_attributes().queue_url(queue_url);
    let get = get.set_attribute_names(Some(counts.to_vec()));
    let found = get.send().await?.attributes.unwrap_or_default();
    Ok(found.len() == counts.len() && found.values().all(|count| count == "0"))
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
