//! `make sam-local`: invokes each function with each of its events in `sam/events/` by `sam local invoke`, in Docker, against
//! the local AWS, and compares each response with the one in `sam/responses/`.

use std::{collections::BTreeSet, fs, process::ExitCode};

use anyhow::{Context, Result, ensure};
use heck::ToUpperCamelCase;
use serde_json::Value;
use tests::{
    command,
    containers::Endpoints,
    local_aws::{LocalAws, repository},
    stack::{ARCHITECTURE, build, quoted},
};
use tokio::process::Command;

use crate::{DISTRIBUTION, deploy};

/// Its invalidation is the one that the events of check-invalidation are about.
const FIRST: &str = "create-invalidation";
/// Stands in an expected response for anything: an id, a time.
const ANYTHING: &str = "…";

/// Invokes the functions in an image that is built on `base`.
pub async fn run(base: &str) -> Result<ExitCode> {
    let events = names("sam/events")?;
    let responses = names("sam/responses")?;
    ensure!(
        events == responses,
        "events {events:?}, responses {responses:?}"
    );
    let mut events = Vec::from_iter(events);
    events.sort_by_key(|event| event != FIRST);
    let aws = &deploy(None).await?.aws;
    let endpoints = Endpoints::open(aws).await?;
    let image = Image::build(&endpoints, base).await?;
    let mut failed = 0;
    for event in &events {
        let function = function(event);
        match check(aws, &image, &function, event).await {
            Ok(found) => println!("ok      {function} {event}: {found}"),
            Err(problem) => {
                failed += 1;
                println!("FAILED  {function} {event}: {problem:#}");
            }
        }
    }
    let passed = events.len() - failed;
    println!("sam-local: {passed} passed, {failed} failed");
    Ok(ExitCode::from(u8::from(failed > 0)))
}

/// The names of the documents in a folder, without `.json`.
fn names(folder: &str) -> Result<BTreeSet<String>> {
    let files = fs::read_dir(repository().join(folder))?;
    let names = files.map(|file| {
        let name = file?.file_name().to_string_lossy().into_owned();
        Ok(name.trim_end_matches(".json").to_owned())
    });
    names.collect()
}

/// The function that an event is for, as the template calls it: `create-invalidation.…` is `CreateInvalidationFunction`'s.
fn function(event: &str) -> String {
    let stem = event.split('.').next().unwrap_or_default();
    stem.to_upper_camel_case() + "Function"
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
        for (name, url) in &endpoints.environment {
            build.arg(format!("--build-arg={name}={url}"));
        }
        let dockerfile = fs::File::open(repository().join("sam/local.Dockerfile"))?;
        command::run(build.arg("-").stdin(dockerfile)).await?;
        Ok(image)
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        // The second is what sam has built on it, and what a container that sam could not end may still run in.
        let rapid = format!("{}:rapid-{ARCHITECTURE}", self.0);
        let docker = |arguments: &[&str]| {
            let mut docker = std::process::Command::new("docker");
            let output = docker.args(arguments).output();
            output.map_or_else(|_| String::new(), |output| command::text(&output.stdout))
        };
        let filter = format!("ancestor={rapid}");
        for container in docker(&["ps", "--all", "--quiet", "--filter", &filter]).lines() {
            docker(&["rm", "--force", container]);
        }
        docker(&["image", "rm", "--force", &rapid, &self.0]);
    }
}

/// Invokes a function, and returns its response if that is as expected.
async fn check(aws: &LocalAws, image: &Image, function: &str, event: &str) -> Result<Value> {
    let mut sam = aws.tool("sam", "sam");
    // Nothing listens at the URL.
    let invoke = format!(
        "local invoke {function} --template {} --event events/{event}.json --env-vars local-env.json \
         --invoke-image {} --skip-pull-image \
         --parameter-overrides DistributionIds={DISTRIBUTION} VerifyUrls=https://127.0.0.1:1/index.html",
        quoted(&build().join("template.yaml")),
        image.0
    );
    sam.args(shell_words::split(&invoke)?)
        .current_dir(repository().join("sam"));
    let said = command::text(&command::run(&mut sam).await?.stdout);
    let last = said.lines().last().unwrap_or_default();
    let found = serde_json::from_str(last);
    let found = found.with_context(|| format!("the response is no JSON: {last:?}"))?;
    let response = fs::read(repository().join(format!("sam/responses/{event}.json")))?;
    let expected = serde_json::from_slice(&response)?;
    ensure!(
        is_like(&found, &expected),
        "it returned {found}\n  instead of {expected}"
    );
    Ok(found)
}

fn is_like(found: &Value, expected: &Value) -> bool {
    match (found, expected) {
        (_, Value::String(text)) if text == ANYTHING => true,
        (Value::Object(found), Value::Object(expected)) => {
            let has = |(name, e): (&String, _)| found.get(name).is_some_and(|f| is_like(f, e));
            found.len() == expected.len() && expected.iter().all(has)
        }
        (Value::Array(found), Value::Array(expected)) => {
            found.len() == expected.len() && found.iter().zip(expected).all(|(f, e)| is_like(f, e))
        }
        _ => found == expected,
    }
}
