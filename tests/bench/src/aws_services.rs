//! The AWS services that the candidates call, and the environment in which Lambda would start them.

use std::{path::Path, time::SystemTime};

use anyhow::{Context, Result};
use axum::{Json, Router, routing::post};
use serde_json::{Value, json};
use stand_in::{Behavior, StandIn};
use tests::local_aws::{ACCOUNT, REGION};

use crate::{
    candidate::Function,
    server::{Certificate, Server},
};

/// CloudFront, CodeDeploy and Step Functions over HTTPS. They stop when this is dropped.
pub struct AwsServices {
    /// The candidates' environment variables.
    pub environment: Vec<(&'static str, String)>,
    _stand_in: StandIn,
    _servers: [Server; 3],
}

impl AwsServices {
    pub async fn start(folder: &Path) -> Result<Self> {
        let stand_in = StandIn::start().await?;
        let event: Value = serde_json::from_str(&Function::Hook.event()?)?;
        let behavior = Behavior {
            accepts_repeated_status: true,
            ..Behavior::default()
        };
        stand_in.set_behavior(event["DeploymentId"].as_str().unwrap_or_default(), behavior);
        // The first invalidation of the stand-in is the one that the event for check-invalidation names.
        let event: Value = serde_json::from_str(&Function::CreateInvalidation.event()?)?;
        let distribution = event["distributionId"].as_str();
        let distribution = distribution.unwrap_or_default().to_owned();
        stand_in.invalidations_take(&distribution, None);
        let cloudfront = aws_sdk_cloudfront::Client::new(&stand_in.client_config());
        create_invalidation::handle(&cloudfront, event, SystemTime::now())
            .await
            .context("the stand-in rejects the invalidation")?;
        let certificate = Certificate::new(folder)?;
        let started = json!({
            "executionArn": format!("arn:aws:states:{REGION}:{ACCOUNT}:execution:bench:bench"),
            "startDate": 1_795_608_000,
        });
        let step_functions = Router::new().route("/", post(async || Json(started)));
        let step_functions = Server::http(step_functions).await?;
        let servers = [
            Server::https(stand_in.address(), &certificate).await?,
            Server::https(step_functions.address, &certificate).await?,
            step_functions,
        ];
        let url = |server: &Server| format!("https://{}", server.address);
        let (stand_in_url, step_functions_url) = (url(&servers[0]), url(&servers[1]));
        let state_machine = format!("arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:bench");
        let bundle = certificate.bundle.display().to_string();
        let file = certificate.file.display().to_string();
        let environment = [
            // As Lambda sets them.
            ("AWS_ACCESS_KEY_ID", "ASIABENCH"),
            ("AWS_SECRET_ACCESS_KEY", "bench"),
            ("AWS_SESSION_TOKEN", "bench"),
            ("AWS_REGION", REGION),
            ("AWS_DEFAULT_REGION", REGION),
            ("AWS_LAMBDA_FUNCTION_NAME", "bench"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
            ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/bench"),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "bench"),
            ("AWS_LAMBDA_LOG_FORMAT", "JSON"),
            // As the template sets them.
            ("STATE_MACHINE_ARN", &state_machine),
            ("DISTRIBUTION_IDS", &distribution),
            ("PATHS", "/*"),
            ("ON_INVALIDATION_FAILURE", "FailDeployment"),
            ("ON_INVALIDATION_TIMEOUT", "FailDeployment"),
            // Rust's and Python's candidates, and Node's, which adds a certificate to a list of its own.
            ("SSL_CERT_FILE", &bundle),
            ("AWS_CA_BUNDLE", &bundle),
            ("NODE_EXTRA_CA_CERTS", &file),
            ("AWS_ENDPOINT_URL_CLOUDFRONT", &stand_in_url),
            ("AWS_ENDPOINT_URL_CODEDEPLOY", &stand_in_url),
            ("AWS_ENDPOINT_URL_SFN", &step_functions_url),
        ];
        Ok(Self {
            environment: environment
                .map(|(name, value)| (name, value.to_owned()))
                .into(),
            _stand_in: stand_in,
            _servers: servers,
        })
    }
}
