//! What each role of the stacks may do, what it really did, and whether the two are the same.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    process::Stdio,
};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};
use stand_in::Operation;
use tokio::{io::AsyncWriteExt, process::Command};

use crate::{
    local_aws::{ACCOUNT, LocalAws, REGION, repository, tool},
    stack::Stack,
};

/// The application and the deployment group whose deployments the stacks may answer.
pub const DEPLOYMENT_GROUP: [(&str, &str); 2] = [
    ("CodeDeployApplication", "shop"),
    ("CodeDeployDeploymentGroup", "web"),
];

/// What AWS does in a role's name, where no call of the product's own can be seen: whose role, what, on what ARN's part.
const BY_AWS: [(&[&str], &[&str], &str, &str); 4] = [
    // https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html
    (
        &[
            "hook",
            "create-invalidation",
            "check-invalidation",
            "report-status",
        ],
        &[
            "logs:CreateLogGroup",
            "logs:CreateLogStream",
            "logs:PutLogEvents",
        ],
        "*",
        "by Lambda: the log",
    ),
    // https://docs.aws.amazon.com/lambda/latest/dg/services-xray.html
    (
        &[
            "hook",
            "create-invalidation",
            "check-invalidation",
            "report-status",
            "state machine",
        ],
        &[
            "xray:PutTraceSegments",
            "xray:PutTelemetryRecords",
            "xray:GetSamplingRules",
            "xray:GetSamplingTargets",
            "xray:GetSamplingStatisticSummaries",
        ],
        "*",
        "by Lambda and Step Functions: the trace",
    ),
    // https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
    (
        &["hook"],
        &["sqs:SendMessage"],
        "PendingReportsQueue",
        "by Lambda: the failure destination",
    ),
    // https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
    (
        &["report-status"],
        &[
            "sqs:ReceiveMessage",
            "sqs:DeleteMessage",
            "sqs:GetQueueAttributes",
        ],
        "PendingReportsQueue",
        "by Lambda: the queue's event source mapping",
    ),
];

fn by_aws(who: &str, (action, resource): &Deed) -> Option<&'static str> {
    let found = BY_AWS.iter().find(|(roles, actions, part, _)| {
        roles.contains(&who) && actions.contains(&action.as_str()) && resource.contains(part)
    });
    found.map(|(.., reason)| *reason)
}

/// An action, and the ARN of what it is done to.
type Deed = (String, String);

/// As `tests/roles.py` prints it.
#[derive(Debug, Deserialize)]
struct Role {
    /// The function's stem, or the state machine.
    who: String,
    arn: String,
    /// What its function's calls are signed with; the state machine makes none.
    access_key: Option<String>,
    grants: BTreeSet<Deed>,
    calls: BTreeSet<Deed>,
}

/// Who may do what, or does it: a row for each action and kind of resource, whatever the stack.
#[derive(Debug, Default)]
pub struct Table {
    rows: BTreeMap<(String, String, String), Row>,
    /// What is allowed on something that it is not for, or denied on something that it is for.
    pub problems: Vec<String>,
}

#[derive(Debug, Default)]
struct Row {
    allowed: bool,
    used: Option<&'static str>,
}

impl Table {
    /// How many rows are granted and unused, or used and not granted.
    pub fn wrong_rows(&self) -> usize {
        let rows = self.rows.values();
        rows.filter(|row| row.allowed != row.used.is_some()).count()
    }

    fn row(&mut self, stack: &Stack, who: &str, (action, resource): &Deed) -> &mut Row {
        let kind = match resource.split_once(":distribution/") {
            Some((start, _)) => format!("{start}:distribution/<DistributionIds>"),
            None => without_suffix(&resource.replace(&stack.name, "<stack>")).to_owned(),
        };
        let key = (who.to_owned(), action.clone(), kind);
        self.rows.entry(key).or_default()
    }
}

