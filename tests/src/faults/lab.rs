//! The stacks and engines that the cases run on.
//!
//! Time is cut short in three ways, and nothing else differs from what is deployed: Wait states and delays before
//! retries take [`WAIT_SCALE`] of what they say, and so do the hook function's and the queue's minute before the next
//! try; the longest wait of [`Kind::Overdue`] is [`SHORT_WAIT`], and the machine's timeout of [`Kind::TimedOut`]
//! [`SHORT_TIMEOUT`].
//! What happens inside a function takes the time it takes.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    process::Stdio,
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::{Value, json};
use stand_in::StandIn;
use tokio::{io::AsyncWriteExt, process::Command, sync::Semaphore};

use super::{
    cases::{About, Case, Kind},
    run::Run,
    verdict::Outcome,
};
use crate::{
    local_aws::{ACCOUNT, LocalAws, REGION, guarded_tool, repository, sfn_at, tool},
    moto::Moto,
    scenario::{Deployment, Policies},
    stack::{self, Stack},
};

/// Of a wait's seconds, those that are waited.
const WAIT_SCALE: f64 = 0.04;
/// The longest wait on the stacks of [`Kind::Overdue`], and on the others: the template's default.
pub(crate) const SHORT_WAIT: Duration = Duration::from_secs(40);
pub(crate) const SHORT_TIMEOUT: Duration = Duration::from_mins(1);
pub(crate) const USUAL_WAIT: Duration = Duration::from_mins(50);
/// Of these, the first hundred invalidations of a distribution always hold the one that is looked for.
const QUIET_CASES_AT_A_TIME: usize = 40;
/// An engine that is asked to start many executions together takes longer than the hook function has time.
const STARTS_AT_A_TIME: usize = 4;
/// Of the load, whose hooks come together; an engine that runs nothing else manages so many.
const LOAD_STARTS_AT_A_TIME: usize = 20;
/// The queue gives a message up after 55 receipts.
const DEAD_LETTER_PATIENCE: Duration = Duration::from_mins(6);
pub(crate) const DISTRIBUTIONS: &str = "E1WEBSITE00001,E2IMAGES000002";
const QUIET_DISTRIBUTIONS: &str = "E3WEBSITE00003,E4IMAGES000004";

/// `TimeoutSeconds` of a definition.
pub(crate) fn machine_timeout(definition: &Value) -> Duration {
    Duration::from_secs(definition["TimeoutSeconds"].as_u64().unwrap_or_default())
}

/// Who interprets the state machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Engine {
    /// ministack's own.
    Ministack,
    /// moto's, which is `LocalStack`'s.
    Moto,
}

impl Engine {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Ministack, Self::Moto];
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ministack => "ministack",
            Self::Moto => "moto",
        })
    }
}

/// A local AWS with faults, both engines, and the stacks that were deployed on it.
pub struct Lab {
    /// Before the rest, which it calls, so that it ends first.
    moto: Option<Moto>,
    pub(super) aws: LocalAws,
    stacks: BTreeMap<(Kind, Policies), Stack>,
    quiet: Semaphore,
    starting: Semaphore,
    starting_load: Semaphore,
    definition: Value,
}

impl Lab {
    /// Starts all, and deploys the stacks that these cases need.
    ///
    /// # Errors
    /// When the tools are missing, or something does not come up.
    pub async fn start(cases: &[&Case], engines: &[Engine]) -> Result<Self> {
        let stand_in = StandIn::start().await?;
        let stand_in_url = stand_in.url();
        let program = repository().join("tests/engines/ministack_engine.py");
        let mut ministack = guarded_tool(&tool("ministack", "python"))?;
        ministack
            .arg(program)
            .env("SFN_WAIT_SCALE", WAIT_SCALE.to_string())
            .env(
                "LAMBDA_ASYNC_RETRY_BASE_SECONDS",
                (60.0 * WAIT_SCALE).to_string(),
            )
            // Each invocation takes one for as long as its function runs, and many functions run until they time out.
            .env("MINISTACK_WORKER_THREADS", "1000")
            // Idle functions and logs of all that they say would be most of its work.
            .env("LAMBDA_WARM_TTL_SECONDS", "10")
            .env("LOG_LEVEL", "WARNING")
            .env("LAMBDA_URL", &stand_in_url)
            .env("AWS_ENDPOINT_URL_SFN", &stand_in_url)
            .env("AWS_ENDPOINT_URL_SQS", &stand_in_url)
            .env("AWS_ACCESS_KEY_ID", ACCOUNT)
            .env("AWS_DEFAULT_REGION", REGION);
        let aws = LocalAws::start_with(stand_in, ministack).await?;
        aws.stand_in.forward_lambda_and_sqs_to(&aws.url);
        let mut lab = Self {
            moto: None,
            aws,
            stacks: BTreeMap::new(),
            quiet: Semaphore::new(QUIET_CASES_AT_A_TIME),
            starting: Semaphore::new(STARTS_AT_A_TIME),
            starting_load: Semaphore::new(LOAD_STARTS_AT_A_TIME),
            definition: Value::Null,
        };
        if engines.contains(&Engine::Moto) {
            let (lambda, events) = (lab.aws.stand_in.url(), &lab.aws.url);
            lab.moto = Some(Moto::start(WAIT_SCALE, &lambda, events, &lab.aws.folder).await?);
        }
        let needed: BTreeSet<_> = cases
            .iter()
            .map(|case| (case.stack, case.policies))
            .collect();
        for (kind, policies) in needed {
            lab.deploy(kind, policies).await?;
        }
        Ok(lab)
    }

