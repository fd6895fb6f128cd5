//! CodeDeploy: the status of a hook, and the deployment that it belongs to.

use std::fmt;

use aws_sdk_codedeploy::{
    Client,
    operation::put_lifecycle_event_hook_execution_status::PutLifecycleEventHookExecutionStatusError as ReportError,
    types::LifecycleEventStatus,
};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use crate::{aws::AwsFailure, hook::Hook};

/// The two statuses that CodeDeploy accepts for a hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum HookStatus {
    /// The deployment continues.
    Succeeded,
    /// The deployment fails, and may roll back.
    Failed,
}

impl HookStatus {
    /// The status as CodeDeploy spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
        }
    }
}

impl fmt::Display for HookStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a report led to, if CodeDeploy did not reject it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportOutcome {
    /// The hook now has this status.
    Accepted,
    /// The hook was already completed: by an earlier report, by an engineer, or by its own timeout. Nothing is left to do.
    AlreadyCompleted,
}

/// Reports the hook's status to CodeDeploy.
///
/// # Errors
/// When CodeDeploy rejected it or did not respond. A hook that was already completed is not an error.
pub async fn report(
    client: &Client,
    hook: &Hook,
    status: HookStatus,
) -> Result<ReportOutcome, AwsFailure> {
    let response = client
        .put_lifecycle_event_hook_execution_status()
        .deployment_id(&hook.deployment_id)
        .lifecycle_event_hook_execution_id(hook.lifecycle_event_hook_execution_id.expose_secret())
        .status(LifecycleEventStatus::from(status.as_str()))
        .send()
        .await;
    match response {
        Ok(_) => Ok(ReportOutcome::Accepted),
        Err(error)
            if error
                .as_service_error()
                .is_some_and(ReportError::is_lifecycle_event_already_completed_exception) =>
        {
            Ok(ReportOutcome::AlreadyCompleted)
        }
        Err(error) => Err(error.into()),
    }
}

/// A deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// `application/deploymentGroup`. Deployments that `CloudFormation` runs (`AWS::CodeDeploy::BlueGreen`) have none:
    /// <https://docs.aws.amazon.com/codedeploy/latest/userguide/deployments-create-ecs-cfn.html>
    pub group: Option<String>,
    /// What created it, for example `user` or `codeDeployRollback`.
    pub creator: Option<String>,
    /// `Lambda`, `ECS` or `Server`.
    pub compute_platform: Option<String>,
}

impl Deployment {
    /// Its key in the parameter `Targets`: its group, or `*` if it has none.
    #[must_use]
    pub fn targets_key(&self) -> &str {
        self.group.as_deref().unwrap_or("*")
    }
}

/// Gets a deployment.
///
/// # Errors
/// When CodeDeploy rejects the request or does not respond, or its response has no deployment.
pub async fn deployment(client: &Client, id: &str) -> Result<Deployment, AwsFailure> {
    let found = client.get_deployment().deployment_id(id).send().await?;
    let found = found.deployment_info;
    let deployment =
        found.ok_or_else(|| AwsFailure::unusable("GetDeployment's response has no deployment"))?;
    let names = deployment
        .application_name
        .zip(deployment.deployment_group_name);
    Ok(Deployment {
        group: names.map(|(application, group)| format!("{application}/{group}")),
        creator: deployment.creator.map(|c| c.as_str().to_owned()),
        compute_platform: deployment.compute_platform.map(|p| p.as_str().to_owned()),
    })
}
