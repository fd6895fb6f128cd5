//! What people run on a local AWS: `make demo`, and the scripts of `make local` and `make sam-local`.

mod demo;

use std::{
    env::{self, Args},
    iter::Skip,
    process::{Child, ExitCode, Stdio},
    time::Duration,
};

use anyhow::{Context, Result};
use tests::{case::parameters, environment::Environment, guardian::asked_to_stop, until::until};

const POLL_INTERVAL: Duration = Duration::from_millis(250);

#[tokio::main]
async fn main() -> Result<ExitCode> {
    tokio::select! {
        code = run(env::args().skip(1)) => code,
        // Returning drops, and so ends, all that was started.
        asked = asked_to_stop() => {
            asked?;
            println!("\nStopped. Nothing is left running.");
            Ok(ExitCode::from(130))
        }
    }
}

/// `demo <scenario>`, or `<script of tests/> <seconds that an invalidation takes, or never> <argument>…`.
async fn run(mut arguments: Skip<Args>) -> Result<ExitCode> {
    let command = arguments.next().unwrap_or_default();
    let argument = arguments.next().unwrap_or_default();
    if command == "demo" {
        return demo::run(&argument).await;
    }
    let aws = Environment::start(None).await?;
    let distribution = "E2QWRUHAPOMQZL";
    let time = argument.parse().ok().map(Duration::from_secs);
    aws.stand_in.invalidations_take(distribution, time);
    let parameters = parameters([("DistributionIds", distribution)]);
    let stack = aws.deploy("local", &parameters, None).await?;
    let mut python = aws.python(&command);
    python.args(arguments).envs(&stack.outputs);
    let mut script = Script(python.into_std().stdin(Stdio::piped()).spawn()?);
    let has_ended = async || Ok(script.0.try_wait()?.is_some());
    until(Duration::MAX, POLL_INTERVAL, has_ended).await?;
    let code = script.0.wait()?.code().context("it was killed")?;
    Ok(ExitCode::from(u8::try_from(code)?))
}

/// A script that ends, and has cleaned up, when this is dropped.
struct Script(Child);

impl Drop for Script {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}
