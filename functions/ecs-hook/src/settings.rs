//! The function's settings: environment variables with the values of the stack's parameters.

use std::env;

use execution::settings::{InvalidSettings, InvalidationSettings, verifies_edge};
use shared::failure_action::FailureActions;

/// The variable with the URL of the queue of rollbacks.
pub const ROLLBACKS_QUEUE_URL: &str = "ROLLBACKS_QUEUE_URL";

/// The settings of the function.
#[derive(Debug)]
pub struct Settings {
    /// What to invalidate, or why that is not known. The response to Amazon ECS must not depend on it.
    pub invalidation: Result<InvalidationSettings, InvalidSettings>,
    /// Whether executions verify what edge locations serve, if all deployments invalidate the same: `VerifyUrls` are for all of
    /// them.
    pub verifies_edge: bool,
    /// The queue of rollbacks. Empty if nothing is invalidated after a rollback.
    pub rollbacks_queue_url: String,
    /// What happens to the deployment when the invalidations did not complete.
    pub actions: FailureActions,
}

impl Settings {
    /// Reads the settings from the environment; see [`FailureActions::from_env`].
    #[must_use]
    pub fn from_env() -> Self {
        Self {
            invalidation: InvalidationSettings::from_env(),
            verifies_edge: verifies_edge(),
            rollbacks_queue_url: env::var(ROLLBACKS_QUEUE_URL).unwrap_or_default(),
            actions: FailureActions::from_env(),
        }
    }
}
