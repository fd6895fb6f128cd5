//! What is done to a deployed stack so that `make verify` has something to find.

use std::fs;

use anyhow::{Context, Result};
use serde_json::json;
use tests::{
    command,
    local_aws::{LocalAws, tool},
    stack::{self, Stack},
};
use tokio::process::Command;

/// Nobody hears of the ends of executions.
pub async fn removed_rule(aws: &LocalAws, stack: &Stack) -> Result<()> {
    let rule = stack.resource(aws, "ExecutionEndedRule").await?;
    let arguments = ["events", "remove-targets", "--rule", &rule];
    let targets = ["--ids", "PendingReportsQueue"];
    stack::cli(aws, &[&arguments[..], &targets].concat())
        .await
        .map(drop)
}

/// Nobody reads the queue of pending reports.
pub async fn disabled_mapping(aws: &LocalAws, stack: &Stack) -> Result<()> {
    let mapping = stack.outputs["PendingReportsMappingId"].as_str();
    let arguments = ["lambda", "update-event-source-mapping", "--no-enabled"];
    stack::cli(aws, &[&arguments[..], &["--uuid", mapping]].concat())
        .await
        .map(drop)
}

/// A distribution that `create-invalidation` may not invalidate.
pub async fn denied_permission(aws: &LocalAws, stack: &Stack) -> Result<()> {
    let function = stack.resource(aws, "CreateInvalidationFunction").await?;
    let configuration = ["lambda", "get-function-configuration", "--function-name"];
    let found = stack::cli(aws, &[&configuration[..], &[&function]].concat()).await?;
    let role = found["Role"]
        .as_str()
        .and_then(|arn| arn.rsplit('/').next());
    let policy = json!({ "Version": "2012-10-17", "Statement": {
        "Effect": "Deny",
        "Action": "cloudfront:CreateInvalidation",
        "Resource": "arn:aws:cloudfront::*:distribution/E2QWRUHAPOMQZL",
    } });
    let policy = policy.to_string();
    let role = role.context("a function has a role")?;
    let put = ["iam", "put-role-policy", "--policy-name", "planted"];
    let what = ["--role-name", role, "--policy-document", &policy];
    stack::cli(aws, &[put, what].concat()).await.map(drop)
}

/// A function built for a processor that it does not run on.
pub async fn wrong_architecture(aws: &LocalAws, stack: &Stack) -> Result<()> {
    /// Where an ELF header has the machine, and the two that Lambda knows.
    const MACHINE: usize = 18;
    const X86_64: u8 = 0x3e;
    const AARCH64: u8 = 0xb7;
    let folder = tempfile::tempdir()?;
    let bootstrap = folder.path().join("bootstrap");
    fs::copy(stack::built("CheckInvalidationFunction"), &bootstrap)?;
    let mut binary = fs::read(&bootstrap)?;
    binary[MACHINE] = if binary[MACHINE] == X86_64 {
        AARCH64
    } else {
        X86_64
    };
    fs::write(&bootstrap, binary)?;
    let mut zip = Command::new(tool("ministack", "python"));
    let zip = zip.args(["-m", "zipfile", "-c", "code.zip", "bootstrap"]);
    command::run(zip.current_dir(folder.path())).await?;
    let function = stack.resource(aws, "CheckInvalidationFunction").await?;
    let code = format!("fileb://{}", folder.path().join("code.zip").display());
    let arguments = [
        "lambda",
        "update-function-code",
        "--function-name",
        &function,
    ];
    stack::cli(aws, &[&arguments[..], &["--zip-file", &code]].concat())
        .await
        .map(drop)
}
