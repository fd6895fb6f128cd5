//! The Lambda functions that are measured.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use strum::{Display, EnumString, VariantArray};
use tests::{
    command,
    local_aws::{repository, tool},
};
use tokio::process::Command;

/// The product's functions. `Display` writes the name of the folder, `Debug` what the resource's name begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Display, EnumString, VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum Function {
    Hook,
    CreateInvalidation,
    CheckInvalidation,
    ReportStatus,
}

impl Function {
    /// An event from `sam/events`.
    pub fn event(self) -> Result<String> {
        let name = match self {
            Self::Hook => "hook",
            Self::CreateInvalidation => "create-invalidation",
            Self::CheckInvalidation => "check-invalidation.in-progress",
            Self::ReportStatus => "report-status.succeeded",
        };
        let file = repository().join(format!("sam/events/{name}.json"));
        fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))
    }
}

/// In the order of the tables, with their names there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Display)]
pub enum Candidate {
    /// Does nothing; the product's profile and logging.
    #[strum(to_string = "hello world (no AWS call)")]
    HelloWorld,
    /// As deployed.
    #[strum(to_string = "{0}")]
    Product(Function),
    /// The same handler with the SDK's default features and cargo's default profile.
    #[strum(to_string = "{0}, SDK defaults")]
    SdkDefaults(Function),
    /// What people write instead: creates an invalidation and reports `Succeeded` at once.
    #[strum(to_string = "Node.js, bundled")]
    Node,
    #[strum(to_string = "Python, boto3")]
    Python,
}

impl Candidate {
    pub fn all() -> Vec<Self> {
        let functions =
            |candidate: fn(Function) -> Self| Function::VARIANTS.iter().copied().map(candidate);
        [Self::HelloWorld]
            .into_iter()
            .chain(functions(Self::Product))
            .chain(functions(Self::SdkDefaults))
            .chain([Self::Node, Self::Python])
            .collect()
    }

    pub fn command(self) -> Command {
        let folder = target().join("bench");
        let (program, arguments) = match self {
            Self::Node => (folder.join("node"), vec!["index.js"]),
            Self::Python => (
                tool("boto3", "python"),
                vec!["-m", "awslambdaric", "blog_post.handler"],
            ),
            _ => (self.artifact(), vec![]),
        };
        let mut command = Command::new(program);
        command.args(arguments).current_dir(folder);
        command
    }

    /// The file in its zip.
    fn artifact(self) -> PathBuf {
        target().join(match self {
            Self::HelloWorld => "bench/hello-world/bootstrap".to_owned(),
            Self::Product(function) => format!("sam-lambda/{function:?}Function/bootstrap"),
            Self::SdkDefaults(function) => format!("sdk-defaults/release/{function}"),
            Self::Node => "bench/index.js".to_owned(),
            Self::Python => "bench/blog_post.py".to_owned(),
        })
    }

    /// The function whose event it is invoked with.
    pub fn function(self) -> Function {
        match self {
            Self::Product(function) | Self::SdkDefaults(function) => function,
            Self::HelloWorld | Self::Node | Self::Python => Function::Hook,
        }
    }

    /// What its response contains if it has done its work.
    pub fn expected_response(self) -> &'static str {
        match (self, self.function()) {
            (Self::HelloWorld, _) => "world",
            (Self::Node | Self::Python, _) => r#""Succeeded""#,
            (_, Function::Hook) => r#""outcome":"Started""#,
            (_, Function::CreateInvalidation) => r#""invalidationId":""#,
            (_, Function::CheckInvalidation) => r#""status":"InProgress""#,
            (_, Function::ReportStatus) => r#""reportedStatus":"Succeeded""#,
        }
    }

    /// The size of its zip in MB, as SAM makes it.
    pub async fn zip_size(self, folder: &Path) -> Result<f64> {
        let zip = folder.join("package.zip");
        let mut zipfile = Command::new("python3");
        zipfile.args(["-m", "zipfile", "--create"]);
        command::run(zipfile.args([&zip, &self.artifact()])).await?;
        Ok(zip.metadata()?.len() as f64 / 1e6)
    }
}

/// The folder that everything is built in.
pub fn target() -> PathBuf {
    repository().join("target")
}
