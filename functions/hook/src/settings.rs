//! The entry function's settings: environment variables that the template fills from its parameters.

use std::{collections::BTreeSet, env, fmt};

use serde::Serialize;
use shared::{
    invalidation::{DistributionId, Path},
    policy::Policy,
};

/// CloudFront's quota of wildcard paths in progress for a distribution (Developer Guide, "Quotas on invalidations"). A
/// batch over it could never start.
const MAX_WILDCARD_PATHS: usize = 15;

/// What the entry function was deployed with.
#[derive(Debug)]
pub struct Settings {
    /// What to purge and how, or everything that is wrong with it: the answer to CodeDeploy must not depend on it.
    pub purge: Result<Purge, InvalidSettings>,
    /// What CodeDeploy is told when no execution can be started.
    pub on_purge_failed: Policy,
}

/// What to purge, and which state machine does it.
#[derive(Debug, PartialEq, Eq)]
pub struct Purge {
    /// The state machine to start.
    pub state_machine_arn: String,
    /// A batch for each distribution.
    pub invalidations: Vec<InvalidationBatch>,
}

/// The paths to purge from one distribution.
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
            purge: Purge::parse(|variable| env::var(variable).ok()),
            on_purge_failed: Policy::from_env(Policy::ON_PURGE_FAILED),
        }
    }
}

impl Purge {
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
        let wildcards = paths.iter().filter(|path| path.is_wildcard()).count();
        if wildcards > MAX_WILDCARD_PATHS {
            problems.push(format!(
                "PATHS has {wildcards} paths that end with *: CloudFront works on at most {MAX_WILDCARD_PATHS} of a distribution at a time"
            ));
        }
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

/// Reads a list with commas; what is wrong with it goes to `problems`.
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
