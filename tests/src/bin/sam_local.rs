//! `make sam-local`: invokes every function with every event of `sam/events/` by `sam local invoke`, in Docker, against
//! the local AWS, and holds each answer against the one in `sam/answers/`.

use std::{
    fs,
    path::Path,
    process::{ExitCode, Stdio},
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tests::{
    containers::Endpoints,
    guardian::asked_to_stop,
    local_aws::{LocalAws, repository, tool},
    stack::{self, ARCHITECTURE},
};
use tokio::process::Command;

/// In the order of a run: the check is about the invalidation that was created before it.
const INVOCATIONS: [(&str, &str); 10] = [
    ("CreateInvalidationFunction", "create-invalidation"),
    (
        "CheckInvalidationFunction",
        "check-invalidation.in-progress",
    ),
    ("CheckInvalidationFunction", "check-invalidation.completed"),
    ("CheckInvalidationFunction", "check-invalidation.overdue"),
    ("ReportStatusFunction", "report-status.succeeded"),
    ("ReportStatusFunction", "report-status.failed"),
    ("ReportStatusFunction", "report-status.overdue"),
    ("ReportStatusFunction", "report-status.execution-ended"),
    ("ReportStatusFunction", "report-status.entry-failed"),
    ("HookFunction", "hook"),
];
const DISTRIBUTION: &str = "E2QWRUHAPOMQZL";
/// Stands in an expected answer for anything: an id, a time.
const ANYTHING: &str = "…";
/// This machine's architecture as Docker names it.
const PLATFORM: &str = if cfg!(target_arch = "aarch64") {
    "arm64"
} else {
    "amd64"
};

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
    every_event_is_invoked()?;
    let aws = LocalAws::start().await?;
    let endpoints = match Endpoints::open(&aws).await {
        Ok(endpoints) => endpoints,
        Err(reason) => {
            println!("nothing was invoked: {reason:#}");
            println!(
                "sam-local: 0 passed, 0 failed, {} skipped",
                INVOCATIONS.len()
            );
            return Ok(ExitCode::SUCCESS);
        }
    };
    aws.stand_in.purge_takes(DISTRIBUTION, None);
    stack::deploy(&aws, "local", &[("DistributionIds", DISTRIBUTION)]).await?;
    let image = Image::build(&endpoints).await?;
    let mut failed = 0;
    for (function, event) in INVOCATIONS {
        let found = invoke(&aws, &image, function, event).await;
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
    let passed = INVOCATIONS.len() - failed;
    println!("sam-local: {passed} passed, {failed} failed");
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn every_event_is_invoked() -> Result<()> {
    for entry in fs::read_dir(repository().join("sam/events"))? {
        let name = entry?.file_name();
        let event = Path::new(&name).file_stem().unwrap_or_default();
        ensure!(
            INVOCATIONS.iter().any(|(_, known)| *known == event),
            "sam/events/{} is invoked by nobody: add it to INVOCATIONS",
            name.display()
        );
    }
    Ok(())
}

/// The image that functions run in, which calls this local AWS. Nobody else's has its name, and it goes when this is
/// dropped.
struct Image(String);

impl Image {
    async fn build(endpoints: &Endpoints) -> Result<Self> {
        let base =
            output(Command::new(repository().join("tests/sam-local-base")).arg(PLATFORM)).await?;
        let image = Self(format!("sam-local-{}", std::process::id()));
        let mut build = Command::new("docker");
        build
            .args(["build", "--quiet", "--tag", &image.0])
            .arg(format!("--build-arg=BASE={}", base.trim()));
        for (name, value) in &endpoints.environment {
            build.arg(format!("--build-arg={name}={value}"));
        }
        let dockerfile = fs::File::open(repository().join("sam/local.Dockerfile"))?;
        output(build.arg("-").stdin(Stdio::from(dockerfile))).await?;
        Ok(image)
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        // The second is what sam has built on it.
        let rapid = format!("{}:rapid-{}", self.0, ARCHITECTURE);
        let _ = std::process::Command::new("docker")
            .args(["image", "rm", "--force", &rapid, &self.0])
            .output();
    }
}

async fn invoke(aws: &LocalAws, image: &Image, function: &str, event: &str) -> Result<Value> {
    let answer = output(
        Command::new(tool("sam", "sam"))
            .args(["local", "invoke", function])
            .args(["--template", "../target/sam-docker/template.yaml"])
            .args(["--event", &format!("events/{event}.json")])
            .args(["--env-vars", "local-env.json"])
            .args(["--invoke-image", &image.0, "--skip-pull-image"])
            .arg("--parameter-overrides")
            .arg(format!("DistributionIds={DISTRIBUTION}"))
            .arg(format!("Architecture={ARCHITECTURE}"))
            .current_dir(repository().join("sam"))
            .envs(aws.cli_environment()),
    )
    .await?;
    let last = answer.trim().lines().last().unwrap_or_default();
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

/// What a program prints on its standard output; its standard error if it fails.
async fn output(command: &mut Command) -> Result<String> {
    let program = command.as_std().get_program().to_owned();
    let output = command
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| format!("cannot run {}", program.display()))?;
    if !output.status.success() {
        bail!(
            "{} failed: {}",
            program.display(),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
