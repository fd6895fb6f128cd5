//! The AWS services that the candidates call, and the environment in which Lambda would start them.

use std::path::Path;

use anyhow::{Result, anyhow};
use axum::{Json, Router, routing::post};
use handlers::Handlers;
use serde_json::json;
use stand_in::Clock;
use tests::{
    local_aws::{ACCOUNT, REGION},
    server::{Certificate, Server},
};

use crate::{candidate::event, server::http};

/// The deployment of the events.
const DEPLOYMENT: &str = "d-A1B2C3D4E";

/// CloudFront, CodeDeploy and Step Functions over HTTPS. They stop when this is dropped.
pub struct AwsServices {
    environment: String,
    _handlers: Handlers,
    _servers: [Server; 3],
}

impl AwsServices {
    /// The certificate is kept in the folder.
    pub async fn start(folder: &Path) -> Result<Self> {
        let handlers = Handlers::start(Clock::default()).await?;
        let stand_in = &handlers.aws;
        stand_in.set_behavior(DEPLOYMENT, |b| b.accepts_repeated_status = true);
        stand_in.invalidations_take("", None);
        // The first invalidation of the stand-in is the one that the event for check-invalidation names.
        let event = serde_json::from_str(&event("create-invalidation")?)?;
        let created = handlers.invoke("create-invalidation", event).await;
        created.map_err(|error| anyhow!("the stand-in rejects the invalidation: {error:?}"))?;
        // For StartExecution and for DescribeExecution.
        let execution = json!({
            "executionArn": format!("arn:aws:states:{REGION}:{ACCOUNT}:execution:bench:bench"),
            "stateMachineArn": format!("arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:bench"),
            "startDate": 1_795_608_000,
            "status": "RUNNING",
        });
        let http = http(Router::new().route("/", post(async || Json(execution)))).await?;
        let certificate = Certificate::new(folder)?;
        let servers = [
            Server::https(stand_in.address, &certificate).await?,
            Server::https(http.address, &certificate).await?,
            http,
        ];
        Ok(Self {
            environment: minijinja::render!(
                include_str!("environment.j2"),
                region => REGION,
                account => ACCOUNT,
                folder => folder.display().to_string(),
                stand_in => servers[0].address.to_string(),
                step_functions => servers[1].address.to_string(),
            ),
            _handlers: handlers,
            _servers: servers,
        })
    }

    /// The candidates' environment variables.
    pub fn environment(&self) -> impl Iterator<Item = (&str, &str)> {
        let lines = self.environment.lines();
        lines.filter_map(|line| line.split_once('='))
    }
}
