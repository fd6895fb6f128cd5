//! The product's stack.

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::Result;
use aws_config::SdkConfig;
use aws_sdk_lambda::{Client, primitives::Blob, types::InvocationType};
use serde_json::Value;

use crate::{
    case::{Change, Invocation, Parameters},
    command::{self, repository},
};

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
pub(crate) fn template() -> PathBuf {
    let folder = package().unwrap_or_else(|| repository().join("target/local"));
    folder.join("template.yaml")
}
