//! The product's stack, built and deployed by the real SAM CLI.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result, ensure};
use aws_sdk_lambda::{
    primitives::Blob,
    types::{Environment, InvocationType},
};
use serde_json::Value;

use crate::{
    case::{Change, Invocation},
    command,
    local_aws::{ACCOUNT, LocalAws, REGION, repository},
};

/// This machine's architecture as Lambda names it: the functions run here.
pub const ARCHITECTURE: &str = if cfg!(target_arch = "aarch64") {
    "arm64"
} else {
    "x86_64"
};

/// The parameters of a stack that don't have their defaults.
pub type Parameters = BTreeMap<String, String>;

pub fn parameters<const COUNT: usize>(values: [(&str, &str); COUNT]) -> Parameters {
    let values = values.map(|(name, value)| (name.to_owned(), value.to_owned()));
    values.into()
}

/// A stack, and the local AWS that has it.
#[derive(Clone)]
pub struct Stack {
    pub aws: Arc<LocalAws>,
    pub name: String,
    pub outputs: BTreeMap<String, String>,
    /// What somebody has done to it since.
    pub change: Option<Change>,
}

impl Stack {
    /// The name or id of one of its resources.
    pub async fn resource(&self, logical_id: &str) -> Result<String> {
        let cloudformation = aws_sdk_cloudformation::Client::new(&self.aws.ministack.config);
        let describe = cloudformation.describe_stack_resource();
        let describe = describe.stack_name(&self.name);
        let found = describe.logical_resource_id(logical_id).send().await?;
        let detail = found.stack_resource_detail;
        let id = detail.and_then(|detail| detail.physical_resource_id);
        id.with_context(|| format!("{logical_id} has no id"))
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

    /// Sets an environment variable of the hook function, as somebody can in the console.
    pub async fn set_variable(&self, name: &str, value: &str) -> Result<()> {
        let lambda = self.lambda();
        let function = self.hook_function();
        let get = lambda.get_function_configuration().function_name(function);
        let found = get.send().await?.environment.and_then(|e| e.variables);
        let mut variables =
            found.with_context(|| format!("{function} has no environment variables"))?;
        variables.insert(name.to_owned(), value.to_owned());
        let environment = Environment::builder().set_variables(Some(variables));
        let update = lambda
            .update_function_configuration()
            .function_name(function);
        update.environment(environment.build()).send().await?;
        Ok(())
    }

    /// Invokes a function as CodeDeploy or Amazon ECS would; returns its result or error.
    pub async fn invoke(
        &self,
        function: &str,
        invocation: Invocation,
        event: &Value,
    ) -> Result<String> {
        let invoke = self.lambda().invoke();
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

    fn lambda(&self) -> aws_sdk_lambda::Client {
        aws_sdk_lambda::Client::new(&self.aws.ministack.config)
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
    let name = |folder: PathBuf| folder.file_name().map(|name| name.display().to_string());
    package()
        .and_then(name)
        .is_some_and(|name| !name.ends_with(ARCHITECTURE))
}

/// Deploys what was built.
pub async fn deploy(aws: &Arc<LocalAws>, name: &str, parameters: &Parameters) -> Result<Stack> {
    let packaged = packaged(aws).await?;
    // A value can have quotes and spaces there.
    let file = aws.folder.path().join(format!("{name}.parameters.yaml"));
    fs::write(&file, serde_yaml_ng::to_string(parameters)?)?;
    let parameters = format!("--parameter-overrides file://{}", quoted(&file));
    sam_deploy(aws, name, packaged, &parameters).await
}

/// Deploys what was built as a nested stack of `docs/wiring/nested-stack.yaml`.
pub async fn deploy_nested(aws: &Arc<LocalAws>, name: &str) -> Result<Stack> {
    let text = fs::read_to_string(repository().join("docs/wiring/nested-stack.yaml"))?;
    let example = format!(
        "cloudfront-deploy-hook-{}-arm64/template.yaml",
        env!("CARGO_PKG_VERSION")
    );
    ensure!(text.contains(&example), "the example has another version");
    let own = build().join("template.yaml");
    let text = text.replace(&example, &own.to_string_lossy());
    let template = aws.folder.path().join("nested-stack.yaml");
    fs::write(&template, text)?;
    let more = format!(
        "--parameter-overrides DistributionId=E2QWRUHAPOMQZL CodeDeployApplication={name} \
         --capabilities CAPABILITY_IAM CAPABILITY_AUTO_EXPAND"
    );
    sam_deploy(aws, name, &template, &more).await
}

async fn sam_deploy(aws: &Arc<LocalAws>, name: &str, template: &Path, more: &str) -> Result<Stack> {
    // SAM parses a template several times, YAML slowly.
    let deploy = format!(
        "deploy --use-json --stack-name {name} --no-confirm-changeset --template-file {} --config-file {} {more}",
        quoted(template),
        quoted(&repository().join("sam/samconfig.toml"))
    );
    aws.sam.run(aws.cli_environment(), &deploy).await?;
    let cloudformation = aws_sdk_cloudformation::Client::new(&aws.ministack.config);
    let described = cloudformation.describe_stacks().stack_name(name).send();
    let stack = described.await?.stacks.and_then(|mut stacks| stacks.pop());
    let outputs = stack.and_then(|stack| stack.outputs);
    let outputs = outputs.with_context(|| format!("{name} has no outputs"))?;
    let outputs = outputs
        .into_iter()
        .filter_map(|output| output.output_key.zip(output.output_value));
    Ok(Stack {
        aws: Arc::clone(aws),
        name: name.to_owned(),
        outputs: outputs.collect(),
        change: None,
    })
}

/// The template of what was built, uploaded once for all stacks.
pub async fn packaged(aws: &LocalAws) -> Result<&Path> {
    let packaged = aws.packaged.get_or_try_init(|| upload(aws)).await?;
    Ok(packaged)
}

async fn upload(aws: &LocalAws) -> Result<PathBuf> {
    let packaged = aws.folder.path().join("packaged.json");
    let package = format!(
        "package --use-json --resolve-s3 --template-file {} --output-template-file {}",
        quoted(&build().join("template.yaml")),
        quoted(&packaged)
    );
    aws.sam.run(aws.cli_environment(), &package).await?;
    Ok(packaged)
}

/// As in a shell.
pub fn quoted(path: &Path) -> String {
    shell_words::quote(&path.to_string_lossy()).into_owned()
}
