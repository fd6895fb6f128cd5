//! What each deployment invalidates.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::Value;
use shared::{
    document,
    invalidation::{InvalidationBatch, Target},
};

/// The key of the deployments that no other key names.
const OTHERS: &str = "*";

/// What each deployment invalidates: the batches of its key (`application/deploymentGroup` in CodeDeploy, `cluster/service` in
/// Amazon ECS), or else those of `*`.
#[derive(Debug, PartialEq, Eq)]
pub struct Targets(BTreeMap<String, Vec<InvalidationBatch>>);

/// There is nothing to invalidate for a key.
#[derive(Debug, thiserror::Error)]
#[error(
    "the stack's Targets parameter has neither {key:?} nor \"*\". Nothing was invalidated. Add one of them and deploy the stack, then invoke the hook function with {{\"targets\": {key:?}}} to invalidate"
)]
pub struct NoTargets {
    /// `application/deploymentGroup` in CodeDeploy, `cluster/service` in Amazon ECS.
    pub key: String,
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
            if key != OTHERS && !names_deployments(&key) {
                let form = "the key must be application/deploymentGroup or cluster/service, without wildcards, or *";
                problem(form.to_owned());
            }
            if targets.contains_key(&key) {
                problem("the key is there twice".to_owned());
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

    /// What the deployments with this key invalidate.
    ///
    /// # Errors
    /// When there is neither that key nor `*`.
    pub fn of(&self, key: &str) -> Result<&[InvalidationBatch], NoTargets> {
        let found = self.0.get(key).or_else(|| self.0.get(OTHERS));
        found.map(Vec::as_slice).ok_or_else(|| NoTargets {
            key: key.to_owned(),
        })
    }

    /// Whether there is this key itself.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// What all deployments together invalidate, in one batch for each target.
    #[must_use]
    pub fn together(&self) -> Vec<InvalidationBatch> {
        let mut together: BTreeMap<&Target, InvalidationBatch> = BTreeMap::new();
        for batch in self.0.values().flatten() {
            together
                .entry(&batch.target)
                .and_modify(|other| other.paths = other.paths.union(&batch.paths))
                .or_insert_with(|| batch.clone());
        }
        together.into_values().collect()
    }
}

/// Parses a list of batches, as the execution input has them. A batch may only have the targets in `allowed`. `problem` is called
/// with each problem.
pub fn parse_batches(
    value: &Value,
    allowed: &BTreeSet<Target>,
    mut problem: impl FnMut(String),
) -> Vec<InvalidationBatch> {
    let batches = value.as_array().map(Vec::as_slice).unwrap_or_default();
    if batches.is_empty() {
        problem("it must be a list with at least one item".to_owned());
    }
    let mut parsed: Vec<InvalidationBatch> = Vec::new();
    for (index, batch) in batches.iter().enumerate() {
        match document::parse::<InvalidationBatch>("the item", batch) {
            Err(error) => problem(format!("[{index}]: {error}")),
            Ok(batch) if !allowed.contains(&batch.target) => problem(format!(
                "[{index}]: {} is not in the stack's DistributionIds or DistributionTenantIds",
                batch.target
            )),
            Ok(batch) if parsed.iter().any(|other| other.target == batch.target) => {
                problem(format!(
                    "[{index}]: {} is in the list twice: put all its paths into one item",
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

fn names_deployments(key: &str) -> bool {
    let is_name = |name: &str| !name.is_empty() && !name.contains('*') && name.trim() == name;
    let names: Vec<_> = key.split('/').collect();
    names.len() == 2 && names.into_iter().all(is_name)
}
