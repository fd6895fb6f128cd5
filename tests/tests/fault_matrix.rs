//! The fault matrix on both engines. Without arguments it runs the quick cases, with `--include-ignored` all, and with another
//! argument those that have it in their name, as in `make faults FAULTS="Report, Denied"`.
//!
//! `make test` builds the functions first. Without the tools that `make tools` installs, all of it fails and says so.

use std::{
    collections::BTreeSet,
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use aws_sdk_sqs::types::QueueAttributeName;
use libtest_mimic::{Arguments, Failed, Trial};
use strum::VariantArray;
use tests::{
    case::{Case, Deployment},
    environment::{Engine, Environment},
    judge::{Kind, Outcome, Violation, judge},
    matrix,
    run::{Run, observe_again},
};
use tokio::{
    runtime::Runtime,
    sync::{OnceCell, Semaphore},
};

/// How many run at a time: more would starve each other on two processors.
static SHORT_CASES: Semaphore = Semaphore::const_new(20);
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

fn main() -> Result<ExitCode> {
    let mut arguments = Arguments::from_args();
    // Each case has a thread, and waits for its turn by itself.
    arguments.test_threads = Some(matrix::all().len() * Engine::VARIANTS.len());
    let runtime = Runtime::new()?;
    let matrix = Arc::new(Matrix::new(runtime));
    let began = Instant::now();
    let all = arguments.include_ignored || arguments.filter.is_some();
    // The load goes first, while the engines have few executions to search.
    let load = matrix.run(&arguments, if all { matrix::load() } else { Vec::new() });
    let cases = matrix.run(
        &arguments,
        if all { matrix::all() } else { matrix::quick() },
    );
    if arguments.list {
        return Ok(ExitCode::SUCCESS);
    }
    let late = matrix.run_late_effects(&arguments);
    let count = load.num_passed + load.num_failed + cases.num_passed + cases.num_failed;
    matrix.print_summary(count, began);
    let has_failed = [load, cases, late]
        .iter()
        .any(libtest_mimic::Conclusion::has_failed);
    ensure!(
        count > 0,
        "no case has this in its name; `--list` shows the names"
    );
    Ok(ExitCode::from(u8::from(has_failed)))
}

/// A case that has run.
struct Finished {
    name: String,
    case: Case,
    deployment: Deployment,
    outcome: Outcome,
}

/// The environment of all cases, and what came of those that have run.
struct Matrix {
    environment: OnceCell<Environment>,
    finished: Mutex<Vec<Finished>>,
    violations: Mutex<Vec<Violation>>,
    runtime: Runtime,
}

impl Matrix {
    fn new(runtime: Runtime) -> Self {
        Self {
            environment: OnceCell::new(),
            finished: Mutex::default(),
            violations: Mutex::default(),
            runtime,
        }
    }

    fn run(
        self: &Arc<Self>,
        arguments: &Arguments,
        mut cases: Vec<Case>,
    ) -> libtest_mimic::Conclusion {
        cases.sort_by_key(|case| !case.long);
        let mut names = BTreeSet::new();
        let mut trials = Vec::new();
        for case in cases {
            for &engine in &case.engines {
                let name = format!("{} on {engine}", case.name);
                assert!(names.insert(name.clone()), "two cases are called {name}");
                let (matrix, case) = (Arc::clone(self), case.clone());
                trials.push(Trial::test(name.clone(), move || {
                    let run = matrix.meets(name, case, engine);
                    matrix.runtime.block_on(matrix.conclude(run))
                }));
            }
        }
        libtest_mimic::run(arguments, trials)
    }

    async fn conclude(
        &self,
        run: impl Future<Output = Result<Vec<Violation>>>,
    ) -> Result<(), Failed> {
        let violations = run.await.unwrap_or_else(|error| {
            let what = format!("the case was not finished: {error:#}");
            vec![Violation {
                kind: Kind::Wrong,
                what,
            }]
        });
        if violations.is_empty() {
            return Ok(());
        }
        let lines: Vec<_> = violations.iter().map(Violation::to_string).collect();
        lock(&self.violations).extend(violations);
        Err(lines.join("\n").into())
    }

    async fn environment(&self) -> Result<&Environment> {
        let start = Environment::start_accelerated;
        self.environment.get_or_try_init(start).await
    }

    async fn meets(&self, name: String, case: Case, engine: Engine) -> Result<Vec<Violation>> {
        let _turn = if case.long { &LONG_CASES } else { &SHORT_CASES }
            .acquire()
            .await?;
        let is_searched = case.stack.distributions == matrix::SEARCHED;
        let _searched = if is_searched {
            Some(SEARCHED_CASES.acquire().await?)
        } else {
            None
        };
        let environment = self.environment().await?;
        let stack = environment.stack(&case).await?;
        let is_of_the_load = case.deployment.is_some();
        let starts = if is_of_the_load {
            &STARTS_OF_THE_LOAD
        } else {
            &STARTS
        };
        let start = starts.acquire().await?;
        let run = Run::new(environment, engine, &case, &stack);
        let response = run.trigger().await?;
        run.until_called().await;
        drop(start);
        let outcome = run.finish(response, None).await?;
        let deployment = run.deployment;
        let violations = judge(&case, &outcome);
        if !violations.is_empty() {
            print_calls(&name, &outcome);
        }
        lock(&self.finished).push(Finished {
            name,
            case,
            deployment,
            outcome,
        });
        Ok(violations)
    }

    /// Judges all cases once more when all are over: with whatever came late, the dead-letter queues, and the time that the
    /// engines skipped.
    fn run_late_effects(self: &Arc<Self>, arguments: &Arguments) -> libtest_mimic::Conclusion {
        let matrix = Arc::clone(self);
        let name = "nothing comes late, and the dead-letter queues have what they must";
        let trial = Trial::test(name, move || {
            let late = matrix.late_effects();
            matrix.runtime.block_on(matrix.conclude(late))
        });
        let arguments = Arguments {
            filter: None,
            ..arguments.clone()
        };
        libtest_mimic::run(&arguments, vec![trial])
    }

    async fn late_effects(&self) -> Result<Vec<Violation>> {
        let environment = self.environment().await?;
        let mut finished = std::mem::take(&mut *lock(&self.finished));
        let dead_letters = dead_letters(environment).await?;
        let skipped = environment.skipped_time()?;
        let mut violations = Vec::new();
        for Finished {
            name,
            case,
            deployment,
            outcome,
        } in &mut finished
        {
            let before = judge(case, outcome);
            observe_again(environment, deployment, outcome);
            let skipped = skipped.iter().filter(|s| s.is_about(&deployment.id));
            outcome.skipped = skipped.cloned().collect();
            outcome.dead_letter = Some(dead_letters.contains(&deployment.id));
            for violation in judge(case, outcome) {
                if !before.contains(&violation) {
                    println!("{violation}");
                    print_calls(name, outcome);
                    violations.push(violation);
                }
            }
        }
        Ok(violations)
    }

    fn print_summary(&self, cases: u64, began: Instant) {
        let violations = lock(&self.violations);
        let count = |kind| {
            violations
                .iter()
                .filter(|violation| violation.kind == kind)
                .count()
        };
        println!(
            "faults: {cases} cases, {} without a status, {} wrong, {} invalidated twice, in {} s",
            count(Kind::NoStatus),
            count(Kind::Wrong),
            count(Kind::InvalidatedTwice),
            began.elapsed().as_secs()
        );
    }
}

/// The messages in the dead-letter queues of all stacks, once no report is pending any more.
async fn dead_letters(environment: &Environment) -> Result<String> {
    let sqs = &environment.aws.clients.sqs;
    let began = Instant::now();
    let mut found = String::new();
    for (stack, _) in environment.stacks().await {
        while !is_empty(sqs, &stack.outputs["PendingReportsQueueUrl"]).await? {
            ensure!(
                began.elapsed() < DEAD_LETTER_PATIENCE,
                "reports of {} are pending",
                stack.name
            );
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        loop {
            let receive = sqs.receive_message().max_number_of_messages(10);
            let receive = receive.queue_url(&stack.outputs["ReportsDeadLetterQueueUrl"]);
            let messages = receive.visibility_timeout(43_200).send().await?.messages;
            let Some(messages) = messages.filter(|messages| !messages.is_empty()) else {
                break;
            };
            found.extend(messages.into_iter().filter_map(|message| message.body));
        }
    }
    Ok(found)
}

async fn is_empty(sqs: &aws_sdk_sqs::Client, queue_url: &str) -> Result<bool> {
    let get = sqs.get_queue_attributes().queue_url(queue_url);
    let attributes = get
        .attribute_names(QueueAttributeName::All)
        .send()
        .await?
        .attributes;
    let attributes = attributes.unwrap_or_default();
    let counts = [
        QueueAttributeName::ApproximateNumberOfMessages,
        QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
    ];
    Ok(counts
        .iter()
        .all(|count| attributes.get(count).is_some_and(|count| count == "0")))
}

/// The calls of a case, the first and the last of them where there are many.
fn print_calls(name: &str, outcome: &Outcome) {
    const SHOWN: usize = 40;
    let count = outcome.calls.len();
    println!("{name}: {:?}", outcome.execution);
    for (number, call) in outcome.calls.iter().enumerate() {
        if number < SHOWN / 2 || number + SHOWN / 2 >= count {
            let after = call.at.duration_since(outcome.began).unwrap_or_default();
            println!(
                "  {:7.1} s  {:?} {}: {:?} -> {}",
                after.as_secs_f64(),
                call.operation,
                call.subject,
                call.request,
                call.error.as_deref().unwrap_or("ok")
            );
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
