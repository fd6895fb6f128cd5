//! The settings of what to invalidate: environment variables with the values of the stack's parameters.

use std::{collections::BTreeSet, env, fmt};

use shared::{
    invalidation::{DistributionId, DistributionTenantId, InvalidationBatch, Target},
    items::{Item, Items},
};

use crate::targets::Targets;

/// What to invalidate, and with which state machine.
#[derive(Debug, PartialEq, Eq)]
pub struct InvalidationSettings {
    /// The state machine to start.
    pub state_machine_arn: String,
    /// All that the stack may invalidate.
    pub allowed: BTreeSet<Target>,
    /// What each deployment invalidates.
    pub targets: Targets,
}

/// All problems in the settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct InvalidSettings(Vec<String>);

impl fmt::Display for InvalidSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("; "))
    }
}

/// Whether the executions of deployments verify what edge locations serve: whether the stack has `VerifyUrls`.
#[must_use]
pub fn verifies_edge(variable: impl Fn(&str) -> Option<String>) -> bool {
    variable("VERIFIES_EDGE").is_some_and(|value| value == "true")
}

impl InvalidationSettings {
    /// Reads the settings from the environment.
    ///
    /// # Errors
    /// As [`InvalidationSettings::parse`].
    pub fn from_env() -> Result<Self, InvalidSettings> {
        Self::parse(|variable| env::var(variable).ok())
    }

    /// Parses the settings; `variable` returns the value of an environment variable.
    ///
    /// # Errors
    /// When any of them is invalid. The error names all problems, each with its variable.
    pub fn parse(variable: impl Fn(&str) -> Option<String>) -> Result<Self, InvalidSettings> {
        let mut problems = Vec::new();
        let state_machine_arn = variable("STATE_MACHINE_ARN").unwrap_or_default();
        if state_machine_arn.is_empty() {
            problems.push("STATE_MACHINE_ARN is missing or empty".to_owned());
        }
        let allowed = allowed(&variable, &mut problems);
        let text = variable("TARGETS").filter(|text| !text.trim().is_empty());
        let targets = match text {
            Some(text) => Targets::parse(&text, &allowed, &mut problems),
            None => items(&variable, &mut problems).map(|paths| {
                let batches = allowed.iter().map(|target| InvalidationBatch {
                    target: target.clone(),
                    paths: paths.clone(),
                });
                Targets::same(batches.collect())
            }),
        };
        match targets {
            Some(targets) if problems.is_empty() => Ok(Self {
                state_machine_arn,
                allowed,
                targets,
            }),
            _ => Err(InvalidSettings(problems)),
        }
    }
}

fn allowed(
    variable: &impl Fn(&str) -> Option<String>,
    problems: &mut Vec<String>,
) -> BTreeSet<Target> {
    let ids = list("DISTRIBUTION_IDS", variable);
    let tenant_ids = list("DISTRIBUTION_TENANT_IDS", variable);
    if ids.is_empty() && tenant_ids.is_empty() {
        let problem = "DISTRIBUTION_IDS and DISTRIBUTION_TENANT_IDS are missing or empty";
        problems.push(problem.to_owned());
    }
    let ids: BTreeSet<DistributionId> = parse("DISTRIBUTION_IDS", ids, problems);
    let tenant_ids: BTreeSet<DistributionTenantId> =
        parse("DISTRIBUTION_TENANT_IDS", tenant_ids, problems);
    let tenants = tenant_ids.into_iter().map(Target::DistributionTenant);
    ids.into_iter()
        .map(Target::Distribution)
        .chain(tenants)
        .collect()
}

/// The paths and tags that all deployments invalidate.
fn items(variable: &impl Fn(&str) -> Option<String>, problems: &mut Vec<String>) -> Option<Items> {
    let paths = list("PATHS", variable);
    let tags = list("CACHE_TAGS", variable);
    if paths.is_empty() && tags.is_empty() {
        problems.push("PATHS and CACHE_TAGS are missing or empty".to_owned());
    }
    if tags.iter().any(|tag| tag.starts_with('#')) {
        problems.push("CACHE_TAGS: a tag must not start with #".to_owned());
    }
    // CloudFront's API has both in one list.
    let mut items: BTreeSet<Item> = parse("PATHS", paths, problems);
    let tags = tags.into_iter().map(|tag| format!("#{tag}"));
    items.extend(parse::<Item>("CACHE_TAGS", tags, problems));
    Items::try_from(items).ok()
}

/// The items of a comma-separated list. An empty item is one, too, unless the whole list is empty.
fn list(name: &str, variable: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let value = variable(name).unwrap_or_default();
    if value.trim().is_empty() {
        return Vec::new();
    }
    value
        .split(',')
        .map(|item| item.trim().to_owned())
        .collect()
}

/// Parses the items of a setting, and adds their problems to `problems`.
fn parse<T>(
    name: &str,
    items: impl IntoIterator<Item = String>,
    problems: &mut Vec<String>,
) -> BTreeSet<T>
where
    T: TryFrom<String, Error: fmt::Display> + Ord,
{
    let parsed = items.into_iter().filter_map(|item| {
        T::try_from(item)
            .map_err(|problem| problems.push(format!("{name}: {problem}")))
            .ok()
    });
    parsed.collect()
}
