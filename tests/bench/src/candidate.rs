//! The Lambda functions that are measured.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use tests::command::{self, repository};
use tokio::process::Command;

/// An entry of `candidates.yaml`. All paths are relative to the repository.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Candidate {
    /// As in the tables.
    pub name: String,
    /// Whether it is one of the product's functions.
    #[serde(default)]
    pub is_ours: bool,
    /// Whether it is one of them as a package has it.
    #[serde(default)]
    pub is_packaged: bool,
    /// Whether the plot leaves it out.
    #[serde(default)]
    is_only_in_tables: bool,
    /// The file in its zip, if that is not the program.
    artifact: Option<String>,
    /// A program and its arguments.
    command: Vec<String>,
    /// The event of `sam/events` that it is invoked with.
    pub event: String,
    /// What its response contains if it has done its work, without white space.
    pub response: String,
}

impl Candidate {
    pub fn all() -> Result<Vec<Self>> {
        serde_yaml_ng::from_str(include_str!("candidates.yaml")).context("candidates.yaml")
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(repository().join(&self.command[0]));
        command.args(&self.command[1..]);
        command.current_dir(repository().join("target/bench"));
        command
    }

    /// The size of its zip in MB, as SAM makes it.
    pub async fn zip_size(&self, folder: &Path) -> Result<f64> {
        let file = repository().join(self.artifact.as_ref().unwrap_or(&self.command[0]));
        let zip = folder.join("package.zip");
        let mut zipfile = Command::new("python3");
        zipfile.args(["-m", "zipfile", "--create"]);
        command::run(zipfile.args([&zip, &file])).await?;
        Ok(zip.metadata()?.len() as f64 / 1e6)
    }
}

/// An event of `sam/events`.
pub fn event(name: &str) -> Result<String> {
    let file = repository().join(format!("sam/events/{name}.json"));
    fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))
}
