//! Who is measured.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use anyhow::Result;
use serde_json::{Value, json};
use tests::{
    command,
    local_aws::{repository, tool},
};
use tokio::process::Command;

/// One of the product's four functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Function {
    /// The hook function.
    Hook,
    /// `CreateInvalidation`.
    CreateInvalidation,
    /// `CheckInvalidations`.
    CheckInvalidation,
    /// `ReportSucceeded`.
    ReportStatus,
}

impl Function {
    /// All, in the order of a run.
    pub const ALL: [Self; 4] = [
        Self::Hook,
        Self::CreateInvalidation,
        Self::CheckInvalidation,
        Self::ReportStatus,
    ];

    /// As its folder is named.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hook => "hook",
            Self::CreateInvalidation => "create-invalidation",
            Self::CheckInvalidation => "check-invalidation",
            Self::ReportStatus => "report-status",
        }
    }

    fn resource(self) -> &'static str {
        match self {
            Self::Hook => "HookFunction",
            Self::CreateInvalidation => "CreateInvalidationFunction",
            Self::CheckInvalidation => "CheckInvalidationFunction",
            Self::ReportStatus => "ReportStatusFunction",
        }
    }
}

/// Something that answers Lambda events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Candidate {
    /// The floor: a hello world with the product's profile and logging.
    HelloWorld,
    /// The product's, as it is deployed.
    Product(Function),
    /// The same handler with the SDK's default features, and cargo's default profile.
    SdkDefaults(Function),
    /// The blog post's function in Node.js, bundled.
    Node,
    /// The blog post's function in Python.
    Python,
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HelloWorld => f.write_str("hello world (no AWS call)"),
            Self::Product(function) => f.write_str(function.name()),
            Self::SdkDefaults(function) => write!(f, "{}, SDK defaults", function.name()),
            Self::Node => f.write_str("Node.js, bundled"),
            Self::Python => f.write_str("Python, boto3"),
        }
    }
}

/// The events' deployment.
pub const DEPLOYMENT: &str = "d-BENCH0000";
/// The events' hook run.
pub const HOOK_EXECUTION: &str = "aG9vay1leGVjdXRpb24=";
/// The distribution of all.
pub const DISTRIBUTION: &str = "E2QWRUHAPOMQZL";

impl Candidate {
    /// All.
    pub fn all() -> Vec<Self> {
        let functions = |of: fn(Function) -> Self| Function::ALL.map(of);
        [Self::HelloWorld]
            .into_iter()
            .chain(functions(Self::Product))
            .chain(functions(Self::SdkDefaults))
            .chain([Self::Node, Self::Python])
            .collect()
    }

    /// What starts it.
    pub fn command(self) -> Command {
        match self {
            Self::Node => {
                let mut command = Command::new(target().join("bench/node"));
                command.arg(self.artifact());
                command
            }
            Self::Python => {
                let mut command = Command::new(tool("boto3", "python"));
                command
                    .args(["-m", "awslambdaric", "blog_post.handler"])
                    .current_dir(target().join("bench"));
                command
            }
            _ => Command::new(self.artifact()),
        }
    }

    /// What is uploaded of it.
    fn artifact(self) -> PathBuf {
        match self {
            Self::HelloWorld => target().join("bench/hello-world/bootstrap"),
            Self::Product(function) => target()
                .join("sam-lambda")
                .join(function.resource())
                .join("bootstrap"),
            Self::SdkDefaults(function) => {
                target().join("sdk-defaults/release").join(function.name())
            }
            Self::Node => target().join("bench/index.js"),
            Self::Python => target().join("bench/blog_post.py"),
        }
    }

    /// What it is invoked with; `invalidation` is one in progress.
    pub fn event(self, invalidation: &Value) -> Value {
        let function = match self {
            Self::HelloWorld => return json!({}),
            Self::Product(function) | Self::SdkDefaults(function) => function,
            Self::Node | Self::Python => Function::Hook,
        };
        match function {
            Function::Hook => json!({
                "DeploymentId": DEPLOYMENT,
                "LifecycleEventHookExecutionId": HOOK_EXECUTION,
            }),
            Function::CreateInvalidation => json!({
                "executionName": DEPLOYMENT,
                "executionStartTime": "2026-11-23T12:00:00Z",
                "distributionId": DISTRIBUTION,
                "paths": ["/*"],
                "callerReference": DEPLOYMENT,
                "deadline": "2099-01-01T00:00:00Z",
            }),
            Function::CheckInvalidation => json!({
                "executionName": DEPLOYMENT,
                "invalidations": [invalidation],
                "deadline": "2099-01-01T00:00:00Z",
            }),
            Function::ReportStatus => json!({
                "hook": {
                    "deploymentId": DEPLOYMENT,
                    "lifecycleEventHookExecutionId": HOOK_EXECUTION,
                },
                "result": "Completed",
            }),
        }
    }

    /// What is in its answer when it has done its work.
    pub fn statuses(self) -> &'static str {
        match self {
            Self::HelloWorld => "world",
            Self::Node | Self::Python => r#""Succeeded""#,
            Self::Product(function) | Self::SdkDefaults(function) => match function {
                Function::Hook => r#""outcome":"Started""#,
                Function::CreateInvalidation => r#""invalidationId":""#,
                Function::CheckInvalidation => r#""status":"InProgress""#,
                Function::ReportStatus => r#""told":"Succeeded""#,
            },
        }
    }

    /// The size of its zip, in bytes, as SAM makes it.
    ///
    /// # Errors
    /// When it has not been built.
    pub async fn zip_size(self, folder: &Path) -> Result<u64> {
        let zip = folder.join("package.zip");
        command::run(
            Command::new("python3")
                .args(["-m", "zipfile", "--create"])
                .args([&zip, &self.artifact()]),
        )
        .await?;
        Ok(zip.metadata()?.len())
    }
}

/// Where everything is built.
pub fn target() -> PathBuf {
    repository().join("target")
}
