//! What people run on a local AWS: `make demo`, `make local` and `make sam-local`.

mod demo;
mod sam_local;
mod serve;

use std::{process::ExitCode, sync::Arc, time::Duration};

use anyhow::{Result, bail};
use tests::{
    guardian::asked_to_stop,
    local_aws::LocalAws,
    stack::{self, Stack, parameters},
};

/// What the stack of `make local` and `make sam-local` invalidates.
const DISTRIBUTION: &str = "E2QWRUHAPOMQZL";

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    let argument = arguments.next().unwrap_or_default();
    tokio::select! {
        code = run(&command, &argument) => code,
        // Returning drops, and so ends, all that was started.
        asked = asked_to_stop() => {
            asked?;
            println!("\nStopped. Nothing is left running.");
            // Nothing else ends `make local`.
            Ok(ExitCode::from(if command == "serve" { 0 } else { 130 }))
        }
    }
}

async fn run(command: &str, argument: &str) -> Result<ExitCode> {
    match command {
        "demo" => demo::run(argument).await,
        "serve" => serve::run().await,
        "sam-local" => sam_local::run(argument).await,
        _ => bail!("run `make demo`, `make local` or `make sam-local`"),
    }
}

/// A local AWS with a stack, on which each invalidation takes this time; none if it never completes.
async fn deploy(invalidations_take: Option<Duration>) -> Result<Stack> {
    let aws = Arc::new(LocalAws::start(None).await?);
    aws.stand_in
        .invalidations_take(DISTRIBUTION, invalidations_take);
    let parameters = parameters([("DistributionIds", DISTRIBUTION)]);
    stack::deploy(&aws, "local", &parameters).await
}
