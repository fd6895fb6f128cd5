//! The product's stack, built and deployed by the real SAM CLI.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use aws_sdk_lambda::{primitives::Blob, types::InvocationType};
use heck::ToKebabCase;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::{
    case::{Change, Invocation},
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
    /// What somebody has done to it since.
    pub change: Option<Change>,
}

impl Stack {
    /// The name or id of one of its resources.
    pub async fn resource(&self, aws: &LocalAws, logical_id: &str) -> Result<String> {
        let describe = format!(
            "cloudformation describe-stack-resource --stack-name {} --logical-resource-id {logical_id} \
             --query StackResourceDetail.PhysicalResourceId",
            self.name
        );
        Ok(serde_json::from_value(cli(aws, &describe).await?)?)
    }

    pub fn hook_function(&self) -> &str {
        &self.outputs["HookFunctionName"]
    }

    pub fn state_machine_arn(&self) -> String {
        let name = &self.name;
        format!("arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:{name}")
    }

    pub fn execution_arn(&self, execution: &str) -> String {
        let name = &self.name;
        format!("arn:aws:states:{REGION}:{ACCOUNT}:execution:{name}:{execution}")
    }
}

/// The folder of the package that is tried, if the variable `PACKAGE` names one: see `make package`.
pub fn package() -> Option<PathBuf> {
    let folder = std::env::var("PACKAGE").ok()?;
    (!folder.is_empty()).then(|| repository().join(folder))
}

/// What is deployed: a package, or what `make local-build` has built.
pub fn build() -> PathBuf {
    package().unwrap_or_else(|| repository().join("target/sam-local"))
}

/// Whether it is a package for another processor than this machine's.
pub fn is_foreign() -> bool {
    package().is_some_and(|folder| !folder.to_string_lossy().ends_with(ARCHITECTURE))
}

/// The program of a function in it.
pub async fn built(function: &str) -> Result<Vec<u8>> {
    const UNZIP: &str = "import sys, zipfile; sys.stdout.buffer.write(zipfile.ZipFile(sys.argv[1]).read('bootstrap'))";
    if package().is_none() {
        return Ok(fs::read(build().join(function).join("bootstrap"))?);
    }
    let name = function.trim_end_matches("Function").to_kebab_case();
    let zip = build().join(name).with_extension("zip");
    let mut python = Command::new(tool("ministack", "python"));
    let output = command::run(python.args(["-c", UNZIP]).arg(zip)).await?;
    Ok(output.stdout)
}

/// Deploys what was built. It is uploaded once for all stacks.
pub async fn deploy(aws: &LocalAws, name: &str, parameters: &[(&str, &str)]) -> Result<Stack> {
    let packaged = aws.packaged.get_or_try_init(|| upload(aws)).await?;
    // A value can have quotes and spaces there.
    let file = aws.folder.path().join(format!("{name}.parameters.yaml"));
    let parameters: BTreeMap<_, _> = parameters.iter().copied().collect();
    fs::write(&file, serde_yaml_ng::to_string(&parameters)?)?;
    let parameters = format!("file://{}", file.display());
    sam_deploy(aws, name, packaged, &["--parameter-overrides", &parameters]).await
}

/// Deploys what was built as a nested stack of `docs/wiring/nested-stack.yaml`.
pub async fn deploy_nested(aws: &LocalAws, name: &str) -> Result<Stack> {
    let text = fs::read_to_string(repository().join("docs/wiring/nested-stack.yaml"))?;
    let example = format!(
        "cloudfront-deploy-hook-{}-arm64/template.yaml",
        env!("CARGO_PKG_VERSION")
    );
    ensure!(text.contains(&example), "the example has another version");
    let own = build().join("template.yaml");
    let template = aws.folder.path().join("nested-stack.yaml");
    fs::write(
        &template,
        text.replace(&example, &own.display().to_string()),
    )?;
    let application = format!("CodeDeployApplication={name}");
    let more = [
        "--parameter-overrides",
        "DistributionId=E2QWRUHAPOMQZL",
        &application,
        "--capabilities",
        "CAPABILITY_IAM",
        "CAPABILITY_AUTO_EXPAND",
    ];
    sam_deploy(aws, name, &template, &more).await
}

async fn sam_deploy(aws: &LocalAws, name: &str, template: &Path, more: &[&str]) -> Result<Stack> {
    let mut deploy = sam(aws, "deploy");
    deploy
        .args(["--stack-name", name, "--no-confirm-changeset"])
        .arg("--template-file")
        .arg(template)
        .arg("--config-file")
        .arg(repository().join("sam/samconfig.toml"))
        .args(more)
        // Between two checks whether the stack is there, in seconds; sam's own 5 are meant for AWS.
        .env("SAM_CLI_POLL_DELAY", "0.5");
    command::run(&mut deploy).await?;
    let describe = format!(
        "cloudformation describe-stacks --stack-name {name} \
         --query 'Stacks[0].Outputs[].[OutputKey, OutputValue]'"
    );
    let outputs: Vec<_> = serde_json::from_value(cli(aws, &describe).await?)?;
    Ok(Stack {
        name: name.to_owned(),
        outputs: outputs.into_iter().collect(),
        change: None,
    })
}

async fn upload(aws: &LocalAws) -> Result<PathBuf> {
    let packaged = aws.folder.path().join("packaged.yaml");
    let mut package = sam(aws, "package");
    package
        .arg("--template-file")
        .arg(build().join("template.yaml"))
        .arg("--output-template-file")
        .arg(&packaged)
        .arg("--resolve-s3");
    command::run(&mut package).await?;
    Ok(packaged)
}

fn sam(aws: &LocalAws, command: &str) -> Command {
    let mut sam = aws.tool("sam", "sam");
    sam.arg(command)
        .current_dir(repository().join("sam"))
        .env("SAM_CLI_TELEMETRY", "0")
        // A deployment needs no compiler.
        .env("PATH", "/usr/bin:/bin")
        // It leaves the folders of its zips behind.
        .env("TMPDIR", aws.folder.path());
    sam
}

/// Sets an environment variable of the hook function, as somebody can in the console.
pub async fn set_variable(aws: &LocalAws, stack: &Stack, name: &str, value: &str) -> Result<()> {
    let function = stack.hook_function();
    let of_function = format!("function-configuration --function-name {function}");
    let found = cli(aws, &format!("lambda get-{of_function}")).await?;
    let mut environment = found["Environment"].clone();
    environment["Variables"][name] = json!(value);
    let update = format!("lambda update-{of_function} --environment '{environment}'");
    cli(aws, &update).await.map(drop)
}

/// What the AWS CLI says to a command, written as in a shell; null if that is nothing.
pub async fn cli(aws: &LocalAws, command: &str) -> Result<Value> {
    let mut cli = aws.tool("awscli", "aws");
    let output = command::run(cli.args(shell_words::split(command)?)).await?;
    if output.stdout.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&output.stdout).context("the AWS CLI says no JSON")
}

/// Invokes a function as CodeDeploy or Amazon ECS would; returns its result or error.
pub async fn invoke(
    aws: &LocalAws,
    function: &str,
    invocation: Invocation,
    event: &Value,
) -> Result<String> {
    let invoke = aws_sdk_lambda::Client::new(&aws.ministack.config).invoke();
    let invoke = invoke
        .function_name(function)
        .invocation_type(match invocation {
            Invocation::Synchronous => InvocationType::RequestResponse,
            Invocation::Asynchronous => InvocationType::Event,
        })
        .payload(Blob::new(event.to_string()));
    let payload = invoke.send().await?.payload.unwrap_or_default();
    Ok(command::text(payload.as_ref()))
}
