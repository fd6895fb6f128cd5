//! Runs a function's handler, and logs its errors: the one place that does.

use lambda_runtime::{Diagnostic, Error, LambdaEvent, service_fn};
use serde::Serialize;
use serde_json::Value;

use crate::errors::shorten;

/// The longest id that a log line shows, in characters: an invalid event can have anything in its place. The ARN of a service deployment
/// has a cluster's and a service's name of up to 255 characters each.
const MAX_ID_CHARACTERS: usize = 700;

/// Runs the Lambda runtime with a handler of events and the ids of their requests, until the execution environment is shut down.
///
/// # Errors
/// When the runtime API cannot be reached.
pub async fn run<O, E>(handler: impl AsyncFn(Value, String) -> Result<O, E>) -> Result<(), Error>
where
    O: Serialize,
    E: Into<Diagnostic>,
{
    lambda_runtime::run(service_fn(|event: LambdaEvent<Value>| {
        logged(&handler, event.payload, event.context.request_id)
    }))
    .await
}

/// The runtime gets a [`Diagnostic`], not the error: it logs whatever it gets with `Debug`.
async fn logged<O, E: Into<Diagnostic>>(
    handler: &impl AsyncFn(Value, String) -> Result<O, E>,
    event: Value,
    request_id: String,
) -> Result<O, Diagnostic> {
    let subject = Subject::of(&event);
    // Boxed, or the compiler nests the handler's futures too deep in the runtime's.
    Box::pin(handler(event, request_id)).await.map_err(|error| {
        let diagnostic = error.into();
        tracing::error!(
            execution_name = subject.execution_name,
            deployment_id = subject.deployment_id,
            error_name = diagnostic.error_type,
            "{}",
            diagnostic.error_message
        );
        diagnostic
    })
}

/// The execution and the deployment that an event is about, as far as it names them; of Amazon ECS, the service deployment's ARN.
/// Read without the handler, so that the log has them for an event that the handler cannot parse.
#[derive(Debug, Default, PartialEq, Eq)]
struct Subject {
    execution_name: Option<String>,
    deployment_id: Option<String>,
}

impl Subject {
    fn of(event: &Value) -> Self {
        let message = event.pointer("/Records/0/body").and_then(Value::as_str);
        let message = message.and_then(|body| serde_json::from_str(body).ok());
        let event = message.as_ref().unwrap_or(event);
        let first_of = |pointers: &[&str]| {
            let mut texts = pointers.iter().filter_map(|p| event.pointer(p)?.as_str());
            texts.next().map(|text| shorten(text, MAX_ID_CHARACTERS))
        };
        Self {
            execution_name: first_of(&["/executionName", "/detail/name"]),
            deployment_id: first_of(&[
                "/DeploymentId",
                "/hook/deploymentId",
                "/requestPayload/DeploymentId",
                "/detail/deploymentId",
                "/resourceArn",
                "/serviceDeploymentArn",
            ]),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const LONG_ARN: &str = "arn:aws:ecs:ap-southeast-3:111122223333:service-deployment/a-cluster-with-a-rather-long-name-for-all-teams/the-service-of-the-web-shop-in-production/NCWGC2ZR-taawPAYrIaU5";

    #[test]
    fn the_log_names_the_execution_or_the_deployment_of_every_kind_of_event() {
        let message = |body: Value| json!({ "Records": [{ "body": body.to_string() }] });
        let execution = (Some("d-1-ab"), None);
        let deployment = (None, Some("d-1"));
        for (event, (execution_name, deployment_id)) in [
            (json!({ "executionName": "d-1-ab", "paths": 7 }), execution),
            (
                message(json!({ "detail": { "name": "d-1-ab" } })),
                execution,
            ),
            (json!({ "DeploymentId": "d-1" }), deployment),
            (json!({ "hook": { "deploymentId": "d-1" } }), deployment),
            (
                message(json!({ "requestPayload": { "DeploymentId": "d-1" } })),
                deployment,
            ),
            (
                json!({ "executionName": "d-1-ab", "hook": { "deploymentId": "d-1" } }),
                (Some("d-1-ab"), Some("d-1")),
            ),
            (
                message(json!({ "detail": { "deploymentId": "d-1" } })),
                deployment,
            ),
            (
                message(json!({ "serviceDeploymentArn": "d-1" })),
                deployment,
            ),
            (json!({ "resourceArn": "d-1" }), deployment),
            (json!({ "resourceArn": LONG_ARN }), (None, Some(LONG_ARN))),
            (json!({ "executionName": 7 }), (None, None)),
            (json!({ "Records": [{ "body": "{" }] }), (None, None)),
            (json!([]), (None, None)),
        ] {
            let expected = Subject {
                execution_name: execution_name.map(str::to_owned),
                deployment_id: deployment_id.map(str::to_owned),
            };
            assert_eq!(Subject::of(&event), expected, "{event}");
        }
    }
}
