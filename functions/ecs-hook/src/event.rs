//! The event of a lifecycle hook of an Amazon ECS service.

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use shared::document::{self, InvalidDocument};

/// The field of `hookDetails` with the number of calls in a row that failed.
const FAILED_CALLS: &str = "failedCalls";

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
    #[serde(default, deserialize_with = "value_or_its_json")]
    hook_details: Value,
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
        let [cluster, service, _id] = path.split('/').collect::<Vec<_>>()[..] else {
            return Err(NotAServiceDeployment);
        };
        let [cluster, service] = [cluster, service].map(str::to_owned);
        Ok(Self {
            arn,
            cluster,
            service,
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

    /// How many calls in a row have failed.
    #[must_use]
    pub fn failed_calls(&self) -> u64 {
        let failed = self.hook_details.get(FAILED_CALLS);
        failed.and_then(Value::as_u64).unwrap_or_default()
    }

    /// The `hookDetails` of the next call, in which so many in a row have failed. ECS merges those of a response into this call's;
    /// whether a field that the response lacks stays is not documented, so it has them all.
    /// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/lambda-lifecycle-hooks.html>
    #[must_use]
    pub fn next_hook_details(&self, failed_calls: u64) -> Value {
        let mut details = self.hook_details.as_object().cloned().unwrap_or_default();
        details.insert(FAILED_CALLS.to_owned(), failed_calls.into());
        details.into()
    }

    /// The batches that the service's hook is configured with, if there are any.
    ///
    /// # Errors
    /// When it is configured with something else: perhaps the field is misspelled.
    pub fn own_invalidations(&self) -> Result<Option<&Value>, &'static str> {
        let object = match &self.hook_details {
            Value::Null => return Ok(None),
            Value::Object(object) => Some(object),
            _ => None,
        };
        let own = object.and_then(|object| object.get("invalidations"));
        let is_none = object.is_some_and(|object| object.keys().all(|key| key == FAILED_CALLS));
        if own.is_some() || is_none {
            return Ok(own);
        }
        Err("it must be an object with the field invalidations, or be left out")
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

/// AWS does not document whether a function gets the value itself or its JSON, as `CloudFormation` has it.
fn value_or_its_json<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(json) if json.trim().is_empty() => Value::Null,
        Value::String(json) => serde_json::from_str(&json).unwrap_or(Value::String(json)),
        value => value,
    })
}