    /// The state machine's definition, as it was deployed.
    #[must_use]
    pub fn definition(&self) -> &Value {
        &self.definition
    }

    async fn deploy(&mut self, kind: Kind, policies: Policies) -> Result<()> {
        let name = format!("faults-{}", self.stacks.len());
        let short = SHORT_WAIT.as_secs().to_string();
        let mut parameters = vec![
            ("OnInvalidationFailure", policies.on_invalidation_failure()),
            ("OnInvalidationTimeout", policies.on_invalidation_timeout()),
            (
                "DistributionIds",
                if kind == Kind::Quiet {
                    QUIET_DISTRIBUTIONS
                } else {
                    DISTRIBUTIONS
                },
            ),
        ];
        match kind {
            Kind::Overdue => parameters.push(("MaxWaitSeconds", &short)),
            Kind::Usual | Kind::TimedOut | Kind::Quiet | Kind::Misconfigured => {}
        }
        let stack = stack::deploy(&self.aws, &name, &parameters).await?;
        if kind == Kind::Misconfigured {
            stack::set_variable(&self.aws, &stack, "PATHS", "index.html").await?;
        }
        let machine = self
            .aws
            .sfn()
            .describe_state_machine()
            .state_machine_arn(stack.state_machine_arn())
            .send()
            .await?;
        let mut definition: Value = serde_json::from_str(machine.definition())?;
        self.definition = definition.clone();
        if let Some(moto) = &self.moto {
            if kind == Kind::TimedOut {
                definition["TimeoutSeconds"] = json!(SHORT_TIMEOUT.as_secs());
            }
            moto.sfn()
                .create_state_machine()
                .name(&name)
                .definition(definition.to_string())
                .role_arn(machine.role_arn())
                .send()
                .await
                .context("moto does not take the state machine")?;
        }
        self.stacks.insert((kind, policies), stack);
        Ok(())
    }

    async fn sqs(&self, action: &str, request: &Value) -> Result<Value> {
        let target = format!("AmazonSQS.{action}");
        let headers = [
            ("x-amz-target", target.as_str()),
            ("content-type", "application/x-amz-json-1.0"),
        ];
        self.post(&self.aws.url, &headers, request.to_string())
            .await
    }

