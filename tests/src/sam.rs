//! The SAM CLI, loaded once for all commands: see `tests/tools/sam_server.py`.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Result, ensure};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

use crate::{
    guardian::Guarded,
    local_aws::{repository, tool},
};

/// An environment, or a part of it.
type Variables = BTreeMap<&'static str, String>;

pub struct Sam {
    socket: PathBuf,
    _process: Guarded,
}

impl Sam {
    /// Loads it. Its log, its socket and its temporary files are in the folder.
    pub async fn start(folder: &Path) -> Result<Self> {
        let socket = folder.join("sam.socket");
        let (python, log) = (tool("sam", "python"), folder.join("sam.log"));
        let responds = async || run(&socket, BTreeMap::new(), "--version").await.is_ok();
        let process = Guarded::start(
            &python,
            &log,
            |server| {
                server
                    .arg(repository().join("tests/tools/sam_server.py"))
                    .arg(&socket)
                    .current_dir(repository().join("sam"))
                    .env("SAM_CLI_TELEMETRY", "0")
                    // Between two checks whether the stack is there, in seconds; sam's own 5 are meant for AWS.
                    .env("SAM_CLI_POLL_DELAY", "0.5")
                    // A deployment needs no compiler.
                    .env("PATH", "/usr/bin:/bin")
                    // It leaves the folders of its zips behind.
                    .env("TMPDIR", folder);
            },
            responds,
        );
        let process = process.await?;
        Ok(Self {
            socket,
            _process: process,
        })
    }

    /// Runs a command, written as in a shell, in this environment.
    pub async fn run(&self, environment: Variables, command: &str) -> Result<()> {
        run(&self.socket, environment, command).await
    }
}

async fn run(socket: &Path, environment: Variables, command: &str) -> Result<()> {
    let mut stream = UnixStream::connect(socket).await?;
    let arguments = shell_words::split(command)?;
    let line = json!({ "arguments": arguments, "environment": environment });
    stream.write_all(format!("{line}\n").as_bytes()).await?;
    let mut printed = String::new();
    stream.read_to_string(&mut printed).await?;
    let (said, code) = printed.rsplit_once('\n').unwrap_or_default();
    ensure!(code == "0", "sam {command} failed:\n{said}\n{code}");
    Ok(())
}
