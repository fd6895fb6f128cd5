//! Damages a deployed stack, for `make verify` to find.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
};

use anyhow::Result;
use serde_json::json;
use tests::{
    command,
    stack::{self, Stack},
};

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

/// A function is built for another processor.
pub async fn wrong_architecture(stack: &Stack) -> Result<()> {
    /// The machine field of an ELF header, and its values for the processors of Lambda.
    const MACHINE: usize = 18;
    const X86_64: u8 = 0x3e;
    const AARCH64: u8 = 0xb7;
    let folder = tempfile::tempdir()?;
    let bootstrap = folder.path().join("bootstrap");
    let mut binary = stack::built("CheckInvalidationFunction").await?;
    let is_x86_64 = binary[MACHINE] == X86_64;
    binary[MACHINE] = if is_x86_64 { AARCH64 } else { X86_64 };
    fs::write(&bootstrap, binary)?;
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
