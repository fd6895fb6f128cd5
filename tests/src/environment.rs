//! Where cases run: AWS on this machine, its stacks, and the engines that interpret the state machine.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use stand_in::{ACCOUNT, REGION, StandIn};
use tempfile::TempDir;
use tokio::{
    process::Command,
    sync::{Mutex, OnceCell, Semaphore},
    try_join,
};

use crate::{
    case::{Case, Change, Parameters, StackConfig, parameters, text_of},
    command::{self, repository, tool},
    deployment::next_number,
    edge::Edge,
    interpreter::{Engine, Interpreter, accelerate},
    sam::Sam,
    server::Certificate,
    stack::{self, Stack},
};

/// Of a wait's seconds, those that an accelerated environment waits.
pub const WAIT_SCALE: f64 = 0.04;
/// Of the deployments that a stack reports for. The application has the stack's name, so that its rollbacks concern no other stack.
pub const DEPLOYMENT_GROUP: &str = "web";
/// More would only slow each other down.
const DEPLOYMENTS_AT_A_TIME: usize = 2;

/// What a stack is deployed with, its failure actions among it.
type StackKey = (StackConfig, String);

/// A local AWS and all that was deployed to it. Everything is gone when this is dropped: first what calls the rest, and last the
/// folder.
pub struct Environment {
    moto: Option<Interpreter>,
    /// Started by the first stack that verifies what it serves.
    edge: OnceCell<Edge>,
    /// What deploys to it.
    sam: Sam,
    /// Everything but CloudFront, CodeDeploy and Amazon ECS, which the stand-in has.
    pub ministack: Interpreter,
    pub stand_in: StandIn,
    /// Of the edge location, which functions trust.
    certificate: Certificate,
    /// For logs and temporary files.
    pub folder: TempDir,
    /// The template with the addresses of all that was uploaded.
    packaged: OnceCell<PathBuf>,
    stacks: Mutex<BTreeMap<StackKey, Arc<OnceCell<Stack>>>>,
    /// What share of their time waits take, if they are accelerated.
    pub wait_scale: Option<f64>,
    deployments: Semaphore,
}

impl Environment {
    /// Starts all on free ports of 127.0.0.1: the local AWS as it is, with IAM enforced. With a wait scale, as [`WAIT_SCALE`], it starts
    /// both engines, whose waits take this share of their time, and calls to Step Functions, Lambda and SQS go through the
    /// stand-in, so that they can meet faults.
    pub async fn start(wait_scale: Option<f64>) -> Result<Self> {
        let stand_in = StandIn::start().await?;
        let stand_in_url = &stand_in.url();
        let target = std::env::var_os("CARGO_TARGET_DIR");
        let target = target.map_or_else(|| repository().join("target"), PathBuf::from);
        let folder = TempDir::with_prefix_in("local-aws-", target)?;
        let certificate = Certificate::new(folder.path())?;
        let script = wait_scale.map_or("ministack_local.py", |_| "ministack_engine.py");
        let ministack = Interpreter::start("ministack", script, folder.path(), |ministack, url| {
            ministack
                .env("MINISTACK_REGION", REGION)
                .env("TMPDIR", folder.path())
                .env("SSL_CERT_FILE", folder.path().join("certificate.pem"))
                // The functions inherit these, so that the template needs no local edits.
                .envs(variables(url, stand_in_url));
            if let Some(wait_scale) = wait_scale {
                accelerate(ministack, wait_scale, stand_in_url, folder.path())
                    .env("AWS_ENDPOINT_URL_SFN", stand_in_url)
                    .env("AWS_ENDPOINT_URL_SQS", stand_in_url);
            }
        });
        let (ministack, sam) = try_join!(ministack, Sam::start(folder.path()))?;
        let mut environment = Self {
            moto: None,
            edge: OnceCell::new(),
            sam,
            ministack,
            stand_in,
            certificate,
            folder,
            packaged: OnceCell::new(),
            stacks: Mutex::default(),
            wait_scale,
            deployments: Semaphore::new(DEPLOYMENTS_AT_A_TIME),
        };
        let (moto, _) = try_join!(environment.moto(), environment.packaged())?;
        environment.moto = moto;
        Ok(environment)
    }

    async fn moto(&self) -> Result<Option<Interpreter>> {
        let Some(scale) = self.wait_scale else {
            return Ok(None);
        };
        let events_url = &self.ministack.url;
        self.stand_in.forward_lambda_and_sqs_to(events_url);
        let (lambda_url, folder) = (self.stand_in.url(), self.folder.path());
        let moto = Interpreter::moto(scale, &lambda_url, events_url, folder);
        moto.await.map(Some)
    }

    pub fn interpreter(&self, engine: Engine) -> &Interpreter {
        match (&self.moto, engine) {
            (Some(moto), Engine::Moto) => moto,
            _ => &self.ministack,
        }
    }

    /// The environment in which the AWS and SAM CLIs talk to it.
    pub fn cli_environment(&self) -> Parameters {
        variables(&self.ministack.url, &self.stand_in.url())
    }

    /// Python as `make tools` has installed it for ministack, with this as its AWS.
    pub fn python(&self, script: &str) -> Command {
        let mut python = Command::new(tool("ministack", "python"));
        python.arg(repository().join("tests").join(script));
        python.envs(self.cli_environment()).stdin(Stdio::null());
        python
    }

