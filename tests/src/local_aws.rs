//! AWS on this machine: ministack for everything but CloudFront and CodeDeploy, which the stand-in has.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use aws_config::{BehaviorVersion, Region, SdkConfig, timeout::TimeoutConfig};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use stand_in::StandIn;
use tokio::sync::OnceCell;

use crate::guardian::Guarded;

/// The account that everything is deployed to: ministack takes it from the access key.
pub const ACCOUNT: &str = "111122223333";
/// The region that everything is deployed to.
pub const REGION: &str = "eu-central-1";

/// It listens within about two seconds; a machine busy with a build needs more.
const START_TIMEOUT: Duration = Duration::from_mins(1);

/// The local AWS, running. It is gone when this is dropped.
pub struct LocalAws {
    /// CloudFront and CodeDeploy.
    pub stand_in: StandIn,
    /// Where all other services listen.
    pub url: String,
    pub clients: SharedClients,
    /// For logs and temporary files: it goes when this does.
    pub(crate) folder: PathBuf,
    /// The template with the addresses of all that was uploaded.
    pub(crate) packaged: OnceCell<PathBuf>,
    /// There until this is dropped.
    ministack: Option<Guarded>,
}

impl LocalAws {
    /// Starts both on free ports of 127.0.0.1.
    pub async fn start() -> Result<Self> {
        let stand_in = StandIn::start().await?;
        let mut ministack = guarded_tool(&tool("ministack", "python"))?;
        ministack
            .arg(repository().join("tests/engines/ministack_local.py"))
            // Functions may do what their roles allow, and nothing else.
            .env("AUTH", "true")
            .env("CLOUDTRAIL_RECORDING", "1");
        Self::start_with(stand_in, ministack).await
    }

    /// Starts ministack beside a stand-in that runs already, so that waits take this share of their time and all calls to
    /// Step Functions, Lambda and SQS go through the stand-in.
    pub(crate) async fn start_accelerated(stand_in: StandIn, wait_scale: f64) -> Result<Self> {
        let url = stand_in.url();
        let mut ministack = guarded_tool(&tool("ministack", "python"))?;
        ministack
            .arg(repository().join("tests/engines/ministack_engine.py"))
            .env("SFN_WAIT_SCALE", wait_scale.to_string())
            .env("SKIPPED_TIME_LOG", skipped_time_log(&folder()))
            // Each invocation takes a thread for as long as its function runs, and many functions run until they time out.
            .env("MINISTACK_WORKER_THREADS", "1000")
            // Idle functions and logs of all that they say would be most of its work.
            .env("LAMBDA_WARM_TTL_SECONDS", "10")
            .env("LOG_LEVEL", "WARNING")
            .env("LAMBDA_URL", &url)
            .env("AWS_ENDPOINT_URL_SFN", &url)
            .env("AWS_ENDPOINT_URL_SQS", &url)
            .env("AWS_ACCESS_KEY_ID", ACCOUNT)
            .env("AWS_DEFAULT_REGION", REGION);
        Self::start_with(stand_in, ministack).await
    }

    async fn start_with(stand_in: StandIn, mut ministack: Command) -> Result<Self> {
        let address = free_address()?;
        let url = format!("http://{address}");
        let folder = folder();
        let temporary = folder.join("tmp");
        fs::create_dir_all(&temporary)
            .with_context(|| format!("cannot create {}", temporary.display()))?;
        let sfn = aws_sdk_sfn::Client::new(&config_at(&url));
        ministack
            .env("BIND_HOST", Ipv4Addr::LOCALHOST.to_string())
            .env("GATEWAY_PORT", address.port().to_string())
            .env("MINISTACK_REGION", REGION)
            .env("LAMBDA_EXECUTOR", "local")
            .env("TMPDIR", &temporary)
            // It would listen on all interfaces.
            .env("IOT_MTLS_ENABLED", "0")
            // The functions inherit these, so that the template needs no local edits.
            .env("AWS_ENDPOINT_URL", &url)
            .env("AWS_ENDPOINT_URL_CLOUDFRONT", stand_in.url())
            .env("AWS_ENDPOINT_URL_CODEDEPLOY", stand_in.url());
        let ministack = start_engine(&mut ministack, &sfn, &folder.join("ministack.log")).await?;
        Ok(Self {
            clients: SharedClients::new(&url, &stand_in.url()),
            stand_in,
            url,
            folder,
            packaged: OnceCell::new(),
            ministack: Some(ministack),
        })
    }

