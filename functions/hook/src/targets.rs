//! What each deployment invalidates.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use aws_config::SdkConfig;
use aws_sdk_codedeploy::{Client, config::Builder};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::Value;
use shared::{
    aws::{AwsFailure, OPERATION_TIMEOUT},
    document,
    hook::Hook,
    invalidation::{InvalidationBatch, Target},
};

use crate::retries::{UnparsableResponse, patient};

/// The key of the deployments that no other key names.
const OTHERS: &str = "*";

/// What each deployment invalidates: the batches of its `application/deploymentGroup`, or else those of `*`.
#[derive(Debug, PartialEq, Eq)]
pub struct Targets(BTreeMap<String, Vec<InvalidationBatch>>);

/// Why it is not known what a deployment invalidates.
#[derive(Debug, thiserror::Error)]
pub enum UnknownTargets {
    /// CodeDeploy did not return the deployment.
    #[error(
        "CodeDeploy did not return the deployment group of deployment {deployment_id}: {source}. {}",
        advice(source)
    )]
    DeploymentNotRead {
        /// The deployment.
        deployment_id: String,
        /// CodeDeploy's response, if there was one.
        source: AwsFailure,
    },
    /// There is no key for its deployment group.
    #[error(
        "deployment {deployment_id} belongs to {group:?}, and the stack's Targets parameter has neither that nor \"*\". Nothing was invalidated. Add one of them and deploy the stack, then start an execution manually"
    )]
    NoEntry {
        /// The deployment.
        deployment_id: String,
        /// `application/deploymentGroup`.
        group: String,
    },
}

fn advice(failure: &AwsFailure) -> &'static str {
    failure.remedy().unwrap_or(if failure.is_transient() {
        "Nothing was invalidated. See the AWS Health Dashboard, then start an execution manually"
    } else {
        "Nothing was invalidated. If access was denied, check that CodeDeployApplication and CodeDeployDeploymentGroup cover this deployment (* covers any), and that no permissions boundary or service control policy denies codedeploy:GetDeployment. Then start an execution manually, or repeat the deployment"
    })
}

impl Targets {
    /// All deployments invalidate the same.
    pub(crate) fn same(batches: Vec<InvalidationBatch>) -> Self {
        Self([(OTHERS.to_owned(), batches)].into())
    }

    /// Parses the value of the parameter `Targets`: a JSON object with a list of batches for each key, as the execution input
    /// has them. A batch may only have the targets in `allowed`. Problems are added to `problems`.
    pub(crate) fn parse(
        text: &str,
        allowed: &BTreeSet<Target>,
        problems: &mut Vec<String>,
    ) -> Option<Self> {
        let Entries(entries) = match serde_json::from_str(text) {
            Ok(entries) => entries,
            Err(error) => {
                problems.push(format!("TARGETS is not a JSON object: {error}"));
                return None;
            }
        };
        if entries.is_empty() {
            problems.push("TARGETS has no entry".to_owned());
        }
        let mut targets = BTreeMap::new();
        for (key, value) in entries {
            let mut problem = |text| problems.push(format!("TARGETS: {key:?}: {text}"));
            if key != OTHERS && !is_deployment_group(&key) {
                let form = "the key must be application/deploymentGroup, without wildcards, or *";
                problem(form.to_owned());
            }
            if targets.contains_key(&key) {
                problem("it is there twice".to_owned());
            }
            let batches = parse_batches(&value, allowed, problem);
            targets.insert(key, batches);
        }
        Some(Self(targets))
    }

    /// What all deployments invalidate, if it is the same.
    #[must_use]
    pub fn of_all(&self) -> Option<&[InvalidationBatch]> {
        let others = self.0.get(OTHERS)?;
        (self.0.len() == 1).then_some(others)
    }

    /// What the deployment of a hook invalidates. Asks CodeDeploy for its deployment group, if that makes a difference.
    ///
    /// # Errors
    /// When CodeDeploy does not return it, or when there is no entry for it.
    pub async fn of(
        &self,
        hook: &Hook,
        config: &SdkConfig,
    ) -> Result<&[InvalidationBatch], UnknownTargets> {
        if let Some(batches) = self.of_all() {
            return Ok(batches);
        }
        let deployment_id = &hook.deployment_id;
        let config = Builder::from(&patient(config, OPERATION_TIMEOUT));
        let client = Client::from_conf(config.retry_classifier(UnparsableResponse).build());
        let group = deployment_group(&client, deployment_id).await;
        let group = group.map_err(|source| UnknownTargets::DeploymentNotRead {
            deployment_id: deployment_id.clone(),
            source,
        })?;
        let found = self.0.get(&group).or_else(|| self.0.get(OTHERS));
        found
            .map(Vec::as_slice)
            .ok_or_else(|| UnknownTargets::NoEntry {
                deployment_id: deployment_id.clone(),
                group,
            })
    }
}

fn parse_batches(
    value: &Value,
    allowed: &BTreeSet<Target>,
    mut problem: impl FnMut(String),
) -> Vec<InvalidationBatch> {
    let batches = value.as_array().map(Vec::as_slice).unwrap_or_default();
    if batches.is_empty() {
        problem("it must be a list of at least one batch".to_owned());
    }
    let mut parsed: Vec<InvalidationBatch> = Vec::new();
    for (index, batch) in batches.iter().enumerate() {
        match document::parse::<InvalidationBatch>("the batch", batch) {
            Err(error) => problem(format!("[{index}]: {error}")),
            Ok(batch) if !allowed.contains(&batch.target) => problem(format!(
                "[{index}]: {} is not in the stack's DistributionIds or DistributionTenantIds",
                batch.target
            )),
            Ok(batch) if parsed.iter().any(|other| other.target == batch.target) => {
                problem(format!(
                    "[{index}]: {} has a batch already: put all its paths into one",
                    batch.target
                ));
            }
            Ok(batch) => parsed.push(batch),
        }
    }
    parsed
}

/// The fields of a JSON object, also those that are there twice.
struct Entries(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Entries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

fn is_deployment_group(key: &str) -> bool {
    let is_name = |name: &str| !name.is_empty() && !name.contains('*') && name.trim() == name;
    let names: Vec<_> = key.split('/').collect();
    names.len() == 2 && names.into_iter().all(is_name)
}

/// `application/deploymentGroup` of a deployment.
async fn deployment_group(client: &Client, deployment_id: &str) -> Result<String, AwsFailure> {
    let call = client.get_deployment().deployment_id(deployment_id);
    let found = call.send().await?.deployment_info;
    let names = found.and_then(|deployment| {
        let application = deployment.application_name?;
        Some(format!(
            "{application}/{}",
            deployment.deployment_group_name?
        ))
    });
    names.ok_or_else(|| AwsFailure::unusable("GetDeployment's response has no deployment group"))
}
