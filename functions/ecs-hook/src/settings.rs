//! The function's settings: environment variables with the values of the stack's parameters.

use std::env;

use execution::settings::{InvalidSettings, InvalidationSettings, verifies_edge};
use shared::failure_action::FailureActions;

/// The settings of the function.
#[derive(Debug)]
pub struct Settings {
    /// The state machine. Empty if the variable is missing; Step Functions then rejects the request.
    pub state_machine_arn: String,
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
    /// Reads the settings from the environment.
    #[must_use]
    pub fn from_env() -> Self {
        Self::parse(|variable| env::var(variable).ok())
    }

    /// Parses the settings; `variable` returns the value of an environment variable.
    #[must_use]
    pub fn parse(variable: impl Fn(&str) -> Option<String>) -> Self {
        Self {
            state_machine_arn: variable("STATE_MACHINE_ARN").unwrap_or_default(),
            verifies_edge: verifies_edge(&variable),
            rollbacks_queue_url: variable("ROLLBACKS_QUEUE_URL").unwrap_or_default(),
            actions: FailureActions::parse(&variable),
            invalidation: InvalidationSettings::parse(variable),
        }
    }
}
