//! The handlers of all functions, with the stand-in for CloudFront and CodeDeploy, and without Step Functions.

use std::{fs, time::SystemTime};

use execution::settings::InvalidationSettings;
use lambda_runtime::Diagnostic;
use serde::Serialize;
use serde_json::{Value, json};
use shared::failure_action::{FailureAction, FailureActions};
use stand_in::{Fault, Operation, StandIn};
use strum::VariantNames;
use tests::local_aws::repository;

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
pub fn documents(folder: &str) -> Vec<(String, String, Value)> {
    let files = fs::read_dir(repository().join(folder)).unwrap();
    let documents = files.map(|file| {
        let file = file.unwrap();
        let name = file.file_name().into_string().unwrap();
        let function = name.split('.').next().unwrap().to_owned();
        let text = fs::read_to_string(file.path()).unwrap();
        (function, name, serde_json::from_str(&text).unwrap())
    });
    documents.collect()
}

pub struct Handlers(StandIn);

impl Handlers {
    pub async fn start() -> Self {
        let aws = StandIn::start().await.unwrap();
        // The invalidation of the events stays in progress.
        aws.invalidations_take("E2QWRUHAPOMQZL", None);
        let missing = Fault::new("ExecutionDoesNotExist", 400, "Execution Does Not Exist");
        aws.inject(Operation::DescribeExecution, "", usize::MAX, missing);
        let started = json!({ "executionArn": "arn", "startDate": 0 });
        let started = Fault::Response(started);
        aws.inject(
            Operation::StartExecution,
            "NCWGC2ZR-taawPAYrIaU5-rollback",
            usize::MAX,
            started,
        );
        Self(aws)
    }

    /// Invokes a function; returns what Lambda would return.
    pub async fn invoke(&self, function: &str, event: Value) -> Result<Value, Diagnostic> {
        let config = self.0.client_config();
        let cloudfront = aws_sdk_cloudfront::Client::new(&config);
        let now = SystemTime::now();
        let on_invalidation_failure = FailureAction::FailDeployment;
        let actions = FailureActions {
            on_invalidation_failure,
            on_invalidation_timeout: FailureAction::FailDeployment,
        };
        let invalidation = InvalidationSettings::parse(|variable| match variable {
            "STATE_MACHINE_ARN" => Some(STATE_MACHINE_ARN.to_owned()),
            "DISTRIBUTION_IDS" => Some("E2QWRUHAPOMQZL".to_owned()),
            "PATHS" => Some("/*".to_owned()),
            _ => None,
        });
        match function {
            "hook" => {
                let settings = hook::settings::Settings {
                    invalidation,
                    verifies_edge: false,
                    pending_reports_queue_url: QUEUE_URL.to_owned(),
                    on_invalidation_failure,
                };
                let clients = hook::Clients::new(&config);
                returned(hook::handle(&clients, &settings, event, "request".to_owned()).await)
            }
            "ecs-hook" => {
                let settings = ecs_hook::settings::Settings {
                    invalidation,
                    verifies_edge: false,
                    rollbacks_queue_url: QUEUE_URL.to_owned(),
                    actions,
                };
                let clients = ecs_hook::Clients::new(&config);
                returned(ecs_hook::handle(&clients, &settings, event).await)
            }
            "rollback" => {
                let clients = rollback::Clients::new(&config);
                returned(rollback::handle(&clients, &invalidation, event).await)
            }
            "create-invalidation" => {
                returned(create_invalidation::handle(&cloudfront, event, now).await)
            }
            "check-invalidation" => {
                returned(check_invalidation::handle(&cloudfront, event, now).await)
            }
            "verify-edge" => {
                let settings = verify_edge::settings::Settings::parse(|variable| {
                    (variable == "VERIFY_URLS").then(|| "https://www.example.com/".to_owned())
                });
                let get = async |_: &_, _: Option<&_>| Err("no network".to_owned());
                returned(verify_edge::handle(get, &settings, event, now).await)
            }
            "report-status" => {
                let clients = report_status::Clients::new(&config);
                returned(report_status::handle(&clients, actions, "", event).await)
            }
            unknown => panic!("there is no function {unknown}"),
        }
    }
}

fn returned<T: Serialize, E: Into<Diagnostic>>(result: Result<T, E>) -> Result<Value, Diagnostic> {
    let output = result.map_err(Into::into)?;
    Ok(serde_json::to_value(output).unwrap())
}
