//! What `ecs-hook` tells `rollback`, through the queue of rollbacks.

use serde::{Deserialize, Serialize};
use shared::invalidation::InvalidationBatch;

/// A deployment of an Amazon ECS service that has begun to roll back.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EcsRollback {
    /// The deployment.
    pub service_deployment_arn: String,
    /// The execution to start when the rollback has ended.
    pub execution_name: String,
    /// What that execution invalidates.
    pub invalidations: Vec<InvalidationBatch>,
}
