//! Damages a deployed stack, for `make verify` to find.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
};

use anyhow::Result;
use serde_json::json;
use tests::{command, stack::Stack};

/// `ExecutionEndedRule` has no target.
pub async fn removed_rule(stack: &Stack) -> Result<()> {
    let rule = stack.resource("ExecutionEndedRule").await?;
    let command = format!("events remove-targets --rule {rule} --ids PendingReportsQueue");
    stack.aws.cli(&command).await.map(drop)
}

/// No function reads the queue of pending reports.
pub async fn disabled_mapping(stack: &Stack) -> Result<()> {
    let mapping = &stack.outputs["PendingReportsMappingId"];
    let command = format!("lambda update-event-source-mapping --no-enabled --uuid {mapping}");
    stack.aws.cli(&command).await.map(drop)
}

/// `create-invalidation` isn't authorized for one of the distributions.
pub async fn denied_permission(stack: &Stack) -> Result<()> {
    let role = stack.resource("CreateInvalidationFunctionRole").await?;
    let policy = json!({ "Version": "2012-10-17", "Statement": {
        "Effect": "Deny",
        "Action": "cloudfront:CreateInvalidation",
        "Resource": "arn:aws:cloudfront::*:distribution/E2QWRUHAPOMQZL",
    } });
    let put = "iam put-role-policy --policy-name deny";
    let command = format!("{put} --role-name {role} --policy-document '{policy}'");
    stack.aws.cli(&command).await.map(drop)
}

/// A function has no program.
pub async fn no_program(stack: &Stack) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let bootstrap = folder.path().join("bootstrap");
    fs::write(&bootstrap, "not a program")?;
    fs::set_permissions(&bootstrap, Permissions::from_mode(0o755))?;
    let mut zip = stack.aws.tool("ministack", "python");
    let zip = zip.args(["-m", "zipfile", "-c", "code.zip", "bootstrap"]);
    command::run(zip.current_dir(folder.path())).await?;
    let function = stack.resource("CheckInvalidationFunction").await?;
    let update = format!("lambda update-function-code --function-name {function}");
    let zip = folder.path().join("code.zip");
    let command = format!("{update} --zip-file fileb://{}", zip.display());
    stack.aws.cli(&command).await.map(drop)
}
