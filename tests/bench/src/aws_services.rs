//! The AWS services that the candidates call, and the environment in which Lambda would start them.

use std::path::Path;

use anyhow::{Result, anyhow};
use handlers::Handlers;
use serde_json::json;
use stand_in::{ACCOUNT, Fault, Operation, REGION, StandIn};
use tests::server::{Certificate, Server};

use crate::candidate::event;

/// The deployment of the events.
const DEPLOYMENT: &str = "d-A1B2C3D4E";

/// CloudFront, CodeDeploy and Step Functions over HTTPS. They stop when this is dropped.
pub struct AwsServices {
    environment: String,
    _handlers: Handlers,
    _server: Server,
}

impl AwsServices {
    /// The certificate is kept in the folder.
    pub async fn start(folder: &Path) -> Result<Self> {
        let stand_in = StandIn::start().await?;
        let execution = Fault::Response(json!({
            "executionArn": format!("arn:aws:states:{REGION}:{ACCOUNT}:execution:bench:bench"),
            "stateMachineArn": format!("arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:bench"),
            "startDate": 1_795_608_000,
            "status": "RUNNING",
        }));
        for operation in [Operation::StartExecution, Operation::DescribeExecution] {
            stand_in.inject(operation, "", usize::MAX, execution.clone());
        }
        stand_in.set_behavior(DEPLOYMENT, |b| b.accepts_repeated_status = true);
        let handlers = Handlers::new(stand_in);
        handlers.aws.invalidations_take("", None);
        // The first invalidation of the stand-in is the one that the event for check-invalidation names.
        let event = serde_json::from_str(&event("create-invalidation")?)?;
        let created = handlers.invoke("create-invalidation", event).await;
        created.map_err(|error| anyhow!("the stand-in rejects the invalidation: {error:?}"))?;
        let certificate = Certificate::new(folder)?;
        let server = Server::https(handlers.aws.address, &certificate).await?;
        Ok(Self {
            environment: minijinja::render!(
                include_str!("environment.j2"),
                region => REGION,
                account => ACCOUNT,
                folder => folder.display().to_string(),
                stand_in => server.address.to_string(),
            ),
            _handlers: handlers,
            _server: server,
        })
    }

    /// The candidates' environment variables.
    pub fn environment(&self) -> impl Iterator<Item = (&str, &str)> {
        let lines = self.environment.lines();
        lines.filter_map(|line| line.split_once('='))
    }
}
