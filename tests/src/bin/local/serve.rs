//! `make local`: the stack of the demo, left running for the AWS CLI until Ctrl-C.

use std::{process::ExitCode, time::Duration};

use anyhow::Result;
use tests::{containers::Endpoints, local_aws::tool, stack::ARCHITECTURE};

use crate::{DISTRIBUTION, deploy};

pub async fn run() -> Result<ExitCode> {
    println!("Starting the local AWS and deploying the template to it …");
    let stack = deploy(Some(Duration::from_secs(30))).await?;
    let exports = stack.aws.cli_environment().into_iter();
    let exports = exports.map(|(name, value)| format!("  export {name}={value}\n"));
    println!(
        include_str!("serve.txt"),
        exports = exports.collect::<String>(),
        cli = tool("awscli", "aws").canonicalize()?.display(),
        sam = tool("sam", "sam").canonicalize()?.display(),
        machine = stack.state_machine_arn(),
        execution = stack.execution_arn("manual"),
        hook = stack.hook_function(),
        distribution = DISTRIBUTION,
    );
    // Kept for as long as this runs.
    let containers = Endpoints::open(&stack.aws).await;
    match &containers {
        Ok(endpoints) => {
            let build_args = endpoints.environment.iter();
            let build_args =
                build_args.map(|(name, url)| format!("\n      --build-arg {name}={url} \\"));
            println!(
                include_str!("serve-docker.txt"),
                build_args = build_args.collect::<String>(),
                architecture = ARCHITECTURE,
                distribution = DISTRIBUTION,
            );
        }
        Err(reason) => println!("No step can be run in Docker: {reason:#}\n"),
    }
    std::future::pending().await
}
