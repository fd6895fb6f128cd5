//! Programs: where they are, and those that are run to their end.

use std::{
    path::{Path, PathBuf},
    process::Output,
};

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

/// What a program said when it has ended well. It ends with whoever waits for it.
pub async fn run(command: &mut Command) -> Result<Output> {
    let output = command.kill_on_drop(true).output().await.with_context(|| {
        let program = command.as_std().get_program();
        format!(
            "cannot run {}; `make tools` installs what is in .tools",
            program.display()
        )
    })?;
    ensure!(
        output.status.success(),
        "{:?} failed:\n{}\n{}",
        command.as_std(),
        String::from_utf8_lossy(&output.stdout),
        text(&output.stderr),
    );
    Ok(output)
}

/// Something that a program said.
pub fn text(said: &[u8]) -> String {
    String::from_utf8_lossy(said).trim().to_owned()
}

pub fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// A program that `make tools` has installed.
pub fn tool(environment: &str, program: &str) -> PathBuf {
    let environment = repository().join(".tools").join(environment);
    environment.join("bin").join(program)
}
