//! The hook function's settings: environment variables with the values of the stack's parameters.

use std::env;

use execution::settings::{InvalidSettings, InvalidationSettings, verifies_edge};
use shared::failure_action::FailureAction;

/// The variable with the URL of the queue of pending reports.
pub const PENDING_REPORTS_QUEUE_URL: &str = "PENDING_REPORTS_QUEUE_URL";

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
    /// Reads the settings from the environment; see [`FailureAction::from_env`].
    #[must_use]
    pub fn from_env() -> Self {
        Self {
            invalidation: InvalidationSettings::from_env(),
            verifies_edge: verifies_edge(),
            pending_reports_queue_url: env::var(PENDING_REPORTS_QUEUE_URL).unwrap_or_default(),
            on_invalidation_failure: FailureAction::from_env(
                FailureAction::ON_INVALIDATION_FAILURE,
            ),
        }
    }
}
