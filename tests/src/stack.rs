//! The product's stack, built and deployed by the real SAM CLI.

use std::{collections::BTreeMap, path::PathBuf, process::Stdio};

use anyhow::{Context, Result};
use aws_sdk_lambda::{primitives::Blob, types::InvocationType};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::{
    case::Invocation,
    command,
    local_aws::{ACCOUNT, LocalAws, REGION, repository, tool},
};

/// This machine's architecture as Lambda names it: the functions run here.
pub const ARCHITECTURE: &str = if cfg!(target_arch = "aarch64") {
    "arm64"
} else {
    "x86_64"
};

#[derive(Debug, Clone)]
pub struct Stack {
    pub name: String,
    pub outputs: BTreeMap<String, String>,
}

impl Stack {
    /// The name or id of one of its resources.
    pub async fn resource(&self, aws: &LocalAws, logical_id: &str) -> Result<String> {
        let describe = "cloudformation describe-stack-resource";
        let which = format!(
            "--stack-name {} --logical-resource-id {logical_id}",
            self.name
        );
        let found = cli(aws, &format!("{describe} {which}")).await?;
        let id = found["StackResourceDetail"]["PhysicalResourceId"].as_str();
        id.map(str::to_owned)
            .with_context(|| format!("{} has no {logical_id}", self.name))
    }

    pub fn hook_function(&self) -> String {
        format!("CodeDeployHook_{}", self.name)
    }

    pub fn state_machine_arn(&self) -> String {
        format!(
            "arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:{}",
            self.name
        )
    }

    pub fn execution_arn(&self, execution: &str) -> String {
        format!(
            "arn:aws:states:{REGION}:{ACCOUNT}:execution:{}:{execution}",
            self.name
        )
    }
}

/// What `make local-build` has built, or another build that the variable `BUILD` names.
fn build() -> PathBuf {
    let build = std::env::var("BUILD").unwrap_or_else(|_| "sam-local".to_owned());
    repository().join("target").join(build)
}

/// The program of a function in it.
pub fn built(function: &str) -> PathBuf {
    build().join(function).join("bootstrap")
}

/// Deploys what was built. It is uploaded once for all stacks.
pub async fn deploy(aws: &LocalAws, name: &str, parameters: &[(&str, &str)]) -> Result<Stack> {
    let packaged = aws.packaged.get_or_try_init(|| package(aws)).await?;
    let parameters = parameters.iter();
    let parameters = parameters.map(|(name, value)| format!("{name}={value}"));
    let mut deploy = sam(aws, "deploy");
    deploy
        .args(["--stack-name", name, "--no-confirm-changeset"])
        .arg("--template-file")
        .arg(packaged)
        .arg("--config-file")
        .arg(sam_folder().join("samconfig.toml"))
        .arg("--parameter-overrides")
        .args(parameters)
        // Between two checks whether the stack is there, in seconds; sam's own 5 are meant for AWS.
        .env("SAM_CLI_POLL_DELAY", "0.5");
    run(&mut deploy).await?;
    let described = cli(
        aws,
        &format!("cloudformation describe-stacks --stack-name {name}"),
    )
    .await?;
    let outputs = described["Stacks"][0]["Outputs"].as_array();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Ok(Stack {
        name: name.to_owned(),
        outputs: outputs
            .into_iter()
            .flatten()
            .map(|output| (text(&output["OutputKey"]), text(&output["OutputValue"])))
            .collect(),
    })
}

async fn package(aws: &LocalAws) -> Result<PathBuf> {
    let packaged = aws.folder.join("packaged.yaml");
    let mut package = sam(aws, "package");
    // Not where `sam build` puts what is for AWS.
    package
        .arg("--template-file")
        .arg(build().join("template.yaml"));
    package.arg("--output-template-file").arg(&packaged);
    run(package.arg("--resolve-s3")).await?;
    Ok(packaged)
}

fn sam(aws: &LocalAws, command: &str) -> Command {
    let mut sam = Command::new(tool("sam", "sam"));
    sam.arg(command)
        .current_dir(sam_folder())
        .envs(aws.cli_environment())
        // It leaves the folders of its zips behind.
        .env("TMPDIR", &aws.folder);
    sam
}

/// Sets an environment variable of the hook function, as somebody can in the console.
pub async fn set_variable(aws: &LocalAws, stack: &Stack, name: &str, value: &str) -> Result<()> {
    let of_function = format!(
        "function-configuration --function-name {}",
        stack.hook_function()
    );
    let found = cli(aws, &format!("lambda get-{of_function}")).await?;
    let mut environment = found["Environment"].clone();
    environment["Variables"][name] = json!(value);
    cli(
        aws,
        &format!("lambda update-{of_function} --environment '{environment}'"),
    )
    .await
    .map(drop)
}

/// What the AWS CLI says to a command, written as in a shell; null if that is nothing.
pub async fn cli(aws: &LocalAws, command: &str) -> Result<Value> {
    let mut cli = Command::new(tool("awscli", "aws"));
    let command = cli
        .args(shell_words::split(command)?)
        .envs(aws.cli_environment());
    let output = command::run(command.stdin(Stdio::null())).await?;
    if output.stdout.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&output.stdout).context("the AWS CLI says no JSON")
}

/// Invokes the hook function as CodeDeploy would; returns its result or error.
pub async fn invoke(
    aws: &LocalAws,
    stack: &Stack,
    invocation: Invocation,
    event: &Value,
) -> Result<String> {
    let invoked = aws
        .clients
        .lambda
        .invoke()
        .function_name(stack.hook_function())
        .invocation_type(match invocation {
            Invocation::Synchronous => InvocationType::RequestResponse,
            Invocation::Asynchronous => InvocationType::Event,
        })
        .payload(Blob::new(event.to_string()))
        .send()
        .await?;
    let payload = invoked.payload.unwrap_or_else(|| Blob::new(""));
    Ok(command::text(payload.as_ref()))
}

/// Runs a tool to its end and returns what it said on its standard error.
async fn run(tool: &mut Command) -> Result<String> {
    let tool = tool.env("SAM_CLI_TELEMETRY", "0").stdin(Stdio::null());
    Ok(command::text(&command::run(tool).await?.stderr))
}

fn sam_folder() -> PathBuf {
    repository().join("sam")
}
