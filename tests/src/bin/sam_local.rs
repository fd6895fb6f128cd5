//! `make sam-local`: invokes each function with each of its events in `sam/events/` by `sam local invoke`, in Docker, against
//! the local AWS, and holds each answer against the one in `sam/answers/`.

use std::{
    ffi::OsString,
    fs,
    process::{ExitCode, Stdio},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tests::{
    command,
    containers::Endpoints,
    guardian::asked_to_stop,
    local_aws::{LocalAws, repository, tool},
    stack::{self, ARCHITECTURE},
};
use tokio::process::Command;

/// In the order of a run: the check is about the invalidation that was created before it.
const EVENTS: [&str; 10] = [
    "create-invalidation",
    "check-invalidation.in-progress",
    "check-invalidation.completed",
    "check-invalidation.timed-out",
    "report-status.succeeded",
    "report-status.failed",
    "report-status.timed-out",
    "report-status.execution-ended",
    "report-status.hook-failed",
    "hook",
];
const DISTRIBUTION: &str = "E2QWRUHAPOMQZL";
/// Stands in an expected answer for anything: an id, a time.
const ANYTHING: &str = "…";

#[tokio::main]
async fn main() -> Result<ExitCode> {
    tokio::select! {
        code = run() => code,
        asked = asked_to_stop() => {
            asked?;
            Ok(ExitCode::from(130))
        }
    }
}

async fn run() -> Result<ExitCode> {
    let base = std::env::args().nth(1);
    let base = base.context("say which image to build on; `make sam-local` does")?;
    every_event_is_invoked_and_has_an_answer()?;
    let aws = LocalAws::start().await?;
    let endpoints = Endpoints::open(&aws).await?;
    aws.stand_in.invalidations_take(DISTRIBUTION, None);
    stack::deploy(&aws, "local", &[("DistributionIds", DISTRIBUTION)]).await?;
    let image = Image::build(&endpoints, &base).await?;
    let mut failed = 0;
    for event in EVENTS {
        let function = function(event);
        let found = invoke(&aws, &image, &function, event).await;
        let verdict = found.and_then(|found| {
            let expected = answer(event)?;
            ensure!(
                is_like(&found, &expected),
                "answered {found}\n  instead of {expected}"
            );
            Ok(found)
        });
        match verdict {
            Ok(found) => println!("ok      {function} {event}: {found}"),
            Err(problem) => {
                failed += 1;
                println!("FAILED  {function} {event}: {problem:#}");
            }
        }
    }
    let passed = EVENTS.len() - failed;
    println!("sam-local: {passed} passed, {failed} failed");
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The function that an event is for, as the template calls it: `create-invalidation.…` is `CreateInvalidationFunction`'s.
fn function(event: &str) -> String {
    let stem = event.split('.').next().unwrap_or_default();
    let words = stem.split('-');
    let name: String = words
        .map(|word| word[..1].to_uppercase() + &word[1..])
        .collect();
    name + "Function"
}

fn every_event_is_invoked_and_has_an_answer() -> Result<()> {
    for folder in ["sam/events", "sam/answers"] {
        let files = fs::read_dir(repository().join(folder))?;
        let mut found = files
            .map(|file| Ok(file?.file_name()))
            .collect::<Result<Vec<_>>>()?;
        let mut expected = EVENTS.map(|event| OsString::from(format!("{event}.json")));
        found.sort();
        expected.sort();
        ensure!(
            found == expected,
            "{folder} has {found:?}, and EVENTS {expected:?}"
        );
    }
    Ok(())
}

/// The image that functions run in, which calls this local AWS. Nobody else's has its name, and it goes when this is
/// dropped.
struct Image(String);

impl Image {
    async fn build(endpoints: &Endpoints, base: &str) -> Result<Self> {
        let image = Self(format!("sam-local-{}", std::process::id()));
        let mut build = Command::new("docker");
        build
            .args(["build", "--quiet", "--tag", &image.0])
            .arg(format!("--build-arg=BASE={base}"));
        for (name, value) in &endpoints.environment {
            build.arg(format!("--build-arg={name}={value}"));
        }
        let dockerfile = fs::File::open(repository().join("sam/local.Dockerfile"))?;
        command::run(build.arg("-").stdin(Stdio::from(dockerfile))).await?;
        Ok(image)
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        // The second is what sam has built on it, and what a container that sam could not end may still run in.
        let rapid = format!("{}:rapid-{ARCHITECTURE}", self.0);
        let docker = |arguments: &[&str]| {
            let output = std::process::Command::new("docker")
                .args(arguments)
                .output();
            output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        };
        let filter = format!("ancestor={rapid}");
        let left = docker(&["ps", "--all", "--quiet", "--filter", &filter]).unwrap_or_default();
        for container in left.lines() {
            let _ = docker(&["rm", "--force", container]);
        }
        let _ = docker(&["image", "rm", "--force", &rapid, &self.0]);
    }
}

async fn invoke(aws: &LocalAws, image: &Image, function: &str, event: &str) -> Result<Value> {
    let invoked = command::run(
        Command::new(tool("sam", "sam"))
            .args(["local", "invoke", function])
            .args(["--template", "../target/sam-lambda/template.yaml"])
            .args(["--event", &format!("events/{event}.json")])
            .args(["--env-vars", "local-env.json"])
            .args(["--invoke-image", &image.0, "--skip-pull-image"])
            .arg("--parameter-overrides")
            .arg(format!("DistributionIds={DISTRIBUTION}"))
            .current_dir(repository().join("sam"))
            .envs(aws.cli_environment()),
    )
    .await?;
    let answer = command::text(&invoked.stdout);
    let last = answer.lines().last().unwrap_or_default();
    serde_json::from_str(last).with_context(|| format!("the answer is no JSON: {last:?}"))
}

fn answer(event: &str) -> Result<Value> {
    let file = repository().join(format!("sam/answers/{event}.json"));
    let text = fs::read_to_string(&file).with_context(|| format!("no {}", file.display()))?;
    Ok(serde_json::from_str(&text)?)
}

fn is_like(found: &Value, expected: &Value) -> bool {
    match (found, expected) {
        (_, Value::String(text)) if text == ANYTHING => true,
        (Value::Object(found), Value::Object(expected)) => {
            found.len() == expected.len()
                && expected
                    .iter()
                    .all(|(name, value)| found.get(name).is_some_and(|f| is_like(f, value)))
        }
        (Value::Array(found), Value::Array(expected)) => {
            found.len() == expected.len() && found.iter().zip(expected).all(|(f, e)| is_like(f, e))
        }
        _ => found == expected,
    }
}
