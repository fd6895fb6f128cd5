//! The SAM CLI, loaded once for all commands: see `tests/tools/sam_server.py`.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

use crate::{
    command::{repository, tool},
    guardian::Guarded,
};

pub struct Sam {
    socket: PathBuf,
    _process: Guarded,
}

impl Sam {
    /// Loads it. Its log, its socket and its temporary files are in the folder.
    pub async fn start(folder: &Path) -> Result<Self> {
        let socket = folder.join("sam.socket");
        let (python, log) = (tool("sam", "python"), folder.join("sam.log"));
        let responds = async || UnixStream::connect(&socket).await.is_ok();
        let configure = |server: &mut Command| {
            server.arg(repository().join("tests/tools/sam_server.py"));
            server.arg(&socket).current_dir(repository().join("sam"));
            // It leaves the folders of its zips behind.
            server.env("TMPDIR", folder);
        };
        let process = Guarded::start(&python, &log, configure, responds).await?;
        Ok(Self {
            socket,
            _process: process,
        })
    }

    /// Runs a command; returns the outputs of the stack, if it is about one.
    pub async fn run(&self, command: &Value) -> Result<BTreeMap<String, String>> {
        let mut stream = UnixStream::connect(&self.socket).await?;
        stream.write_all(format!("{command}\n").as_bytes()).await?;
        let mut printed = String::new();
        stream.read_to_string(&mut printed).await?;
        let (said, outputs) = printed.rsplit_once('\n').unwrap_or_default();
        serde_json::from_str(outputs).with_context(|| format!("sam failed:\n{said}\n{command}"))
    }
}