/// A name without the suffix that `CloudFormation` gives it.
fn without_suffix(name: &str) -> &str {
    match name.rsplit_once('-') {
        Some((start, suffix))
            if suffix.len() == 13 && suffix.bytes().all(|b| b.is_ascii_alphanumeric()) =>
        {
            start
        }
        _ => name,
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| function | action | resource | allowed | used |")?;
        writeln!(f, "| --- | --- | --- | --- | --- |")?;
        for ((who, action, resource), row) in &self.rows {
            let allowed = if row.allowed { "yes" } else { "NO" };
            let used = row.used.unwrap_or("NO");
            writeln!(
                f,
                "| {who} | `{action}` | `{resource}` | {allowed} | {used} |"
            )?;
        }
        Ok(())
    }
}

/// What the roles of these stacks may do, and what they did until now.
pub async fn examine(aws: &LocalAws, stacks: &[Stack]) -> Result<Table> {
    let mut roles = roles(aws, stacks).await?;
    let mut table = Table::default();
    let mut cases = Vec::new();
    for stack in stacks {
        for role in roles.remove(&stack.name).unwrap_or_default() {
            let deeds = match &role.access_key {
                Some(key) => &role.calls | &calls(aws, key),
                None => invocations(aws, stack).await?,
            };
            for grant in &role.grants {
                let by_aws = by_aws(&role.who, grant);
                let row = table.row(stack, &role.who, grant);
                row.allowed = true;
                row.used = row.used.or(by_aws);
                if by_aws.is_some() && grant.1 != "*" {
                    cases.push((role.arn.clone(), grant.clone(), true));
                    cases.push((role.arn.clone(), elsewhere(grant), false));
                }
            }
            for deed in deeds {
                let grant = role.grants.iter().find(|grant| covers(grant, &deed));
                table.row(stack, &role.who, grant.unwrap_or(&deed)).used = Some("by itself");
                cases.push((role.arn.clone(), deed.clone(), true));
                cases.push((role.arn.clone(), elsewhere(&deed), false));
            }
        }
    }
    let questions: Vec<_> = cases
        .iter()
        .map(|(role, (action, on), _)| [role, action, on])
        .collect();
    let verdicts = simulate(aws, &questions).await?;
    for ((role, (action, resource), expected), allowed) in cases.iter().zip(verdicts) {
        if allowed != *expected {
            let verdict = if allowed { "may" } else { "may not" };
            let problem = format!("{role} {verdict} {action} on {resource}");
            table.problems.push(problem);
        }
    }
    Ok(table)
}

/// Whether a stack's functions may answer deployments, where IAM asks about this resource: a deployment group's ARN, or
/// `*`. Which of them AWS asks about is not known.
pub async fn may_answer(aws: &LocalAws, stack: &Stack, resource: &str) -> Result<bool> {
    let roles = roles(aws, std::slice::from_ref(stack)).await?;
    let action = action_of(Operation::PutLifecycleEventHookExecutionStatus).to_owned();
    let resource = resource.to_owned();
    let questions: Vec<_> = roles
        .values()
        .flatten()
        .filter(|role| ["hook", "report-status"].contains(&role.who.as_str()))
        .map(|role| [&role.arn, &action, &resource])
        .collect();
    let verdicts = simulate(aws, &questions).await?;
    ensure!(
        verdicts.len() == 2 && verdicts[0] == verdicts[1],
        "{verdicts:?}"
    );
    Ok(verdicts[0])
}

/// The ARN of a deployment group.
pub fn deployment_group(application: &str, group: &str) -> String {
    format!("arn:aws:codedeploy:{REGION}:{ACCOUNT}:deploymentgroup:{application}/{group}")
}

/// Whether a policy's action and resource are for this. None of ours has more than one `*`.
fn covers((action, pattern): &Deed, (done, resource): &Deed) -> bool {
    let is_it = match pattern.split_once('*') {
        None => pattern == resource,
        Some((start, end)) => resource.starts_with(start) && resource.ends_with(end),
    };
    is_it && action == done
}

/// The same, done to something that a role of the stack has nothing to do with.
fn elsewhere((action, resource): &Deed) -> Deed {
    let other = if resource.contains(":execution:") {
        resource.replace(":execution:", ":execution:another-")
    } else {
        format!("{resource}-another")
    };
    (action.clone(), other)
}

