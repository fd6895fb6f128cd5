//! What the candidates talk to, and the environment in which Lambda would start them.

use std::{net::Ipv4Addr, path::Path, time::SystemTime};

use anyhow::{Context, Result};
use axum::{Json, Router, routing::post};
use serde_json::{Value, json};
use stand_in::{StandIn, Switches};
use tests::local_aws::{ACCOUNT, REGION};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{
    candidate::{Candidate, DEPLOYMENT, DISTRIBUTION, Function},
    https::Https,
};

/// CloudFront, CodeDeploy and Step Functions, over HTTPS. They are gone when this is dropped.
pub struct World {
    /// For every candidate.
    pub environment: Vec<(&'static str, String)>,
    /// A row of `CheckInvalidations`'s input, in progress for ever.
    pub invalidation: Value,
    _stand_in: StandIn,
    _https: Https,
    step_functions: JoinHandle<()>,
}

impl World {
    /// Starts all on free ports of 127.0.0.1.
    ///
    /// # Errors
    /// When something cannot be started.
    pub async fn start(folder: &Path) -> Result<Self> {
        let stand_in = StandIn::start().await?;
        stand_in.purge_takes(DISTRIBUTION, None);
        let switches = Switches {
            same_answer_accepted_twice: true,
            ..Switches::default()
        };
        stand_in.switch(DEPLOYMENT, switches);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        stand_in.pass_executions_to(DEPLOYMENT, &format!("http://{}", listener.local_addr()?));
        let started = json!({
            "executionArn": format!("arn:aws:states:{REGION}:{ACCOUNT}:execution:bench:{DEPLOYMENT}"),
            "startDate": 1_795_608_000,
        });
        let router = Router::new().route("/", post(async || Json(started)));
        let step_functions = tokio::spawn(async move {
            // It ends with the task.
            let _ = axum::serve(listener, router).await;
        });
        let created = create_invalidation::handle(
            &aws_sdk_cloudfront::Client::new(&stand_in.client_config()),
            Candidate::Product(Function::CreateInvalidation).event(&Value::Null),
            SystemTime::now(),
        )
        .await
        .context("the stand-in takes no invalidation")?;
        let behind = stand_in.url().replace("http://", "").parse()?;
        let https = Https::in_front_of(behind, folder).await?;
        Ok(Self {
            environment: environment(&https),
            invalidation: serde_json::to_value(created.invalidation)?,
            _stand_in: stand_in,
            _https: https,
            step_functions,
        })
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.step_functions.abort();
    }
}

fn environment(https: &Https) -> Vec<(&'static str, String)> {
    let authorities = https.authorities.display().to_string();
    let mut environment = vec![
        // As Lambda sets them.
        ("AWS_ACCESS_KEY_ID", "ASIABENCH".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "bench".to_owned()),
        ("AWS_SESSION_TOKEN", "bench".to_owned()),
        ("AWS_REGION", REGION.to_owned()),
        ("AWS_DEFAULT_REGION", REGION.to_owned()),
        ("AWS_LAMBDA_FUNCTION_NAME", "bench".to_owned()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128".to_owned()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/bench".to_owned()),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "bench".to_owned()),
        ("AWS_LAMBDA_LOG_FORMAT", "JSON".to_owned()),
        // As the template sets them.
        (
            "STATE_MACHINE_ARN",
            format!("arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:bench"),
        ),
        ("DISTRIBUTION_IDS", DISTRIBUTION.to_owned()),
        ("PATHS", "/*".to_owned()),
        ("ON_PURGE_FAILED", "FailDeployment".to_owned()),
        ("ON_PURGE_OVERDUE", "FailDeployment".to_owned()),
        // Whom each kind of candidate trusts: all read as many authorities as they do on Lambda.
        ("SSL_CERT_FILE", authorities.clone()),
        ("AWS_CA_BUNDLE", authorities),
        ("NODE_EXTRA_CA_CERTS", https.authority.display().to_string()),
    ];
    for variable in [
        "AWS_ENDPOINT_URL_CLOUDFRONT",
        "AWS_ENDPOINT_URL_CODEDEPLOY",
        "AWS_ENDPOINT_URL_SFN",
    ] {
        environment.push((variable, https.url.clone()));
    }
    environment
}
