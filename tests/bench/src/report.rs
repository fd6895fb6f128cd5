//! The documents of `docs/performance`: templates, and what they show.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result};
use minijinja::{
    Environment, UndefinedBehavior, Value, context, syntax::SyntaxConfig, value::Serde,
};

use crate::{
    DEPLOYED, MEMORIES, ROUNDS,
    costs::{Case, POLL_SECONDS, USUAL, Usage},
    measure::{Measured, median, quartiles},
    prices,
    schedule::{Model, SCENARIOS},
};

const TEMPLATES: [(&str, &str); 3] = [
    ("cold-starts.svg", include_str!("report/cold-starts.svg.j2")),
    ("schedules.svg", include_str!("report/schedules.svg.j2")),
    ("measured.md", include_str!("report/measured.md.j2")),
];

/// All measurements.
pub struct Report {
    pub machine: String,
    pub candidates: Vec<Measured>,
    pub usage: BTreeMap<Case, Usage>,
}

impl Report {
    /// Writes the documents to a folder. Returns the last, which is text, and after it a line for each ratio in its last table,
    /// the targets: `bench: <figure> <ratio>`.
    pub fn write(&self, folder: &Path) -> Result<String> {
        let environment = environment()?;
        let context = self.context();
        let mut document = String::new();
        for (name, template) in TEMPLATES {
            document = environment.render_named_str(name, template, context.clone())?;
            fs::write(folder.join(name), &document)?;
        }
        let targets = document.rsplit_once("\n\n");
        let (_, targets) = targets.context("the targets are the last table")?;
        let lines = targets.lines().filter_map(|row| {
            let mut cells = row.trim_start_matches("| ").split(" | ");
            let (figure, measured) = (cells.next()?, cells.next()?);
            let is_ratio = figure.contains('/');
            is_ratio.then(|| format!("bench: {figure} {measured}\n"))
        });
        let lines: String = lines.collect();
        Ok(document + "\n" + &lines)
    }

    fn context(&self) -> Value {
        let candidates: Vec<Value> = self.candidates.iter().map(|c| Serde(c).into()).collect();
        let names = self.candidates.iter().map(|c| c.candidate.name.as_str());
        let by_name: BTreeMap<_, _> = names.zip(candidates.clone()).collect();
        context! {
            machine => self.machine.as_str(),
            rounds => ROUNDS,
            deployed => DEPLOYED,
            memories => MEMORIES.to_vec(),
            is_limited => self.candidates.iter().any(|c| !c.limited[&DEPLOYED].cold.is_empty()),
            poll_seconds => POLL_SECONDS,
            aws_milliseconds => prices::AWS_MILLISECONDS,
            candidates,
            named => by_name,
            scenarios => SCENARIOS.map(|(name, slower)| scenario(name, slower)).to_vec(),
            deployments => Serde(self.deployments()),
            usual => Serde(&self.usage[&USUAL]),
        }
    }
}

fn environment() -> Result<Environment<'static>> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    let mut syntax = SyntaxConfig::builder();
    syntax.trim_blocks(true).lstrip_blocks(true);
    environment.set_syntax(syntax.keep_trailing_newline(true).build()?);
    environment.add_filter("log", f64::log);
    environment.add_filter("median", |values: Vec<f64>| median(&values));
    let as_list = |values: Vec<f64>| quartiles(&values).map(Vec::from);
    environment.add_filter("quartiles", as_list);
    environment.add_filter("price_of_a_million", prices::of_a_million);
    Ok(environment)
}

/// A scenario's schedules: ours, the fixed intervals that are better, and functions for what a template shows of others.
fn scenario(name: &str, slower: f64) -> Value {
    let model = Model::new(slower);
    context! {
        name,
        ours => Serde(model.ours()),
        better => Serde(model.better_intervals()),
        bound => Value::from_function(model.bound()),
        every => Value::from_function(move |seconds: usize| Value::from(Serde(model.every(seconds)))),
    }
}
