//! The hook function's settings: environment variables with the values of the stack's parameters.

use std::env;

use execution::settings::{InvalidSettings, InvalidationSettings, verifies_edge};
use shared::failure_action::FailureAction;

/// The settings of the hook function.
#[derive(Debug)]
pub struct Settings {
    /// What to invalidate, or why that is not known. The report to CodeDeploy must not depend on it.
    pub invalidation: Result<InvalidationSettings, InvalidSettings>,
    /// Whether executions verify what edge locations serve, if all deployments invalidate the same: `VerifyUrls` are for all of
    /// them.
    pub verifies_edge: bool,
    /// The queue of pending reports. Empty if the variable is missing; SQS then rejects the message.
    pub pending_reports_queue_url: String,
    /// What happens to the deployment when no execution can be started.
    pub on_invalidation_failure: FailureAction,
}

impl Settings {
    /// Reads the settings from the environment.
    #[must_use]
    pub fn from_env() -> Self {
        Self::parse(|variable| env::var(variable).ok())
    }

    /// Parses the settings; `variable` returns the value of an environment variable.
    #[must_use]
    pub fn parse(variable: impl Fn(&str) -> Option<String>) -> Self {
        Self {
            verifies_edge: verifies_edge(&variable),
            pending_reports_queue_url: variable("PENDING_REPORTS_QUEUE_URL").unwrap_or_default(),
            on_invalidation_failure: FailureAction::or_default(
                FailureAction::ON_INVALIDATION_FAILURE,
                variable(FailureAction::ON_INVALIDATION_FAILURE),
            ),
            invalidation: InvalidationSettings::parse(variable),
        }
    }
}
