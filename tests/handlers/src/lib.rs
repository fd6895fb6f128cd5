//! The handlers of all functions in this process, with the stand-in for CloudFront and CodeDeploy, and without Step Functions.

#![expect(
    missing_docs,
    clippy::missing_errors_doc,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    reason = "its readers are the tests"
)]

use std::{fs, path::Path};

use anyhow::Result;
use aws_config::SdkConfig;
use execution::settings::InvalidationSettings;
use lambda_runtime::Diagnostic;
use serde::Serialize;
use serde_json::{Value, json};
use shared::failure_action::FailureActions;
use stand_in::{Fault, Operation, StandIn};
use strum::VariantNames;

const STATE_MACHINE_ARN: &str = "arn:aws:states:eu-central-1:111122223333:stateMachine:invalidate";
const QUEUE_URL: &str = "https://sqs.eu-central-1.amazonaws.com/1/q";

/// The functions, each with the states that invoke it.
pub const FUNCTIONS: [(&str, &[&str]); 7] = [
    ("hook", &[]),
    ("ecs-hook", &[]),
    ("rollback", &[]),
    ("create-invalidation", &["CreateInvalidation"]),
    ("check-invalidation", &["CheckInvalidations"]),
    ("verify-edge", &["VerifyEdge"]),
    ("report-status", &["ReportSucceeded", "ReportFailed"]),
];

/// The errors of a function.
pub fn errors(function: &str) -> &'static [&'static str] {
    match function {
        "hook" => hook::Error::VARIANTS,
        "create-invalidation" => create_invalidation::Error::VARIANTS,
        "check-invalidation" => check_invalidation::Error::VARIANTS,
        "verify-edge" => verify_edge::Error::VARIANTS,
        "report-status" => report_status::Error::VARIANTS,
        "ecs-hook" => ecs_hook::Error::VARIANTS,
        "rollback" => rollback::Error::VARIANTS,
        unknown => panic!("there is no function {unknown}"),
    }
}

/// The documents in a folder of the repository, each with its function and its file's name.
pub fn documents(folder: &str) -> Result<Vec<(String, String, Value)>> {
    let repository = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let files = fs::read_dir(repository.join(folder))?;
    let documents = files.map(|file| {
        let file = file?;
        let name = file.file_name().display().to_string();
        let function = name.split('.').next().unwrap_or_default().to_owned();
        let text = fs::read_to_string(file.path())?;
        Ok((function, name, serde_json::from_str(&text)?))
    });
    documents.collect()
}

pub struct Handlers {
    pub aws: StandIn,
    config: SdkConfig,
}

impl Handlers {
    /// With this stand-in, whose time they go by.
    pub fn new(aws: StandIn) -> Self {
        // The invalidation of the events stays in progress.
        aws.invalidations_take("E2QWRUHAPOMQZL", None);
        let missing = Fault::new("ExecutionDoesNotExist", 400, "Execution Does Not Exist");
        aws.inject(Operation::DescribeExecution, "", usize::MAX, missing);
        // The deployments of the events for rollback have rolled back.
        aws.set_deployment("d-A1B2C3D4E", "shop/web", "codeDeployRollback");
        let start = Operation::StartExecution;
        let started = Fault::Response(json!({ "executionArn": "arn", "startDate": 0 }));
        for rollback in ["NCWGC2ZR-taawPAYrIaU5-rollback", "d-A1B2C3D4E-rollback"] {
            aws.inject(start, rollback, usize::MAX, started.clone());
        }
        let config = aws.client_config();
        Self { aws, config }
    }

    /// Invokes a function; returns what Lambda would return.
    pub async fn invoke(&self, function: &str, event: Value) -> Result<Value, Diagnostic> {
        let config = &self.config;
        let cloudfront = aws_sdk_cloudfront::Client::new(config);
        let now = self.aws.now();
        let variable = |name: &str| match name {
            "STATE_MACHINE_ARN" => Some(STATE_MACHINE_ARN.to_owned()),
            "DISTRIBUTION_IDS" => Some("E2QWRUHAPOMQZL".to_owned()),
            "PATHS" => Some("/*".to_owned()),
            "PENDING_REPORTS_QUEUE_URL" | "ROLLBACKS_QUEUE_URL" => Some(QUEUE_URL.to_owned()),
            "VERIFY_URLS" => Some("https://www.example.com/".to_owned()),
            _ => None,
        };
        match function {
            "hook" => {
                let settings = hook::settings::Settings::parse(variable);
                let clients = hook::Clients::new(config);
                returned(hook::handle(&clients, &settings, event, "request".to_owned()).await)
            }
            "ecs-hook" => {
                let settings = ecs_hook::settings::Settings::parse(variable);
                let clients = ecs_hook::Clients::new(config);
                returned(ecs_hook::handle(&clients, &settings, event).await)
            }
            "rollback" => {
                let settings = InvalidationSettings::parse(variable);
                let clients = rollback::Clients::new(config);
                returned(rollback::handle(&clients, &settings, event).await)
            }
            "create-invalidation" => {
                returned(create_invalidation::handle(&cloudfront, event, now).await)
            }
            "check-invalidation" => {
                returned(check_invalidation::handle(&cloudfront, event, now).await)
            }
            "verify-edge" => {
                let settings = verify_edge::settings::Settings::parse(variable);
                let get = async |_: &_, _: Option<&_>| Err("no network".to_owned());
                returned(verify_edge::handle(get, &settings, event, now).await)
            }
            "report-status" => {
                let clients = report_status::Clients::new(config);
                let actions = FailureActions::parse(variable);
                returned(report_status::handle(&clients, actions, "", event).await)
            }
            unknown => panic!("there is no function {unknown}"),
        }
    }
}

fn returned<T: Serialize, E: Into<Diagnostic>>(result: Result<T, E>) -> Result<Value, Diagnostic> {
    let output = result.map_err(Into::into)?;
    Ok(json!(output))
}
