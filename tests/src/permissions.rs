//! What each role of the stacks is allowed to do, and what it did. `tests/permissions.py` compares the two.

use std::fs::{self, File};

use anyhow::Result;
use serde::Deserialize;
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
    /// What is allowed and not used, used and not allowed, allowed on other resources, or a report that is not as it must be.
    pub problems: Vec<String>,
}

/// Compares what the roles of these stacks, each for one deployment group, are allowed to do with what they did until now. Another
/// stack is for deployments of any group.
pub async fn examine(aws: &LocalAws, stacks: &[Stack], for_any: &Stack) -> Result<Table> {
    let names: Vec<_> = stacks.iter().map(|stack| &stack.name).collect();
    let calls = aws.stand_in.calls().into_iter();
    let calls = calls.map(|call| json!([call.operation, call.subject, call.access_key]));
    let calls: Value = calls.collect();
    let question = json!({ "stacks": names, "calls": calls, "group": DEPLOYMENT_GROUP, "for_any": for_any.name });
    let input = aws.folder.path().join("permissions.json");
    fs::write(&input, question.to_string())?;
    let mut python = aws.tool("ministack", "python");
    let python = python.arg(repository().join("tests/permissions.py"));
    let output = command::run(python.stdin(File::open(input)?)).await?;
    Ok(serde_json::from_slice(&output.stdout)?)
}
