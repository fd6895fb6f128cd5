//! What a purge that did not finish does to the deployment: the user's choice, never a side effect.

use std::env;

use serde::{Deserialize, Serialize};

use crate::codedeploy::Answer;

/// What to tell CodeDeploy when the purge is not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Policy {
    /// Tell it `Failed`: the deployment fails, and may roll back.
    FailDeployment,
    /// Tell it `Succeeded`: the deployment goes on; the execution still ends red.
    ContinueDeployment,
}

/// A policy variable with a value that is none.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable} is {value:?}: it must be FailDeployment or ContinueDeployment")]
pub struct InvalidPolicy {
    variable: &'static str,
    value: String,
}

impl Policy {
    /// The variable that decides for a purge that failed.
    pub const ON_PURGE_FAILED: &'static str = "ON_PURGE_FAILED";
    /// The variable that decides for a purge still in progress at the deadline.
    pub const ON_PURGE_OVERDUE: &'static str = "ON_PURGE_OVERDUE";

    /// Reads a policy.
    ///
    /// # Errors
    /// When the variable is missing or its value is not a policy's name.
    pub fn parse(variable: &'static str, value: Option<String>) -> Result<Self, InvalidPolicy> {
        match value.as_deref() {
            Some("FailDeployment") => Ok(Self::FailDeployment),
            Some("ContinueDeployment") => Ok(Self::ContinueDeployment),
            _ => Err(InvalidPolicy {
                variable,
                value: value.unwrap_or_default(),
            }),
        }
    }

    /// Reads a policy from the environment. A setting that is wrong must not keep CodeDeploy waiting, so it is logged
    /// and counts as [`Policy::FailDeployment`].
    #[must_use]
    pub fn from_env(variable: &'static str) -> Self {
        Self::parse(variable, env::var(variable).ok()).unwrap_or_else(|error| {
            tracing::error!("{error}; an unfinished purge fails the deployment until it is mended");
            Self::FailDeployment
        })
    }

    /// What CodeDeploy is told.
    #[must_use]
    pub fn answer(self) -> Answer {
        match self {
            Self::FailDeployment => Answer::Failed,
            Self::ContinueDeployment => Answer::Succeeded,
        }
    }

    /// The value as the template's parameter has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FailDeployment => "FailDeployment",
            Self::ContinueDeployment => "ContinueDeployment",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_read_by_its_name_and_nothing_else() {
        let parse =
            |value: Option<&str>| Policy::parse("ON_PURGE_FAILED", value.map(str::to_owned));
        for policy in [Policy::FailDeployment, Policy::ContinueDeployment] {
            assert_eq!(parse(Some(policy.as_str())), Ok(policy));
        }
        for wrong in [None, Some(""), Some("continue"), Some("faildeployment")] {
            let error = parse(wrong).unwrap_err().to_string();
            assert!(error.starts_with("ON_PURGE_FAILED is "), "{error}");
        }
    }

    #[test]
    fn a_missing_policy_fails_the_deployment() {
        assert_eq!(Policy::from_env("NOT_A_VARIABLE"), Policy::FailDeployment);
    }
}
