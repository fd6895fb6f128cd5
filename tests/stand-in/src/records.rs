//! What the stand-in records, for tests to assert on.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::{Request, connection};

/// A call that reached the stand-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub operation: Operation,
    /// The id of the distribution, distribution tenant or deployment, or the name of the execution or ECS service, that it is
    /// about.
    pub subject: String,
    /// For a call about an invalidation, the invalidation's caller reference. For a call about an execution, the
    /// execution's name. Both begin with the deployment's id or the service's name.
    pub caller_reference: Option<String>,
    /// What no other field has, if anything: the paths to invalidate, the invalidation's id, or the whole document of a call
    /// for CodeDeploy, Step Functions or SQS.
    pub request: Value,
    /// The access key that signed it.
    pub access_key: Option<String>,
    /// The error code that the service returned, or the connection fault before the call had its effect. For an
    /// invocation also the connection fault after it: the state machine retries both.
    pub error: Option<String>,
    /// When the response was ready.
    pub at: SystemTime,
}

impl Call {
    pub(crate) fn new(operation: Operation, subject: &str, request: &Request) -> Self {
        Self {
            operation,
            subject: subject.to_owned(),
            caller_reference: None,
            request: Value::Null,
            access_key: connection::access_key(request.headers()),
            error: None,
            at: SystemTime::now(),
        }
    }

    /// Whether `about` is its subject or a prefix of its caller reference, as a deployment's id is for the product.
    pub fn is_about(&self, about: &str) -> bool {
        is_about(about, &self.subject, self.caller_reference.as_deref())
    }
}

pub(crate) fn is_about(about: &str, subject: &str, caller_reference: Option<&str>) -> bool {
    about == subject || caller_reference.is_some_and(|reference| reference.starts_with(about))
}

/// The operations that the stand-in has (CloudFront's, CodeDeploy's and Amazon ECS's) or forwards (the others), as AWS names
/// them: `route` parses the names.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, EnumString, IntoStaticStr,
)]
pub enum Operation {
    CreateInvalidation,
    GetInvalidation,
    ListInvalidations,
    CreateInvalidationForDistributionTenant,
    GetInvalidationForDistributionTenant,
    ListInvalidationsForDistributionTenant,
    GetDistributionConfig,
    GetDistributionTenant,
    PutLifecycleEventHookExecutionStatus,
    GetDeployment,
    DescribeServiceDeployments,
    StartExecution,
    DescribeExecution,
    SendMessage,
    /// Lambda's `Invoke`, when the state machine invokes a function.
    #[strum(disabled)]
    Invoke(Function),
}

/// The functions that the state machine invokes. Each has this in its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, VariantArray)]
pub enum Function {
    Create,
    Check,
    Verify,
    Report,
}

/// A status that CodeDeploy accepted for a hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcceptedStatus {
    pub deployment_id: String,
    pub hook_execution_id: String,
    /// `Succeeded` or `Failed`.
    pub status: String,
    pub at: SystemTime,
}

/// An invalidation that CloudFront created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalidation {
    /// The id of its distribution or distribution tenant.
    pub target_id: String,
    pub id: String,
    pub caller_reference: String,
    /// Its paths, in the order of the request.
    pub paths: Vec<String>,
    /// When it was created, by the stand-in's time.
    pub created: SystemTime,
    /// When a response first showed it as `Completed`.
    pub shown_completed: Option<SystemTime>,
}

impl Invalidation {
    /// Its index in the execution's Map: the product's caller references have it after the execution's name.
    pub fn item(&self) -> Option<usize> {
        let mut parts = self.caller_reference.rsplit('-');
        parts.nth(1)?.parse().ok()
    }

    pub(crate) fn is_about(&self, about: &str) -> bool {
        is_about(about, &self.target_id, Some(&self.caller_reference))
    }
}
