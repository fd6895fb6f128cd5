//! Amazon ECS's side of a deployment: it calls a lifecycle hook at each stage, as its documentation says.
//! <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/lambda-lifecycle-hooks.html>

use std::time::{Duration, SystemTime};

use anyhow::Result;
use execution::name;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use stand_in::{ACCOUNT, AcceptedStatus, REGION};

/// The stage at which the product invalidates.
pub const STAGE: &str = "POST_PRODUCTION_TRAFFIC_SHIFT";
/// ECS's own delay before it calls again, in seconds.
const DEFAULT_DELAY: f64 = 30.0;

/// How a service is deployed. Each is played until ECS knows whether the deployment continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum EcsDeployment {
    /// All traffic shifts at once.
    BlueGreen,
    /// Traffic shifts in steps. ECS calls the stages of the shift at each step.
    Linear,
    /// An alarm rolls the deployment back while traffic shifts.
    RolledBack,
}

/// What the calls of a hook at a stage have come to.
#[derive(Debug, Clone)]
pub struct StageResult {
    pub stage: &'static str,
    /// How often it called.
    pub calls: usize,
    /// The last response: `SUCCEEDED`, `FAILED`, or whatever rolls a deployment back.
    pub last: String,
}

impl EcsDeployment {
    /// The name of the execution that it leads to.
    pub fn execution_name(self, id: &str) -> String {
        let arn = service_deployment(id);
        match self {
            Self::BlueGreen | Self::Linear => name::of_ecs(&arn, STAGE),
            Self::RolledBack => name::of_ecs_rollback(&arn),
        }
    }

    /// The stages that ECS calls, each with the percentage of the production traffic that the new service revision gets.
    fn stages(self) -> Vec<(&'static str, Option<f64>)> {
        let (steps, last): (&[_], _) = match self {
            Self::BlueGreen => (&[0.0, 100.0], (STAGE, None)),
            Self::Linear => (&[0.0, 33.3, 66.6, 100.0], (STAGE, None)),
            Self::RolledBack => (&[0.0, 10.0], ("PRODUCTION_TRAFFIC_SHIFT", Some(0.0))),
        };
        let first = (self == Self::Linear).then_some(("POST_TEST_TRAFFIC_SHIFT", None));
        let mut stages = Vec::from_iter(first);
        for step in steps.windows(2) {
            stages.push(("PRE_PRODUCTION_TRAFFIC_SHIFT", Some(step[0])));
            stages.push(("PRODUCTION_TRAFFIC_SHIFT", Some(step[1])));
        }
        stages.push(last);
        stages
    }

    /// Plays it. `invoke` returns the function's response; `hook_details` is what the service is configured with.
    pub async fn play(
        self,
        id: &str,
        hook_details: &Map<String, Value>,
        wait_scale: f64,
        invoke: impl AsyncFn(&Value) -> Result<String>,
    ) -> Result<Vec<StageResult>> {
        let mut results = Vec::new();
        for (stage, target) in self.stages() {
            let mut details = hook_details.clone();
            let mut calls = 0;
            let last = loop {
                calls += 1;
                let event = event(id, stage, target, calls, &details);
                let text = invoke(&event).await?;
                let response: Value = serde_json::from_str(&text).unwrap_or_default();
                if response["hookStatus"] != "IN_PROGRESS" {
                    break response["hookStatus"].as_str().map_or(text, str::to_owned);
                }
                // AWS does not document whether ECS keeps a field that the response does not have; here it does not.
                if let Some(own) = response["hookDetails"].as_object() {
                    details.clone_from(own);
                }
                let delay = response["callBackDelay"].as_f64().unwrap_or(DEFAULT_DELAY);
                tokio::time::sleep(Duration::from_secs_f64(delay * wait_scale)).await;
            };
            let continues = last == "SUCCEEDED";
            results.push(StageResult { stage, calls, last });
            if !continues {
                break;
            }
        }
        Ok(results)
    }
}

impl StageResult {
    /// Whether it is one that ECS's documentation has.
    pub fn is_valid(&self) -> bool {
        ["SUCCEEDED", "FAILED"].contains(&&*self.last)
    }

    /// What it means for the deployment. Whatever is no valid response rolls it back.
    pub fn status(&self, deployment_id: &str, hook_execution_id: &str) -> AcceptedStatus {
        let continues = self.last == "SUCCEEDED";
        let status = if continues { "Succeeded" } else { "Failed" };
        AcceptedStatus {
            deployment_id: deployment_id.to_owned(),
            hook_execution_id: hook_execution_id.to_owned(),
            status: status.to_owned(),
            at: SystemTime::now(),
        }
    }
}

fn service_deployment(id: &str) -> String {
    arn("service-deployment", &format!("/{id}"))
}

/// The ARN of something that belongs to the service.
fn arn(kind: &str, id: &str) -> String {
    format!("arn:aws:ecs:{REGION}:{ACCOUNT}:{kind}/shop/web{id}")
}

/// The event of a call. Whether repeated calls have the same `executionId` is not documented; here they don't.
fn event(
    id: &str,
    stage: &str,
    target: Option<f64>,
    call: usize,
    hook_details: &Map<String, Value>,
) -> Value {
    let [green, blue] = ["/2222", "/1111"].map(|id| arn("service-revision", id));
    let weights = target.map_or(
        json!({}),
        |percent| json!({ &green: percent, blue: 100.0 - percent }),
    );
    json!({
        "executionId": format!("a0e8c3f6-7b7d-4c4e-9d2c-{call:012}"),
        "lifecycleStage": stage,
        "resourceArn": service_deployment(id),
        "executionDetails": {
            "serviceArn": arn("service", ""),
            "targetServiceRevisionArn": green,
            "testTrafficWeights": {},
            "productionTrafficWeights": weights,
        },
        "hookDetails": hook_details,
    })
}
