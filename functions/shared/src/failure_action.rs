//! What happens to the deployment when an invalidation did not complete: what the user has configured, never a side effect.

use std::env;

use serde::Deserialize;

use crate::codedeploy::HookStatus;

/// What happens to the deployment when the invalidation did not complete.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum FailureAction {
    /// `Failed` is reported: the deployment fails, and may roll back.
    #[default]
    FailDeployment,
    /// `Succeeded` is reported: the deployment continues, although the execution fails.
    ContinueDeployment,
}

/// An environment variable whose value is not a failure action.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the environment variable {variable} is {value}; it must be FailDeployment or ContinueDeployment. Until it is fixed, FailDeployment is used. Restore it in the Lambda console. Deploying the stack with the same parameters does not restore it"
)]
pub struct InvalidFailureAction {
    variable: &'static str,
    value: String,
}

impl FailureAction {
    /// The variable with the action for an invalidation that failed.
    pub const ON_INVALIDATION_FAILURE: &'static str = "ON_INVALIDATION_FAILURE";
    /// The variable with the action for an invalidation that was still in progress at the deadline.
    pub const ON_INVALIDATION_TIMEOUT: &'static str = "ON_INVALIDATION_TIMEOUT";

    /// Parses a failure action.
    ///
    /// # Errors
    /// When the variable is missing or its value is not one of the two names.
    pub fn parse(
        variable: &'static str,
        value: Option<String>,
    ) -> Result<Self, InvalidFailureAction> {
        match value.as_deref() {
            Some("FailDeployment") => Ok(Self::FailDeployment),
            Some("ContinueDeployment") => Ok(Self::ContinueDeployment),
            _ => Err(InvalidFailureAction {
                variable,
                value: value.map_or_else(|| "not set".to_owned(), |value| format!("{value:?}")),
            }),
        }
    }

    /// Parses a failure action. An invalid one must not keep CodeDeploy waiting, so it is logged, and
    /// [`FailureAction::FailDeployment`] is used in its place.
    #[must_use]
    pub fn or_default(variable: &'static str, value: Option<String>) -> Self {
        Self::parse(variable, value).unwrap_or_else(|error| {
            tracing::error!("{error}");
            Self::default()
        })
    }

    /// The status that is reported to CodeDeploy.
    #[must_use]
    pub fn status(self) -> HookStatus {
        match self {
            Self::FailDeployment => HookStatus::Failed,
            Self::ContinueDeployment => HookStatus::Succeeded,
        }
    }

    /// The value of the template's parameter.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FailDeployment => "FailDeployment",
            Self::ContinueDeployment => "ContinueDeployment",
        }
    }
}

/// How the invalidations ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum InvalidationResult {
    /// CloudFront has said `Completed` for every one.
    Completed,
    /// At least one failed, or its status is not known.
    Failed,
    /// None failed, but at least one was still in progress at the deadline.
    TimedOut,
}

impl InvalidationResult {
    /// How the invalidations of an execution that failed with this error ended. An execution that timed out could not run its
    /// functions: the deadline for the invalidations is earlier, so theirs is not the timeout.
    #[must_use]
    pub fn of_error(error: Option<&str>) -> Self {
        match error {
            Some("InvalidatedButNotReported") => Self::Completed,
            Some("InvalidationTimedOut") => Self::TimedOut,
            _ => Self::Failed,
        }
    }
}

/// What happens to the deployment when the invalidations did not complete.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct FailureActions {
    /// For [`InvalidationResult::Failed`].
    pub on_invalidation_failure: FailureAction,
    /// For [`InvalidationResult::TimedOut`].
    pub on_invalidation_timeout: FailureAction,
}

impl FailureActions {
    /// Reads both from the environment; see [`FailureAction::or_default`].
    #[must_use]
    pub fn from_env() -> Self {
        Self::parse(|variable| env::var(variable).ok())
    }

    /// Parses both; `variable` returns the value of an environment variable.
    #[must_use]
    pub fn parse(variable: impl Fn(&str) -> Option<String>) -> Self {
        let action = |name| FailureAction::or_default(name, variable(name));
        Self {
            on_invalidation_failure: action(FailureAction::ON_INVALIDATION_FAILURE),
            on_invalidation_timeout: action(FailureAction::ON_INVALIDATION_TIMEOUT),
        }
    }

    /// The status that is reported, and why.
    #[must_use]
    pub fn decide(self, result: InvalidationResult) -> (HookStatus, String) {
        match result {
            InvalidationResult::Completed => (
                HookStatus::Succeeded,
                "all invalidations are completed".to_owned(),
            ),
            InvalidationResult::Failed => (
                self.on_invalidation_failure.status(),
                format!(
                    "OnInvalidationFailure is {}",
                    self.on_invalidation_failure.as_str()
                ),
            ),
            InvalidationResult::TimedOut => (
                self.on_invalidation_timeout.status(),
                format!(
                    "OnInvalidationTimeout is {}",
                    self.on_invalidation_timeout.as_str()
                ),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_action_is_read_by_its_name_and_nothing_else() {
        let parse = |value: Option<&str>| {
            FailureAction::parse("ON_INVALIDATION_FAILURE", value.map(str::to_owned))
        };
        for action in [
            FailureAction::FailDeployment,
            FailureAction::ContinueDeployment,
        ] {
            assert_eq!(parse(Some(action.as_str())), Ok(action));
        }
        for wrong in [None, Some(""), Some("continue"), Some("faildeployment")] {
            let error = parse(wrong).unwrap_err().to_string();
            assert!(error.contains("ON_INVALIDATION_FAILURE is "), "{error}");
        }
    }

    #[test]
    fn a_missing_failure_action_fails_the_deployment() {
        assert_eq!(
            FailureAction::or_default(FailureAction::ON_INVALIDATION_FAILURE, None),
            FailureAction::FailDeployment
        );
    }
}