fn action_of(operation: Operation) -> &'static str {
    match operation {
        Operation::CreateInvalidation => "cloudfront:CreateInvalidation",
        Operation::GetInvalidation => "cloudfront:GetInvalidation",
        Operation::ListInvalidations => "cloudfront:ListInvalidations",
        Operation::PutLifecycleEventHookExecutionStatus => {
            "codedeploy:PutLifecycleEventHookExecutionStatus"
        }
        Operation::GetDeployment => "codedeploy:GetDeployment",
        Operation::StartExecution => "states:StartExecution",
        Operation::DescribeExecution => "states:DescribeExecution",
        Operation::SendMessage => "sqs:SendMessage",
        Operation::Invoke(_) => "lambda:InvokeFunction",
    }
}

/// What the stand-in has recorded of a function.
fn calls(aws: &LocalAws, access_key: &str) -> BTreeSet<Deed> {
    let calls = aws.stand_in.calls().into_iter();
    calls
        .filter(|call| call.access_key.as_deref() == Some(access_key))
        .map(|call| {
            let [(_, application), (_, group)] = DEPLOYMENT_GROUP;
            let resource = match call.operation {
                Operation::PutLifecycleEventHookExecutionStatus => {
                    deployment_group(application, group)
                }
                _ => format!(
                    "arn:aws:cloudfront::{ACCOUNT}:distribution/{}",
                    call.subject
                ),
            };
            (action_of(call.operation).to_owned(), resource)
        })
        .collect()
}

/// The functions that a state machine has invoked, by the histories of its executions.
async fn invocations(aws: &LocalAws, stack: &Stack) -> Result<BTreeSet<Deed>> {
    let sfn = &aws.clients.sfn;
    let machine = stack.state_machine_arn();
    let described = sfn.describe_state_machine().state_machine_arn(&machine);
    let definition = serde_json::from_str(described.send().await?.definition())?;
    let functions = functions(&definition);
    let executions = sfn
        .list_executions()
        .state_machine_arn(&machine)
        .send()
        .await?;
    let mut deeds = BTreeSet::new();
    for execution in executions.executions() {
        let history = sfn
            .get_execution_history()
            .execution_arn(execution.execution_arn());
        for event in history.send().await?.events() {
            let entered = event.state_entered_event_details();
            if let Some(function) = entered.and_then(|state| functions.get(state.name())) {
                deeds.insert(("lambda:InvokeFunction".to_owned(), function.clone()));
            }
        }
    }
    Ok(deeds)
}

/// The function of each state that invokes one. Of a Map it is the function inside of it, which ministack's histories do
/// not show.
fn functions(machine: &Value) -> BTreeMap<String, String> {
    let mut functions = BTreeMap::new();
    for (name, state) in machine["States"].as_object().into_iter().flatten() {
        if let Some(function) = state["Arguments"]["FunctionName"].as_str() {
            functions.insert(name.clone(), function.to_owned());
        }
        let inner = self::functions(&state["ItemProcessor"]);
        functions.extend(inner.into_values().map(|function| (name.clone(), function)));
    }
    functions
}

/// The roles of each stack, by its name.
async fn roles(aws: &LocalAws, stacks: &[Stack]) -> Result<BTreeMap<String, Vec<Role>>> {
    let names: Vec<_> = stacks.iter().map(|stack| &stack.name).collect();
    Ok(serde_json::from_value(
        ask(aws, &json!({ "stacks": names })).await?,
    )?)
}

/// Whether a role may do something to something, for each of these three.
async fn simulate(aws: &LocalAws, questions: &[[&String; 3]]) -> Result<Vec<bool>> {
    Ok(serde_json::from_value(
        ask(aws, &json!({ "simulate": questions })).await?,
    )?)
}

async fn ask(aws: &LocalAws, question: &Value) -> Result<Value> {
    let mut child = Command::new(tool("ministack", "python"))
        .arg(repository().join("tests/roles.py"))
        .envs(aws.cli_environment())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("cannot run Python; `make tools` installs it")?;
    let mut stdin = child.stdin.take().context("it has a standard input")?;
    stdin.write_all(question.to_string().as_bytes()).await?;
    drop(stdin);
    let output = child.wait_with_output().await?;
    ensure!(output.status.success(), "tests/roles.py failed");
    Ok(serde_json::from_slice(&output.stdout)?)
}
