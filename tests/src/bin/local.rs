//! `make local`: the stack of the demo, left running for the AWS CLI until Ctrl-C.

use std::time::Duration;

use anyhow::Result;
use tests::{
    containers::Endpoints,
    guardian::asked_to_stop,
    local_aws::{LocalAws, tool},
    stack::{self, ARCHITECTURE},
};

const DISTRIBUTION: &str = "E2QWRUHAPOMQZL";

#[tokio::main]
async fn main() -> Result<()> {
    tokio::select! {
        done = serve() => done,
        // Returning drops, and so ends, all that was started.
        asked = asked_to_stop() => {
            asked?;
            println!("\nStopped. Nothing is left running.");
            Ok(())
        }
    }
}

async fn serve() -> Result<()> {
    println!("Starting the local AWS and deploying sam/template.yaml to it …");
    let aws = LocalAws::start().await?;
    aws.stand_in
        .invalidations_take(DISTRIBUTION, Some(Duration::from_secs(30)));
    let parameters = [("DistributionIds", DISTRIBUTION)];
    let stack = stack::deploy(&aws, "local", &parameters).await?;
    println!("\nIt runs until Ctrl-C. Paste this into another terminal:\n");
    for (name, value) in aws.cli_environment() {
        println!("  export {name}={value}");
    }
    let cli = tool("awscli", "aws").canonicalize()?;
    let sam = tool("sam", "sam").canonicalize()?;
    let machine = stack.state_machine_arn();
    let hook = stack.hook_function();
    println!(
        r#"  alias aws={cli} sam={sam}

Start an execution manually, not for a deployment:

  aws stepfunctions start-execution --state-machine-arn {machine} --name manual \
      --input '{{"invalidations": [{{"distributionId": "{DISTRIBUTION}", "paths": ["/*"]}}]}}'

Or as CodeDeploy does:

  aws lambda invoke --function-name {hook} --payload file://sam/events/hook.json /dev/stdout

Follow it (an invalidation takes 30 seconds here):

  aws stepfunctions list-executions --state-machine-arn {machine}
  aws stepfunctions get-execution-history --execution-arn {execution} \
      --query 'events[].[timestamp,type,stateEnteredEventDetails.name]' --output table
  aws stepfunctions describe-execution --execution-arn {execution}
  aws cloudfront list-invalidations --distribution-id {DISTRIBUTION}
"#,
        cli = cli.display(),
        sam = sam.display(),
        execution = stack.execution_arn("manual"),
    );
    // Kept for as long as this runs.
    let containers = Endpoints::open(&aws).await;
    if let Err(reason) = &containers {
        println!("No step can be run in Docker: {reason:#}\n");
    }
    if let Ok(endpoints) = &containers {
        println!("Run one step in Docker, when `sam build` has built it for {ARCHITECTURE}:\n");
        print!("  docker build --tag invalidate-local");
        for (name, url) in &endpoints.environment {
            print!(" \\\n      --build-arg {name}={url}");
        }
        println!(
            r" \
      - < sam/local.Dockerfile
  cd sam
  sam local invoke CreateInvalidationFunction --event events/create-invalidation.json \
      --env-vars local-env.json --invoke-image invalidate-local --force-image-build --skip-pull-image \
      --parameter-overrides DistributionIds={DISTRIBUTION}
"
        );
    }
    std::future::pending().await
}
