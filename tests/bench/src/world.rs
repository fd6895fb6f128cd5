//! What the candidates talk to, and the environment in which Lambda would start them.

use std::{net::Ipv4Addr, path::Path, time::SystemTime};

use anyhow::{Context, Result};
use axum::{Json, Router, routing::post};
use serde_json::{Value, json};
use stand_in::{Behavior, StandIn};
use tests::local_aws::{ACCOUNT, REGION};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{
    candidate::{Candidate, DEPLOYMENT, DISTRIBUTION, Function},
    https::{Authority, Https},
};

/// CloudFront, CodeDeploy and Step Functions, over HTTPS. They are gone when this is dropped.
pub struct World {
    /// For every candidate.
    pub environment: Vec<(&'static str, String)>,
    /// A row of `CheckInvalidations`'s input, in progress for ever.
    pub invalidation: Value,
    step_functions: JoinHandle<()>,
    _stand_in: StandIn,
    _fronts: [Https; 2],
}

impl World {
    /// Starts all on free ports of 127.0.0.1.
    ///
    /// # Errors
    /// When something cannot be started.
    pub async fn start(folder: &Path) -> Result<Self> {
        let stand_in = StandIn::start().await?;
        stand_in.invalidations_take(DISTRIBUTION, None);
        let behavior = Behavior {
            accepts_repeated_status: true,
            ..Behavior::default()
        };
        stand_in.set_behavior(DEPLOYMENT, behavior);
        let created = create_invalidation::handle(
            &aws_sdk_cloudfront::Client::new(&stand_in.client_config()),
            Candidate::Product(Function::CreateInvalidation).event(&Value::Null),
            SystemTime::now(),
        )
        .await
        .context("the stand-in takes no invalidation")?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let authority = Authority::new(folder)?;
        let fronts = [
            Https::in_front_of(stand_in.address(), &authority).await?,
            Https::in_front_of(listener.local_addr()?, &authority).await?,
        ];
        Ok(Self {
            environment: environment(&authority, &fronts[0].url, &fronts[1].url),
            invalidation: serde_json::to_value(created.invalidation)?,
            step_functions: tokio::spawn(step_functions(listener)),
            _stand_in: stand_in,
            _fronts: fronts,
        })
    }
}

/// Starts any execution.
async fn step_functions(listener: TcpListener) {
    let started = json!({
        "executionArn": format!("arn:aws:states:{REGION}:{ACCOUNT}:execution:bench:{DEPLOYMENT}"),
        "startDate": 1_795_608_000,
    });
    let router = Router::new().route("/", post(async || Json(started)));
    // It ends with the task.
    let _ = axum::serve(listener, router).await;
}

impl Drop for World {
    fn drop(&mut self) {
        self.step_functions.abort();
    }
}

fn environment(
    authority: &Authority,
    stand_in: &str,
    step_functions: &str,
) -> Vec<(&'static str, String)> {
    let authorities = authority.among_others.display().to_string();
    vec![
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
        ("ON_INVALIDATION_FAILURE", "FailDeployment".to_owned()),
        ("ON_INVALIDATION_TIMEOUT", "FailDeployment".to_owned()),
        // Whom each kind of candidate trusts: all read as many authorities as they do on Lambda.
        ("SSL_CERT_FILE", authorities.clone()),
        ("AWS_CA_BUNDLE", authorities),
        ("NODE_EXTRA_CA_CERTS", authority.alone.display().to_string()),
        ("AWS_ENDPOINT_URL_CLOUDFRONT", stand_in.to_owned()),
        ("AWS_ENDPOINT_URL_CODEDEPLOY", stand_in.to_owned()),
        ("AWS_ENDPOINT_URL_SFN", step_functions.to_owned()),
    ]
}