    /// The stack that a case needs, deployed when the first case asks for it.
    pub async fn stack(&self, case: &Case) -> Result<Stack> {
        let key = (case.stack.clone(), text_of(case.actions));
        let cell = Arc::clone(self.stacks.lock().await.entry(key).or_default());
        let deploy = async || {
            let _turn = self.deployments.acquire().await?;
            let name = format!("test-{}", next_number());
            let mut all = self.parameters(case).await?;
            all.extend(parameters([
                ("CodeDeployApplication", &*name),
                ("CodeDeployDeploymentGroup", DEPLOYMENT_GROUP),
            ]));
            self.deploy(&name, &all, case.stack.change.clone()).await
        };
        cell.get_or_try_init(deploy).await.cloned()
    }

    /// The parameters of a case's stack. It verifies objects of a distribution of its own.
    pub async fn parameters(&self, case: &Case) -> Result<Parameters> {
        let mut all = case.stack.parameters(case.actions);
        let paths = &case.stack.verified;
        if !paths.is_empty() {
            let (distribution, host) = self.edge().await?.distribution(&self.certificate).await?;
            let urls = paths.iter().map(|path| format!("https://{host}{path}"));
            let urls = urls.collect::<Vec<_>>().join(",");
            let verified = [("DistributionIds", &*distribution), ("VerifyUrls", &urls)];
            all.extend(parameters(verified));
        }
        Ok(all)
    }

    pub async fn edge(&self) -> Result<&Edge> {
        let start = || Edge::start(self.folder.path(), &self.stand_in);
        self.edge.get_or_try_init(start).await
    }

    /// Deploys a stack at once, without waiting for a turn, and makes a change to it. Copies the state machine to moto.
    pub async fn deploy(
        &self,
        name: &str,
        parameters: &Parameters,
        change: Option<Change>,
    ) -> Result<Stack> {
        let packaged = self.packaged().await?;
        let mut stack = self.sam_deploy(name, packaged, parameters, &[]).await?;
        let machine = &stack.outputs["StateMachineArn"];
        let sfn = &self.ministack.sfn;
        if let Some(moto) = &self.moto {
            let described = sfn.describe_state_machine().state_machine_arn(machine);
            let described = described.send().await?;
            let mut definition: Value = serde_json::from_str(described.definition())?;
            if let Some(Change::TimeoutSeconds(seconds)) = change {
                definition["TimeoutSeconds"] = json!(seconds);
            }
            let create = moto.sfn.create_state_machine().name(name);
            let create = create.definition(definition.to_string());
            let create = create.role_arn(described.role_arn()).send();
            create.await.context("moto rejects the state machine")?;
        }
        match &change {
            None | Some(Change::TimeoutSeconds(_)) => {}
            Some(Change::VariableSet(name, value)) => {
                let mut python = self.python("set_variable.py");
                command::run(python.args([stack.hook_function(), name, value])).await?;
            }
            Some(Change::StateMachineDeleted) => {
                let delete = sfn.delete_state_machine().state_machine_arn(machine);
                delete.send().await?;
            }
        }
        stack.change = change;
        Ok(stack)
    }

    /// Deploys what was built as a nested stack of `docs/wiring/nested-stack.yaml`.
    pub async fn deploy_nested(&self, name: &str) -> Result<Stack> {
        let text = fs::read_to_string(repository().join("docs/wiring/nested-stack.yaml"))?;
        let example = format!(
            "cloudfront-deploy-hook-{}-arm64/template.yaml",
            env!("CARGO_PKG_VERSION")
        );
        ensure!(text.contains(&example), "the example has another version");
        let text = text.replace(&example, &stack::template().to_string_lossy());
        let template = self.folder.path().join("nested-stack.yaml");
        fs::write(&template, text)?;
        let distribution = ("DistributionId", "E2QWRUHAPOMQZL");
        let parameters = parameters([distribution, ("CodeDeployApplication", name)]);
        let more = ["--capabilities", "CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"];
        self.sam_deploy(name, &template, &parameters, &more).await
    }

    async fn sam_deploy(
        &self,
        name: &str,
        template: &Path,
        parameters: &Parameters,
        more: &[&str],
    ) -> Result<Stack> {
        let deploy =
            json!({ "stack": name, "template": template, "parameters": parameters, "more": more });
        let command = json!({ "deploy": deploy, "environment": self.cli_environment() });
        Ok(Stack {
            config: self.ministack.config.clone(),
            name: name.to_owned(),
            parameters: parameters.clone(),
            outputs: self.sam.run(&command).await?,
            change: None,
        })
    }

    /// The template of what was built, uploaded once for all stacks.
    async fn packaged(&self) -> Result<&Path> {
        let upload = async || {
            let packaged = self.folder.path().join("packaged.json");
            let package = json!({ "template": stack::template(), "packaged": packaged });
            let command = json!({ "package": package, "environment": self.cli_environment() });
            self.sam.run(&command).await?;
            anyhow::Ok(packaged)
        };
        let packaged = self.packaged.get_or_try_init(upload).await?;
        Ok(packaged)
    }

    /// All stacks that cases have needed so far.
    pub async fn stacks(&self) -> Vec<Stack> {
        let stacks = self.stacks.lock().await;
        let deployed = stacks.values().filter_map(|cell| cell.get().cloned());
        deployed.collect()
    }
}

fn variables(url: &str, stand_in_url: &str) -> Parameters {
    parameters([
        ("AWS_ACCESS_KEY_ID", ACCOUNT),
        ("AWS_SECRET_ACCESS_KEY", "local"),
        ("AWS_DEFAULT_REGION", REGION),
        ("AWS_REGION", REGION),
        ("AWS_ENDPOINT_URL", url),
        ("AWS_ENDPOINT_URL_CLOUDFRONT", stand_in_url),
        ("AWS_ENDPOINT_URL_CODEDEPLOY", stand_in_url),
        ("AWS_ENDPOINT_URL_ECS", stand_in_url),
    ])
}