    pub(super) async fn post(
        &self,
        url: &str,
        headers: &[(&'static str, &str)],
        body: String,
    ) -> Result<Value> {
        // Who asks decides whose account it is; nothing is checked.
        let credential =
            format!("AWS4-HMAC-SHA256 Credential={ACCOUNT}/20260101/{REGION}/any/aws4_request");
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--fail-with-body"])
            .args(["--data-binary", "@-"])
            .args(["--header", &format!("authorization: {credential}")]);
        for (name, value) in headers {
            curl.args(["--header", &format!("{name}: {value}")]);
        }
        let mut child = curl
            .arg(url)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut stdin = child.stdin.take().context("curl has a standard input")?;
        stdin.write_all(body.as_bytes()).await?;
        drop(stdin);
        let output = child.wait_with_output().await?;
        let text = String::from_utf8_lossy(&output.stdout);
        ensure!(output.status.success(), "{url}: {text}");
        Ok(serde_json::from_str(&text).unwrap_or_default())
    }

    pub(super) async fn invoke(&self, stack: &Stack, kind: &str, event: &str) -> Result<()> {
        let url = format!(
            "{}/2015-03-31/functions/{}/invocations",
            self.aws.url,
            stack.hook_function()
        );
        let headers = [("x-amz-invocation-type", kind)];
        self.post(&url, &headers, event.to_owned()).await.map(drop)
    }

    /// Lets a case happen, and waits for all that comes of it but dead letters.
    ///
    /// # Errors
    /// When an engine or the local AWS fails.
    pub async fn meet(&self, case: &Case, engine: Engine) -> Result<(Deployment, Outcome)> {
        let _few = match case.stack {
            Kind::Quiet => Some(self.quiet.acquire().await?),
            _ => None,
        };
        let stack = self
            .stacks
            .get(&(case.stack, case.policies))
            .context("the case's stack was not deployed")?;
        let deployment = match case.deployment {
            None => Deployment::new(),
            Some(number) => Deployment::hook_of(format!("d-{number:03}{engine:?}")),
        };
        self.prepare(case, &deployment, engine);
        let starts = if case.is_load() {
            &self.starting_load
        } else {
            &self.starting
        };
        let starting = starts.acquire().await?;
        let run = Run {
            lab: self,
            case,
            stack,
            sfn: sfn_at(self.url(engine)),
            execution_arn: stack.execution_arn(&deployment.execution_name),
            deployment: &deployment,
            began: Instant::now(),
        };
        run.deliver().await?;
        drop(starting);
        run.intervene().await?;
        run.until_answered().await;
        let execution = run.until_ended().await?;
        run.aftermath(execution.as_ref()).await?;
        let stand_in = &self.aws.stand_in;
        let outcome = Outcome {
            began: SystemTime::now() - run.began.elapsed(),
            execution,
            taken: stand_in.accepted_statuses(&deployment.hook_execution_id),
            made: stand_in.invalidations(&deployment.execution_name),
            log: Vec::new(),
            dead_letter: false,
        };
        Ok((deployment, outcome))
    }

    fn url(&self, engine: Engine) -> &str {
        match (engine, &self.moto) {
            (Engine::Moto, Some(moto)) => &moto.url,
            _ => &self.aws.url,
        }
    }

    fn prepare(&self, case: &Case, deployment: &Deployment, engine: Engine) {
        let stand_in = &self.aws.stand_in;
        stand_in.forward_executions_to(&deployment.execution_name, self.url(engine));
        stand_in.set_behavior(&deployment.id, case.behavior);
        for (place, time) in case.invalidations_take.into_iter().enumerate() {
            stand_in.invalidations_take(&deployment.caller_reference(place), time);
        }
        for (operation, about, times, fault) in &case.plans {
            let about = match about {
                // The hash that follows the id begins after a hyphen.
                About::Deployment => deployment.id.clone(),
                About::Place(place) => deployment.caller_reference(*place),
            };
            stand_in.inject(*operation, &about, *times, fault.clone());
        }
    }

    /// The deployments that lie in the queues of what nobody could answer, once all that must be there are.
    ///
    /// # Errors
    /// When the local AWS fails.
    pub async fn dead_letters(&self, expected: &BTreeSet<&str>) -> Result<String> {
        let began = Instant::now();
        let mut found = String::new();
        loop {
            for stack in self.stacks.values() {
                let request = json!({
                    "QueueUrl": stack.outputs["ReportsDeadLetterQueueUrl"],
                    "MaxNumberOfMessages": 10,
                    "VisibilityTimeout": 43200,
                });
                let answer = self.sqs("ReceiveMessage", &request).await?;
                for message in answer["Messages"].as_array().into_iter().flatten() {
                    found += message["Body"].as_str().unwrap_or_default();
                }
            }
            let all = expected.iter().all(|id| found.contains(id));
            if all || began.elapsed() > DEAD_LETTER_PATIENCE {
                return Ok(found);
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// What the stand-in has recorded by now.
    pub fn complete(&self, deployment: &Deployment, outcome: &mut Outcome) {
        let stand_in = &self.aws.stand_in;
        outcome.taken = stand_in.accepted_statuses(&deployment.hook_execution_id);
        outcome.made = stand_in.invalidations(&deployment.execution_name);
        outcome.log = stand_in.calls_about(&deployment.id);
    }
}
