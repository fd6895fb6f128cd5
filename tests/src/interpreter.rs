//! The servers that interpret the state machine. Each has a Step Functions of its own.

use std::{
    collections::BTreeMap,
    fs,
    net::{Ipv4Addr, TcpListener},
    path::Path,
    process::Command,
    time::{Duration, SystemTime},
};

use anyhow::Result;
use aws_config::{SdkConfig, timeout::TimeoutConfig};
use serde::Deserialize;
use stand_in::{ACCOUNT, REGION, client_config};
use strum::{Display, VariantArray};

use crate::{
    command::{repository, tool},
    guardian::Guarded,
};

/// What interprets the state machine.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Display, VariantArray,
)]
#[strum(serialize_all = "lowercase")]
pub enum Engine {
    /// ministack's own interpreter.
    Ministack,
    /// moto's, which is `LocalStack`'s.
    Moto,
}

/// A server, running. It is gone when this is dropped.
pub struct Interpreter {
    pub url: String,
    /// Of clients for all services that it has.
    pub config: SdkConfig,
    pub sfn: aws_sdk_sfn::Client,
    _process: Guarded,
}

impl Interpreter {
    /// Starts moto's Step Functions, which is `LocalStack`'s, with waits that take this share of their time. It invokes
    /// functions and sends the events of executions' ends to these addresses, and keeps its log and the record of skipped time
    /// in the folder.
    pub async fn moto(
        wait_scale: f64,
        lambda_url: &str,
        events_url: &str,
        folder: &Path,
    ) -> Result<Self> {
        Self::start("moto", "moto_engine.py", folder, |moto, _| {
            accelerate(moto, wait_scale, lambda_url, folder)
                .env("EVENTS_URL", events_url)
                .env("MOTO_ACCOUNT_ID", ACCOUNT);
        })
        .await
    }

    /// Starts a script of `tests/engines` on a free port of 127.0.0.1 with Python as `make tools` has installed it for
    /// `server`, and waits until its Step Functions responds. What else the script needs comes from `configure`, which gets the
    /// server's address.
    pub(crate) async fn start(
        server: &str,
        script: &str,
        folder: &Path,
        configure: impl FnOnce(&mut Command, &str),
    ) -> Result<Self> {
        let python = tool(server, "python");
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let port = address.port().to_string();
        let url = format!("http://{address}");
        let log = folder.join(format!("{server}-{port}.log"));
        // This machine may be busy.
        let timeouts = TimeoutConfig::builder().connect_timeout(Duration::from_mins(1));
        let config = client_config(&url).into_builder();
        let config = config.timeout_config(timeouts.build()).build();
        let sfn = aws_sdk_sfn::Client::new(&config);
        let configure = |command: &mut Command| {
            command
                .arg(repository().join("tests/engines").join(script))
                // ministack's names for host and port, and moto's for the port; its host is 127.0.0.1.
                .env("BIND_HOST", Ipv4Addr::LOCALHOST.to_string())
                .env("GATEWAY_PORT", &port)
                .env("MOTO_PORT", &port);
            configure(command, &url);
        };
        let responds = async || sfn.list_state_machines().send().await.is_ok();
        let process = Guarded::start(&python, &log, configure, responds).await?;
        Ok(Self {
            url,
            config,
            sfn,
            _process: process,
        })
    }
}

/// Sets what `skipped_time.py` and `clients.py` of `tests/engines` need: waits take this share of their time, and functions are
/// invoked at this address.
pub(crate) fn accelerate<'a>(
    command: &'a mut Command,
    wait_scale: f64,
    lambda_url: &str,
    folder: &Path,
) -> &'a mut Command {
    command
        .env("SFN_WAIT_SCALE", wait_scale.to_string())
        .env("SKIPPED_TIME_LOG", folder.join(SKIPPED_TIME_LOG))
        .env("LAMBDA_URL", lambda_url)
        .env("AWS_ACCESS_KEY_ID", ACCOUNT)
        .env("AWS_DEFAULT_REGION", REGION)
}

/// The file in which accelerated interpreters record the waits that they cut short.
const SKIPPED_TIME_LOG: &str = "skipped-time.jsonl";

/// A part of a wait that an engine left out.
#[derive(Debug, Clone, Deserialize)]
pub struct SkippedTime {
    /// Of the deployments that it may be about.
    ids: Vec<String>,
    at: f64,
    seconds: f64,
}

impl SkippedTime {
    /// How much of it was skipped in this time.
    pub fn between(&self, start: SystemTime, end: SystemTime) -> Duration {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs_f64(self.at);
        let is_between = start < at && at <= end;
        Duration::from_secs_f64(if is_between { self.seconds } else { 0.0 })
    }
}

/// What accelerated interpreters with this folder have left out of waits so far, by the ids of deployments.
pub fn skipped_time(folder: &Path) -> Result<BTreeMap<String, Vec<SkippedTime>>> {
    let text = fs::read_to_string(folder.join(SKIPPED_TIME_LOG))?;
    // An engine may be writing the last line.
    let (lines, _) = text.rsplit_once('\n').unwrap_or_default();
    let mut by_id = BTreeMap::<_, Vec<_>>::new();
    for line in lines.lines() {
        let skipped: SkippedTime = serde_json::from_str(line)?;
        for id in &skipped.ids {
            by_id.entry(id.clone()).or_default().push(skipped.clone());
        }
    }
    Ok(by_id)
}
