//! The event of a lifecycle hook of an Amazon ECS service.

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use shared::document::{self, InvalidDocument};

/// The event of a lifecycle hook. Its `executionId` is left out: AWS does not document that repeated calls have the same one.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LifecycleEvent {
    /// The deployment.
    #[serde(rename = "resourceArn")]
    pub service_deployment: ServiceDeployment,
    /// As it is: only a rollback is recognized by it, and nothing in it must fail a deployment.
    #[serde(default)]
    execution_details: Value,
    /// What the service's hook is configured with, and what an earlier response had in this field.
    #[serde(default, deserialize_with = "lenient_object")]
    pub hook_details: Map<String, Value>,
}

/// A deployment of an ECS service.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct ServiceDeployment {
    /// `arn:aws:ecs:<region>:<account>:service-deployment/<cluster>/<service>/<id>`
    pub arn: String,
    /// The cluster's name.
    pub cluster: String,
    /// The service's name.
    pub service: String,
    /// The last part of the ARN.
    pub id: String,
}

/// A string that is not the ARN of a service deployment.
#[derive(Debug, thiserror::Error)]
#[error("it must be the ARN of a service deployment (service-deployment/<cluster>/<service>/<id>)")]
pub struct NotAServiceDeployment;

impl TryFrom<String> for ServiceDeployment {
    type Error = NotAServiceDeployment;

    fn try_from(arn: String) -> Result<Self, Self::Error> {
        let (_, path) = arn
            .split_once(":service-deployment/")
            .ok_or(NotAServiceDeployment)?;
        let [cluster, service, id] = path.split('/').collect::<Vec<_>>()[..] else {
            return Err(NotAServiceDeployment);
        };
        let [cluster, service, id] = [cluster, service, id].map(str::to_owned);
        Ok(Self {
            arn,
            cluster,
            service,
            id,
        })
    }
}

impl LifecycleEvent {
    /// Parses an event.
    ///
    /// # Errors
    /// When it is invalid.
    pub fn parse(event: &Value) -> Result<Self, InvalidDocument> {
        document::parse("the lifecycle hook event", event)
    }

    /// Whether production traffic is about to shift back, at `PRODUCTION_TRAFFIC_SHIFT`: the service revision that was being
    /// deployed gets none. In a deployment that goes forward, this stage is called with what it gets, at least some percent.
    /// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/lambda-lifecycle-hooks.html>
    #[must_use]
    pub fn is_rollback(&self) -> bool {
        let details = &self.execution_details;
        let Some(target) = details["targetServiceRevisionArn"].as_str() else {
            return false;
        };
        let weights = details["productionTrafficWeights"].as_object();
        let has_traffic = |weight: &Value| weight.as_f64().is_some_and(|percent| percent > 0.0);
        weights.is_some_and(|weights| {
            !weights.get(target).is_some_and(has_traffic) && weights.values().any(has_traffic)
        })
    }
}

/// AWS does not document whether a function gets the object itself or its JSON, as `CloudFormation` has it. What is neither does no
/// harm.
fn lenient_object<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Map<String, Value>, D::Error> {
    let value = match Value::deserialize(deserializer)? {
        Value::String(json) => serde_json::from_str(&json).unwrap_or_default(),
        value => value,
    };
    Ok(match value {
        Value::Object(object) => object,
        _ => Map::new(),
    })
}
