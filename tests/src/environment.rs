//! Where cases run: a local AWS, its stacks, and the engines that interpret the state machine.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    sync::Arc,
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::{Value, json};
use strum::{Display, VariantArray};
use tokio::{
    sync::{Mutex, OnceCell, Semaphore},
    try_join,
};

use crate::{
    case::{Case, Change, StackConfig, next_number, text_of},
    edge::{self, Edge},
    interpreter::{Interpreter, SKIPPED_TIME_LOG},
    local_aws::LocalAws,
    permissions,
    stack::{self, Parameters, Stack, parameters},
};

/// Of a wait's seconds, those that an accelerated environment waits.
pub const WAIT_SCALE: f64 = 0.04;
/// More would only slow each other down.
const DEPLOYMENTS_AT_A_TIME: usize = 2;

/// What interprets the state machine.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Display, VariantArray,
)]
#[strum(serialize_all = "lowercase")]
pub enum Engine {
    /// ministack's own interpreter.
    Ministack,
    /// moto's, which is `LocalStack`'s.
    Moto,
}

/// What a stack is deployed with, its failure actions among it.
type StackKey = (StackConfig, String);

/// A local AWS and all that was deployed to it. Everything is gone when this is dropped.
pub struct Environment {
    /// Before the local AWS, which it calls, so that it ends first.
    moto: Option<Interpreter>,
    /// CloudFront, CodeDeploy and all other services.
    pub aws: Arc<LocalAws>,
    /// Started by the first stack that verifies what it serves.
    edge: OnceCell<Edge>,
    stacks: Mutex<BTreeMap<StackKey, Arc<OnceCell<Stack>>>>,
    /// What share of their time waits take, if they are accelerated.
    pub wait_scale: Option<f64>,
    deployments: Semaphore,
}

/// A part of a wait that an engine left out.
#[derive(Debug, Clone, Deserialize)]
pub struct SkippedTime {
    at: f64,
    seconds: f64,
}

/// A line of the record.
#[derive(Deserialize)]
struct Entry {
    about: String,
    #[serde(flatten)]
    skipped: SkippedTime,
}

/// All that could be one in a text.
fn deployment_ids(text: &str) -> impl Iterator<Item = String> {
    let rests = text
        .match_indices("d-")
        .map(|(start, _)| &text[start + 2..]);
    rests.map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric());
        format!("d-{}", &rest[..end.unwrap_or(rest.len())])
    })
}

impl SkippedTime {
    /// Whether it was skipped in this time.
    pub fn is_between(&self, start: SystemTime, end: SystemTime) -> bool {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs_f64(self.at);
        start < at && at <= end
    }

    pub fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }
}

impl Environment {
    /// Starts the local AWS as it is, with IAM enforced. With a wait scale, as [`WAIT_SCALE`], it starts both engines, whose
    /// waits take this share of their time, and calls to Step Functions, Lambda and SQS can meet faults.
    pub async fn start(wait_scale: Option<f64>) -> Result<Self> {
        let aws = Arc::new(LocalAws::start(wait_scale).await?);
        let moto = async {
            let Some(scale) = wait_scale else {
                return Ok(None);
            };
            let (lambda_url, events_url) = (aws.stand_in.url(), &aws.ministack.url);
            let moto = Interpreter::moto(scale, &lambda_url, events_url, aws.folder.path());
            moto.await.map(Some)
        };
        let (moto, _) = try_join!(moto, stack::packaged(&aws))?;
        Ok(Self {
            moto,
            aws,
            edge: OnceCell::new(),
            stacks: Mutex::default(),
            wait_scale,
            deployments: Semaphore::new(DEPLOYMENTS_AT_A_TIME),
        })
    }

    pub fn interpreter(&self, engine: Engine) -> &Interpreter {
        match (&self.moto, engine) {
            (Some(moto), Engine::Moto) => moto,
            _ => &self.aws.ministack,
        }
    }

