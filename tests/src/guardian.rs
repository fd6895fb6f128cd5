//! Processes that never outlive whoever started them.

use std::{
    fs::{self, File},
    io,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Result, ensure};
use tokio::signal::unix::{SignalKind, signal};

use crate::until::until;

/// Seconds on an idle machine; one that is busy with a build needs more.
const START_TIMEOUT: Duration = Duration::from_mins(1);
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// Waits until this process is asked to stop, by Ctrl-C or SIGTERM.
pub async fn asked_to_stop() -> io::Result<()> {
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminated.recv() => Ok(()),
    }
}

/// Runs its arguments in a process group of its own, and ends the whole group when its standard input closes: when the
/// [`Guarded`] is dropped, and also when the process that holds it is killed.
const SCRIPT: &str = r#"
exec 3<&0
"$@" </dev/null 3<&- &
server=$!
cat <&3 >/dev/null
trap "" TERM
kill -TERM 0
(sleep 5; kill -KILL 0) >/dev/null 2>&1 &
wait "$server"
kill -KILL 0
"#;

/// A process that ends, with all it has started, when this is dropped.
pub struct Guarded(Child);

impl Guarded {
    /// Starts a program with the arguments and the environment that `configure` sets, and waits until it responds. What it
    /// prints goes to the log.
    pub async fn start(
        program: &Path,
        log: &Path,
        configure: impl FnOnce(&mut Command),
        responds: impl AsyncFn() -> bool,
    ) -> Result<Self> {
        ensure!(
            program.exists(),
            "{} is missing; `make tools` installs it",
            program.display()
        );
        let output = File::create(log)?;
        let errors = output.try_clone()?;
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT, "guardian"]).arg(program);
        command.stdin(Stdio::piped()).process_group(0);
        configure(command.stdout(output).stderr(errors));
        let process = Self(command.spawn()?);
        let responds = async || Ok(responds().await);
        ensure!(
            until(START_TIMEOUT, POLL_INTERVAL, responds).await?,
            "{} does not respond. It says:\n{}",
            program.display(),
            fs::read_to_string(log)?
        );
        Ok(process)
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // The guardian always ends within its five seconds.
        let _ = self.0.wait();
    }
}
