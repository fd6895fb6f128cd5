//! What the test binaries with a `main` of their own have in common: one environment, which all of their trials share.

use std::{fmt::Display, sync::Arc};

use anyhow::{Result, ensure};
use libtest_mimic::{Arguments, Conclusion, Trial};
use tests::{command, environment::Environment};
use tokio::{runtime::Runtime, sync::OnceCell};

pub struct Suite {
    /// Started before the first trial, and gone with the last.
    environment: OnceCell<Arc<Environment>>,
    wait_scale: Option<f64>,
    runtime: Runtime,
}

impl Suite {
    /// With the wait scale of [`Environment::start`].
    pub fn new(wait_scale: Option<f64>) -> Result<Arc<Self>> {
        Ok(Arc::new(Self {
            environment: OnceCell::new(),
            wait_scale,
            runtime: Runtime::new()?,
        }))
    }

    /// Runs trials. The environment is started before them: they would come to it in any order if they had waited for it.
    pub fn run(&self, arguments: &Arguments, trials: Vec<Trial>) -> Result<Conclusion> {
        if !arguments.list {
            self.runtime.block_on(self.environment())?;
        }
        Ok(libtest_mimic::run(arguments, trials))
    }

    pub async fn environment(&self) -> Result<&Arc<Environment>> {
        let start = async || Ok(Arc::new(Environment::start(self.wait_scale).await?));
        self.environment.get_or_try_init(start).await
    }

    pub fn trial<F>(self: &Arc<Self>, name: impl Into<String>, test: F) -> Trial
    where
        F: AsyncFnOnce(&Self) -> Result<()> + Send + 'static,
    {
        let suite = Arc::clone(self);
        Trial::test(name, move || {
            let result = suite.runtime.block_on(test(&suite));
            result.map_err(|error| format!("{error:#}").into())
        })
    }
}

/// What a script of `tests/` prints.
pub async fn python(aws: &Environment, script: &str, arguments: &[String]) -> Result<String> {
    let output = command::run(aws.python(script).args(arguments)).await?;
    Ok(command::text(&output.stdout))
}

/// Fails with all of these problems, if there are any.
pub fn none_of(problems: &[impl Display]) -> Result<()> {
    let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
    ensure!(lines.is_empty(), lines.join("\n"));
    Ok(())
}
