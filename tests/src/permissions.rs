//! What each role of the stacks is allowed to do, and what it did. `tests/permissions.py` compares the two.

use std::fs::{self, File};

use anyhow::Result;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    command,
    local_aws::{LocalAws, repository},
    stack::{Parameters, Stack, parameters},
};

/// The application whose deployments a stack reports for has the stack's name, so that its rollbacks concern no other stack.
pub fn deployment_group(stack: &str) -> Parameters {
    parameters([
        ("CodeDeployApplication", stack),
        ("CodeDeployDeploymentGroup", DEPLOYMENT_GROUP),
    ])
}

/// The name of the deployment group in that application.
pub const DEPLOYMENT_GROUP: &str = "web";

/// The comparison, whatever the stack.
#[derive(Debug, Deserialize)]
pub struct Table {
    /// In Markdown: roles, actions and kinds of resources.
    pub table: String,
    /// What is allowed and not used, used and not allowed, or allowed on other resources.
    pub problems: Vec<String>,
}

/// Compares what the roles of these stacks are allowed to do with what they did until now.
pub async fn examine(aws: &LocalAws, stacks: &[Stack]) -> Result<Table> {
    let names: Vec<_> = stacks.iter().map(|stack| &stack.name).collect();
    let calls = aws.stand_in.calls().into_iter();
    let calls = calls.map(|call| json!([call.operation, call.subject, call.access_key]));
    let calls: Value = calls.collect();
    let question = json!({ "stacks": names, "calls": calls, "group": DEPLOYMENT_GROUP });
    ask(aws, question).await
}

/// Whether a stack's functions are allowed to report to `CodeDeploy` if IAM checks this resource: a deployment group, as
/// `application/group`, or `*`. AWS does not document which of them it checks.
pub async fn may_report(stack: &Stack, group: &str) -> Result<bool> {
    let question = json!({ "stack": stack.name, "group": group });
    ask(&stack.aws, json!({ "may_report": question })).await
}

async fn ask<T: DeserializeOwned>(aws: &LocalAws, question: Value) -> Result<T> {
    let input = aws.folder.path().join("permissions.json");
    fs::write(&input, question.to_string())?;
    let mut python = aws.tool("ministack", "python");
    let python = python.arg(repository().join("tests/permissions.py"));
    let output = command::run(python.stdin(File::open(input)?)).await?;
    Ok(serde_json::from_slice(&output.stdout)?)
}
