//! AWS on this machine: ministack for everything but CloudFront, CodeDeploy and Amazon ECS, which the stand-in has.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Result, ensure};
use stand_in::StandIn;
use tempfile::TempDir;
use tokio::{process::Command, sync::OnceCell, try_join};

use crate::{
    interpreter::{Interpreter, accelerate},
    sam::Sam,
    server::Certificate,
    stack,
};

/// The account that everything is deployed to: ministack takes it from the access key.
pub const ACCOUNT: &str = "111122223333";
/// The region that everything is deployed to.
pub const REGION: &str = "eu-central-1";

/// The local AWS, running. It is gone when this is dropped: first what calls the rest, and last the folder.
pub struct LocalAws {
    /// What deploys to it.
    pub(crate) sam: Sam,
    /// All other services.
    pub ministack: Interpreter,
    /// CloudFront, CodeDeploy and Amazon ECS.
    pub stand_in: StandIn,
    /// Of the edge location, which functions trust.
    pub(crate) certificate: Certificate,
    /// The template with the addresses of all that was uploaded.
    pub(crate) packaged: OnceCell<PathBuf>,
    /// For logs and temporary files.
    pub(crate) folder: TempDir,
}

impl LocalAws {
    /// Starts both on free ports of 127.0.0.1: as they are, with IAM enforced, or so that waits take a share of their time and all
    /// calls to Step Functions, Lambda and SQS go through the stand-in.
    pub async fn start(wait_scale: Option<f64>) -> Result<Self> {
        ensure!(
            !stack::is_foreign() || emulator().exists(),
            "the package is for another processor, and there is no emulator: run make .tools/qemu/.installed"
        );
        let stand_in = StandIn::start().await?;
        let stand_in_url = &stand_in.url();
        let folder = TempDir::with_prefix_in("local-aws-", target_folder())?;
        let certificate = Certificate::new(folder.path())?;
        let script = match wait_scale {
            None => "ministack_local.py",
            Some(_) => "ministack_engine.py",
        };
        let ministack = Interpreter::start("ministack", script, folder.path(), |ministack, url| {
            ministack
                .env("MINISTACK_REGION", REGION)
                .env("LAMBDA_EXECUTOR", "local")
                .env("TMPDIR", folder.path())
                .env("SSL_CERT_FILE", folder.path().join("certificate.pem"))
                // It would listen on all interfaces.
                .env("IOT_MTLS_ENABLED", "0")
                // The functions inherit these, so that the template needs no local edits.
                .envs(endpoints(url, stand_in_url));
            if stack::is_foreign() {
                ministack.env("EMULATOR", emulator());
            }
            let Some(wait_scale) = wait_scale else {
                // Functions may do what their roles allow, and nothing else.
                ministack.env("AUTH", "true");
                ministack.env("CLOUDTRAIL_RECORDING", "1");
                // By default it keeps 10,000 calls, and forgets the oldest without a word.
                ministack.env("CLOUDTRAIL_MAX_EVENTS", "1000000");
                return;
            };
            accelerate(ministack, wait_scale, stand_in_url, folder.path())
                // Each invocation takes a thread for as long as its function runs, and many functions run until they time out.
                .env("MINISTACK_WORKER_THREADS", "1000")
                // Idle functions and logs of all that they say would be most of its work.
                .env("LAMBDA_WARM_TTL_SECONDS", "10")
                .env("LOG_LEVEL", "WARNING")
                .env("AWS_ENDPOINT_URL_SFN", stand_in_url)
                .env("AWS_ENDPOINT_URL_SQS", stand_in_url);
        });
        let (ministack, sam) = try_join!(ministack, Sam::start(folder.path()))?;
        if wait_scale.is_some() {
            stand_in.forward_lambda_and_sqs_to(&ministack.url);
        }
        Ok(Self {
            sam,
            ministack,
            stand_in,
            certificate,
            packaged: OnceCell::new(),
            folder,
        })
    }

    /// Where the AWS and SAM CLIs, the SDKs and the functions find its services.
    pub fn endpoints(&self) -> [(&'static str, String); 4] {
        endpoints(&self.ministack.url, &self.stand_in.url())
    }

    /// The environment in which the AWS and SAM CLIs talk to it.
    pub fn cli_environment(&self) -> BTreeMap<&'static str, String> {
        let constants = [
            ("AWS_ACCESS_KEY_ID", ACCOUNT),
            ("AWS_SECRET_ACCESS_KEY", "local"),
            ("AWS_DEFAULT_REGION", REGION),
            ("AWS_REGION", REGION),
        ];
        let constants = constants.map(|(name, value)| (name, value.to_owned()));
        self.endpoints().into_iter().chain(constants).collect()
    }

    /// A program that `make tools` has installed, with this as its AWS.
    pub fn tool(&self, environment: &str, program: &str) -> Command {
        let mut command = Command::new(tool(environment, program));
        command.envs(self.cli_environment()).stdin(Stdio::null());
        command
    }
}

fn endpoints(url: &str, stand_in_url: &str) -> [(&'static str, String); 4] {
    [
        ("AWS_ENDPOINT_URL", url.to_owned()),
        ("AWS_ENDPOINT_URL_CLOUDFRONT", stand_in_url.to_owned()),
        ("AWS_ENDPOINT_URL_CODEDEPLOY", stand_in_url.to_owned()),
        ("AWS_ENDPOINT_URL_ECS", stand_in_url.to_owned()),
    ]
}

/// What runs the functions of a package for arm64 on another processor.
fn emulator() -> PathBuf {
    repository().join(".tools/qemu/usr/bin/qemu-aarch64-static")
}

pub fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// A program that `make tools` has installed.
pub fn tool(environment: &str, program: &str) -> PathBuf {
    let environment = repository().join(".tools").join(environment);
    environment.join("bin").join(program)
}

fn target_folder() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), PathBuf::from)
}
