//! The hook function's settings: environment variables that the template fills from its parameters.

use std::{collections::BTreeSet, env, fmt};

use serde::Serialize;
use shared::{
    failure_action::FailureAction,
    invalidation::{DistributionId, Path},
};

/// The variable with the URL of the queue of pending reports.
pub const PENDING_REPORTS_QUEUE_URL: &str = "PENDING_REPORTS_QUEUE_URL";

/// What the hook function was deployed with.
#[derive(Debug)]
pub struct Settings {
    /// What to invalidate, or everything that is wrong with these settings: the report to CodeDeploy must not depend on them.
    pub invalidation: Result<InvalidationSettings, InvalidSettings>,
    /// The queue of pending reports. Empty if the variable is missing; then SQS rejects what is sent there.
    pub pending_reports_queue_url: String,
    /// What happens to the deployment when no execution can be started.
    pub on_invalidation_failure: FailureAction,
}

/// What to invalidate, and which state machine does it.
#[derive(Debug, PartialEq, Eq)]
pub struct InvalidationSettings {
    /// The state machine to start.
    pub state_machine_arn: String,
    /// A batch for each distribution.
    pub invalidations: Vec<InvalidationBatch>,
}

/// The paths to invalidate in one distribution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InvalidationBatch {
    /// The distribution.
    pub distribution_id: DistributionId,
    /// The paths; sorted, so that a batch is the same however the setting is ordered.
    pub paths: BTreeSet<Path>,
}

/// Everything that is wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct InvalidSettings(Vec<String>);

impl fmt::Display for InvalidSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("; "))
    }
}

impl Settings {
    /// Reads the settings from the environment.
    #[must_use]
    pub fn from_env() -> Self {
        Self {
            invalidation: InvalidationSettings::parse(|variable| env::var(variable).ok()),
            pending_reports_queue_url: env::var(PENDING_REPORTS_QUEUE_URL).unwrap_or_default(),
            on_invalidation_failure: FailureAction::from_env(
                FailureAction::ON_INVALIDATION_FAILURE,
            ),
        }
    }
}

impl InvalidationSettings {
    /// Reads the settings with `variable`, which returns an environment variable's value.
    ///
    /// # Errors
    /// All the problems there are, each with the variable it is in.
    pub fn parse(variable: impl Fn(&str) -> Option<String>) -> Result<Self, InvalidSettings> {
        let mut problems = Vec::new();
        let state_machine_arn = variable("STATE_MACHINE_ARN").unwrap_or_default();
        if state_machine_arn.is_empty() {
            problems.push("STATE_MACHINE_ARN is missing".to_owned());
        }
        let distributions: BTreeSet<DistributionId> =
            parse_list("DISTRIBUTION_IDS", &variable, &mut problems);
        let paths: BTreeSet<Path> = parse_list("PATHS", &variable, &mut problems);
        if !problems.is_empty() {
            return Err(InvalidSettings(problems));
        }
        Ok(Self {
            state_machine_arn,
            invalidations: distributions
                .into_iter()
                .map(|distribution_id| InvalidationBatch {
                    distribution_id,
                    paths: paths.clone(),
                })
                .collect(),
        })
    }
}

/// Reads a comma-separated list; what is wrong with it goes to `problems`.
fn parse_list<T>(
    name: &str,
    variable: impl Fn(&str) -> Option<String>,
    problems: &mut Vec<String>,
) -> BTreeSet<T>
where
    T: TryFrom<String, Error: fmt::Display> + Ord,
{
    let value = variable(name).unwrap_or_default();
    if value.trim().is_empty() {
        problems.push(format!("{name} is empty"));
        return BTreeSet::new();
    }
    value
        .split(',')
        .filter_map(|item| {
            T::try_from(item.trim().to_owned())
                .map_err(|problem| problems.push(format!("{name}: {problem}")))
                .ok()
        })
        .collect()
}