    /// The environment in which the AWS and SAM CLIs talk to it.
    pub fn cli_environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ENDPOINT_URL", self.url.clone()),
            ("AWS_ENDPOINT_URL_CLOUDFRONT", self.stand_in.url()),
            ("AWS_ENDPOINT_URL_CODEDEPLOY", self.stand_in.url()),
            ("AWS_ACCESS_KEY_ID", ACCOUNT.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "local".to_owned()),
            ("AWS_DEFAULT_REGION", REGION.to_owned()),
            ("AWS_REGION", REGION.to_owned()),
        ]
    }
}

impl Drop for LocalAws {
    fn drop(&mut self) {
        // It ends before the stand-in, which its functions may still call, and before its folder goes.
        drop(self.ministack.take());
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Clients for the services of a local AWS.
pub struct SharedClients {
    pub sfn: aws_sdk_sfn::Client,
    pub lambda: aws_sdk_lambda::Client,
    pub sqs: aws_sdk_sqs::Client,
    pub codedeploy: aws_sdk_codedeploy::Client,
}

impl SharedClients {
    fn new(url: &str, stand_in_url: &str) -> Self {
        let config = config_at(url);
        Self {
            sfn: aws_sdk_sfn::Client::new(&config),
            lambda: aws_sdk_lambda::Client::new(&config),
            sqs: aws_sdk_sqs::Client::new(&config),
            codedeploy: aws_sdk_codedeploy::Client::new(&config_at(stand_in_url)),
        }
    }
}

/// The configuration of clients for services at this address.
pub(crate) fn config_at(url: &str) -> SdkConfig {
    let credentials = Credentials::from_keys(ACCOUNT, "local", None);
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::from_static(REGION))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        // This machine may be busy.
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(START_TIMEOUT)
                .build(),
        )
        .endpoint_url(url)
        .build()
}

/// A guarded command for a program that `make tools` has installed.
pub(crate) fn guarded_tool(program: &Path) -> Result<Command> {
    ensure!(
        program.exists(),
        "{} is missing; `make tools` installs it",
        program.display()
    );
    Ok(Guarded::command(program))
}

pub fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// A program that `make tools` has installed.
pub fn tool(environment: &str, program: &str) -> PathBuf {
    repository()
        .join(".tools")
        .join(environment)
        .join("bin")
        .join(program)
}

fn folder() -> PathBuf {
    target_folder().join(format!("local-aws-{}", std::process::id()))
}

/// Where accelerated engines record the waits that they cut short.
pub(crate) fn skipped_time_log(folder: &Path) -> PathBuf {
    folder.join("skipped-time.jsonl")
}

fn target_folder() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), PathBuf::from)
}

pub(crate) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// Starts an engine, and waits until its Step Functions responds.
pub(crate) async fn start_engine(
    command: &mut Command,
    sfn: &aws_sdk_sfn::Client,
    log: &Path,
) -> Result<Guarded> {
    let file = File::create(log)?;
    let engine = Guarded::spawn(command.stdout(file.try_clone()?).stderr(file))?;
    let started = Instant::now();
    while let Err(error) = sfn.list_state_machines().send().await {
        ensure!(
            started.elapsed() < START_TIMEOUT,
            "an engine does not respond: {}. Its log: {}",
            error.into_source()?,
            log.display()
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(engine)
}