    /// The stack that a case needs, deployed when the first case asks for it.
    pub async fn stack(&self, case: &Case) -> Result<Stack> {
        let key = (case.stack.clone(), text_of(case.actions));
        let cell = Arc::clone(self.stacks.lock().await.entry(key).or_default());
        let deploy = async || {
            let _turn = self.deployments.acquire().await?;
            let name = format!("test-{}", next_number());
            let mut parameters = self.parameters(case, &name).await?;
            parameters.extend(permissions::deployment_group(&name));
            let change = case.stack.change.clone();
            self.deploy(&name, &parameters, change).await
        };
        cell.get_or_try_init(deploy).await.cloned()
    }

    /// The parameters of a case's stack with this name.
    pub async fn parameters(&self, case: &Case, stack: &str) -> Result<Parameters> {
        let mut all = case.stack.parameters(case.actions);
        let urls = self.verified_urls(case, stack).await?.join(",");
        if !urls.is_empty() {
            let distribution = edge::distribution(stack);
            let verified = [("DistributionIds", &*distribution), ("VerifyUrls", &urls)];
            all.extend(parameters(verified));
        }
        Ok(all)
    }

    /// What the stack of a case verifies: objects of a distribution of its own.
    pub async fn verified_urls(&self, case: &Case, stack: &str) -> Result<Vec<String>> {
        let paths = &case.stack.verified;
        if paths.is_empty() {
            return Ok(Vec::new());
        }
        let distribution = edge::distribution(stack);
        let host = self.edge().await?.host(&self.aws, &distribution).await?;
        let url = |path: &String| format!("https://{host}{path}");
        Ok(paths.iter().map(url).collect())
    }

    pub async fn edge(&self) -> Result<&Edge> {
        self.edge.get_or_try_init(|| Edge::start(&self.aws)).await
    }

    /// Deploys a stack at once, without waiting for a turn, and makes a change to it.
    pub async fn deploy(
        &self,
        name: &str,
        parameters: &Parameters,
        change: Option<Change>,
    ) -> Result<Stack> {
        let mut stack = stack::deploy(&self.aws, name, parameters).await?;
        stack.change = change;
        self.change(&stack).await?;
        Ok(stack)
    }

    /// Copies the state machine to moto, and makes the stack's change.
    async fn change(&self, stack: &Stack) -> Result<()> {
        let machine = stack.state_machine_arn();
        let sfn = &self.aws.ministack.sfn;
        if let Some(moto) = &self.moto {
            let described = sfn.describe_state_machine().state_machine_arn(&machine);
            let described = described.send().await?;
            let mut definition: Value = serde_json::from_str(described.definition())?;
            if let Some(Change::TimeoutSeconds(seconds)) = stack.change {
                definition["TimeoutSeconds"] = json!(seconds);
            }
            let create = moto.sfn.create_state_machine().name(&stack.name);
            let create = create.definition(definition.to_string());
            let create = create.role_arn(described.role_arn()).send();
            create.await.context("moto rejects the state machine")?;
        }
        match &stack.change {
            None | Some(Change::TimeoutSeconds(_)) => {}
            Some(Change::VariableSet(name, value)) => {
                stack.set_variable(name, value).await?;
            }
            Some(Change::StateMachineDeleted) => {
                let delete = sfn.delete_state_machine().state_machine_arn(machine);
                delete.send().await?;
            }
        }
        Ok(())
    }

    /// All stacks that cases have needed so far.
    pub async fn stacks(&self) -> Vec<Stack> {
        let stacks = self.stacks.lock().await;
        let deployed = stacks.values().filter_map(|cell| cell.get().cloned());
        deployed.collect()
    }

    /// What the engines of an accelerated environment have left out of waits so far, by the ids of deployments.
    pub fn skipped_time(&self) -> Result<BTreeMap<String, Vec<SkippedTime>>> {
        let text = fs::read_to_string(self.aws.folder.path().join(SKIPPED_TIME_LOG))?;
        // An engine may be writing the last line.
        let (lines, _) = text.rsplit_once('\n').unwrap_or_default();
        let mut by_id = BTreeMap::<_, Vec<_>>::new();
        for line in lines.lines() {
            let Entry { about, skipped } = serde_json::from_str(line)?;
            for id in deployment_ids(&about).collect::<BTreeSet<_>>() {
                by_id.entry(id).or_default().push(skipped.clone());
            }
        }
        Ok(by_id)
    }
}
