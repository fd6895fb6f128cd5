//! moto's Step Functions, `LocalStack`'s interpreter: the second one of the state machine.

use std::{net::Ipv4Addr, path::Path};

use anyhow::Result;

use crate::{
    guardian::Guarded,
    local_aws::{
        ACCOUNT, REGION, config_at, free_address, guarded_tool, repository, skipped_time_log,
        start_engine, tool,
    },
};

/// The interpreter, running. It is gone when this is dropped.
pub struct Moto {
    pub url: String,
    pub sfn: aws_sdk_sfn::Client,
    _process: Guarded,
}

impl Moto {
    /// Starts it on a free port of 127.0.0.1, with waits that take this share of their time. It invokes functions and sends
    /// the events of executions' ends to these addresses, and keeps its log and the record of skipped time in the folder.
    pub async fn start(
        wait_scale: f64,
        lambda_url: &str,
        events_url: &str,
        folder: &Path,
    ) -> Result<Self> {
        let address = free_address()?;
        let url = format!("http://{address}");
        let sfn = aws_sdk_sfn::Client::new(&config_at(&url));
        let mut moto = guarded_tool(&tool("moto", "python"))?;
        moto.arg(repository().join("tests/engines/moto_engine.py"))
            .args(["--host", &Ipv4Addr::LOCALHOST.to_string()])
            .args(["--port", &address.port().to_string()])
            .env("SFN_WAIT_SCALE", wait_scale.to_string())
            .env("SKIPPED_TIME_LOG", skipped_time_log(folder))
            .env("LAMBDA_URL", lambda_url)
            .env("EVENTS_URL", events_url)
            .env("MOTO_ACCOUNT_ID", ACCOUNT)
            .env("AWS_ACCESS_KEY_ID", ACCOUNT)
            .env("AWS_DEFAULT_REGION", REGION);
        let log = folder.join(format!("moto-{}.log", address.port()));
        let process = start_engine(&mut moto, &sfn, &log).await?;
        Ok(Self {
            url,
            sfn,
            _process: process,
        })
    }
}
