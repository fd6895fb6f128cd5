//! The product's stack, built and deployed by the real SAM CLI.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Result, ensure};
use aws_config::SdkConfig;
use aws_sdk_lambda::{Client, primitives::Blob, types::InvocationType};
use serde_json::{Value, json};

use crate::{
    case::{Change, Invocation},
    command::{self, repository},
    environment::Environment,
};

/// The parameters of a stack that don't have their defaults.
pub type Parameters = BTreeMap<String, String>;

pub fn parameters<const COUNT: usize>(values: [(&str, &str); COUNT]) -> Parameters {
    let values = values.map(|(name, value)| (name.to_owned(), value.to_owned()));
    values.into()
}

#[derive(Clone)]
pub struct Stack {
    /// Of clients for the local AWS that has it.
    pub config: SdkConfig,
    pub name: String,
    pub parameters: Parameters,
    pub outputs: BTreeMap<String, String>,
    /// What somebody has done to it since.
    pub change: Option<Change>,
}

impl Stack {
    pub fn hook_function(&self) -> &str {
        &self.outputs["HookFunctionName"]
    }

    pub fn execution_arn(&self, execution: &str) -> String {
        let machine = self.outputs["StateMachineArn"].replace(":stateMachine:", ":execution:");
        format!("{machine}:{execution}")
    }

    /// Invokes a function as CodeDeploy or Amazon ECS would; returns its result or error.
    pub async fn invoke(
        &self,
        function: &str,
        invocation: Invocation,
        event: &Value,
    ) -> Result<String> {
        let invoke = Client::new(&self.config).invoke();
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
}

/// The folder of the package that is tried, if the variable `PACKAGE` names one: see `make package`.
pub fn package() -> Option<PathBuf> {
    let folder = std::env::var("PACKAGE").ok()?;
    (!folder.is_empty()).then(|| repository().join(folder))
}

/// The template of what is deployed: of a package, or of what `make local-build` has built.
fn template() -> PathBuf {
    let folder = package().unwrap_or_else(|| repository().join("target/sam-local"));
    folder.join("template.yaml")
}

/// Deploys what was built.
pub async fn deploy(aws: &Environment, name: &str, parameters: &Parameters) -> Result<Stack> {
    sam_deploy(aws, name, packaged(aws).await?, parameters, &[]).await
}

/// Deploys what was built as a nested stack of `docs/wiring/nested-stack.yaml`.
pub async fn deploy_nested(aws: &Environment, name: &str) -> Result<Stack> {
    let text = fs::read_to_string(repository().join("docs/wiring/nested-stack.yaml"))?;
    let example = format!(
        "cloudfront-deploy-hook-{}-arm64/template.yaml",
        env!("CARGO_PKG_VERSION")
    );
    ensure!(text.contains(&example), "the example has another version");
    let text = text.replace(&example, &template().to_string_lossy());
    let template = aws.folder.path().join("nested-stack.yaml");
    fs::write(&template, text)?;
    let distribution = ("DistributionId", "E2QWRUHAPOMQZL");
    let parameters = parameters([distribution, ("CodeDeployApplication", name)]);
    let more = ["--capabilities", "CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"];
    sam_deploy(aws, name, &template, &parameters, &more).await
}

async fn sam_deploy(
    aws: &Environment,
    name: &str,
    template: &Path,
    parameters: &Parameters,
    more: &[&str],
) -> Result<Stack> {
    let deploy =
        json!({ "stack": name, "template": template, "parameters": parameters, "more": more });
    let command = json!({ "deploy": deploy, "environment": aws.cli_environment() });
    Ok(Stack {
        config: aws.ministack.config.clone(),
        name: name.to_owned(),
        parameters: parameters.clone(),
        outputs: aws.sam.run(&command).await?,
        change: None,
    })
}

/// The template of what was built, uploaded once for all stacks.
pub async fn packaged(aws: &Environment) -> Result<&Path> {
    let upload = async || {
        let packaged = aws.folder.path().join("packaged.json");
        let package = json!({ "template": template(), "packaged": packaged });
        let command = json!({ "package": package, "environment": aws.cli_environment() });
        aws.sam.run(&command).await?;
        anyhow::Ok(packaged)
    };
    let packaged = aws.packaged.get_or_try_init(upload).await?;
    Ok(packaged)
}
