//! All four handlers behind one door, with a CloudFront and a CodeDeploy that answer, and no Step Functions.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::SystemTime;

use lambda_runtime::Diagnostic;
use serde::Serialize;
use serde_json::Value;
use shared::failure_action::FailureAction;
use stand_in::StandIn;
use strum::VariantNames;

/// The functions, each with the states it serves and the errors it knows.
pub const FUNCTIONS: &[(&str, &[&str], &[&str])] = &[
    ("hook", &[], hook::Error::VARIANTS),
    (
        "create-invalidation",
        &["CreateInvalidation"],
        create_invalidation::Error::VARIANTS,
    ),
    (
        "check-invalidation",
        &["CheckInvalidations"],
        check_invalidation::Error::VARIANTS,
    ),
    (
        "report-status",
        &["ReportSucceeded", "ReportFailed"],
        report_status::Error::VARIANTS,
    ),
];

pub struct Handlers(StandIn);

impl Handlers {
    pub async fn start() -> Self {
        let aws = StandIn::start().await.unwrap();
        // That of the events, which are about a purge under way.
        aws.invalidations_take("E2QWRUHAPOMQZL", None);
        Self(aws)
    }

    /// Invokes a function; the result is what Lambda would pass on.
    pub async fn invoke(&self, function: &str, event: Value) -> Result<Value, Diagnostic> {
        let config = self.0.client_config();
        let cloudfront = aws_sdk_cloudfront::Client::new(&config);
        let now = SystemTime::now();
        match function {
            "hook" => {
                let settings = hook::settings::Settings {
                    invalidation: hook::settings::InvalidationSettings::parse(|variable| {
                        let value = match variable {
                            "STATE_MACHINE_ARN" => {
                                "arn:aws:states:eu-central-1:111122223333:stateMachine:purge"
                            }
                            "DISTRIBUTION_IDS" => "E2QWRUHAPOMQZL",
                            _ => "/*",
                        };
                        Some(value.to_owned())
                    }),
                    pending_reports_queue_url: "https://sqs.eu-central-1.amazonaws.com/1/q"
                        .to_owned(),
                    on_invalidation_failure: FailureAction::FailDeployment,
                };
                let clients = hook::Clients::new(&config);
                passed_on(hook::handle(&clients, &settings, event).await)
            }
            "create-invalidation" => {
                passed_on(create_invalidation::handle(&cloudfront, event, now).await)
            }
            "check-invalidation" => {
                passed_on(check_invalidation::handle(&cloudfront, event, now).await)
            }
            "report-status" => {
                let clients = report_status::Clients::new(&config);
                let actions = report_status::FailureActions {
                    on_invalidation_failure: FailureAction::FailDeployment,
                    on_invalidation_timeout: FailureAction::FailDeployment,
                };
                passed_on(report_status::handle(&clients, actions, "", event).await)
            }
            unknown => panic!("there is no function {unknown}"),
        }
    }
}

fn passed_on<T: Serialize, E: Into<Diagnostic>>(result: Result<T, E>) -> Result<Value, Diagnostic> {
    result
        .map(|output| serde_json::to_value(output).unwrap())
        .map_err(Into::into)
}
