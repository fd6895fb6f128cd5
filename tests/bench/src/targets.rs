//! What the measurements should be.

use anyhow::{Context, Result};
use minijinja::{Environment, Value, context};
use serde::{Deserialize, Serialize};

/// `targets.yaml`.
#[derive(Deserialize)]
struct Targets {
    functions: Vec<Target>,
    packages: Vec<Target>,
    others: Vec<Target>,
}

#[derive(Clone, Deserialize, Serialize)]
pub struct Target {
    pub figure: String,
    /// An expression.
    value: String,
    at_least: Option<f64>,
    at_most: Option<f64>,
    #[serde(skip_deserializing)]
    pub measured: f64,
}

/// The targets whose values could be measured.
pub fn targets(environment: &Environment, context: &Value) -> Result<Vec<Target>> {
    let Targets {
        functions,
        packages,
        others,
    } = serde_yaml_ng::from_str(include_str!("targets.yaml"))?;
    let mut targets = Vec::new();
    for ours in context.get_attr("candidates")?.try_iter()? {
        let is = |kind| ours.get_attr(kind).is_ok_and(|is| is.is_true());
        for (kind, of_kind) in [("is_ours", &functions), ("is_packaged", &packages)] {
            for target in of_kind.iter().filter(|_| is(kind)) {
                let mut target = target.clone();
                target.figure = format!("{}{}", ours.get_attr("name")?, target.figure);
                let context = context! { ours => ours.clone(), ..context.clone() };
                targets.push((target, context));
            }
        }
    }
    targets.extend(others.into_iter().map(|target| (target, context.clone())));
    let measured = targets.into_iter().map(|(mut target, context)| {
        let value = environment.compile_expression(&target.value)?.eval(context);
        let value = value.with_context(|| target.figure.clone())?;
        target.measured = value.try_into()?;
        Ok(target)
    });
    let mut targets = measured.collect::<Result<Vec<_>>>()?;
    targets.retain(|target| !target.measured.is_nan());
    Ok(targets)
}
