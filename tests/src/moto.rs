//! moto's Step Functions, `LocalStack`'s interpreter: the second one of the state machine.

use std::{fs::File, net::Ipv4Addr, path::Path};

use anyhow::Result;

use crate::{
    guardian::Guarded,
    local_aws::{
        ACCOUNT, REGION, free_address, guarded_tool, repository, sfn_at, tool, wait_until_ready,
    },
};

/// The interpreter, running. It is gone when this is dropped.
pub struct Moto {
    /// Where it listens.
    pub url: String,
    _process: Guarded,
}

impl Moto {
    /// Starts it on a free port of 127.0.0.1. Of a wait's seconds it waits this share; it invokes functions and tells how
    /// executions end at these addresses; its log goes into the folder.
    ///
    /// # Errors
    /// When the tools are missing (`make tools`) or it does not come up; its log is then named.
    pub async fn start(
        wait_scale: f64,
        lambda_url: &str,
        events_url: &str,
        folder: &Path,
    ) -> Result<Self> {
        let address = free_address()?;
        let log_file = folder.join(format!("moto-{}.log", address.port()));
        let log = File::create(&log_file)?;
        let process = Guarded::spawn(
            guarded_tool(&tool("moto", "python"))?
                .arg(repository().join("tests/engines/moto_engine.py"))
                .args(["--host", &Ipv4Addr::LOCALHOST.to_string()])
                .args(["--port", &address.port().to_string()])
                .env("SFN_WAIT_SCALE", wait_scale.to_string())
                .env("LAMBDA_URL", lambda_url)
                .env("EVENTS_URL", events_url)
                .env("MOTO_ACCOUNT_ID", ACCOUNT)
                .env("AWS_ACCESS_KEY_ID", ACCOUNT)
                .env("AWS_DEFAULT_REGION", REGION)
                .stdout(log.try_clone()?)
                .stderr(log),
        )?;
        wait_until_ready(address, "/moto-api/data.json", &log_file).await?;
        Ok(Self {
            url: format!("http://{address}"),
            _process: process,
        })
    }

    /// A Step Functions client for it.
    #[must_use]
    pub fn sfn(&self) -> aws_sdk_sfn::Client {
        sfn_at(&self.url)
    }
}
