"""Checks a deployed stack in the account of your AWS credentials: `make verify STACK=name`, or `python3 verify.py name`.

It invalidates a path that no viewer requests in each of the stack's distributions, and a tag that no object has if CacheTags is set,
once or twice (1,000 paths a month are free), and stops one execution, after which ExecutionsAbortedAlarm fires. It reports to no
deployment and changes nothing else.

It prints one line for each check, and what to do if the check failed. It exits with 1 if a check failed, or if none passed.
"""

import contextlib
import functools
import json
import os
import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

PATH = "/cloudfront-deploy-hook-verify"
TAG = "#cloudfront-deploy-hook-verify"
# For each function an event that has no effect, and what it returns: an outcome, or the error with which it rejects the event.
FUNCTIONS = {
    "HookFunction": ({"dryRun": True}, "DryRun"),
    "EcsHookFunction": ({"DeploymentId": "verify"}, "CodeDeployEvent"),
    "RollbackFunction": ([], "InvalidInput"),
    "CreateInvalidationFunction": ([], "InvalidInput"),
    "CheckInvalidationFunction": ([], "InvalidInput"),
    "VerifyEdgeFunction": ([], "InvalidInput"),
    "ReportStatusFunction": ([], "InvalidInput"),
}
# The invalidation was long ago, so that no object is older.
VERIFY_EVENT = {
    "invalidations": [
        {"distributionId": "E2QWRUHAPOMQZL", "invalidationId": "I", "pathCount": 1, "createdAt": "2000-01-01T00:00:00Z", "elapsedSeconds": 1}
    ],
    "earlier": {"attempt": 0, "invalidatedAgain": False, "urls": []},
    "deadline": "2000-01-01T00:00:00Z",
}
SETTINGS = ("STATE_MACHINE_ARN", "DISTRIBUTION_IDS", "DISTRIBUTION_TENANT_IDS", "PATHS", "CACHE_TAGS", "TARGETS")
MAPPINGS = ("PendingReportsMapping", "RollbacksMapping")
# Each rule, and the output with its queue.
RULES = {"ExecutionEndedRule": "PendingReportsQueueUrl", "DeploymentSucceededRule": "RollbacksQueueUrl"}
REPORT = "codedeploy:PutLifecycleEventHookExecutionStatus"
# How many seconds may pass until report-status logs a stopped execution; usually it takes ten.
REPORT_TIMEOUT = float(os.environ.get("VERIFY_REPORT_TIMEOUT", "180"))
POLL_SECONDS = 2
NOT_AUTHORIZED = ("AccessDenied", "AuthorizationError", "UnauthorizedOperation")
MISSING = ("NoSuchEntity", "ResourceNotFound", "ResourceNotFoundException", "StateMachineDoesNotExist", "QueueDoesNotExist")
DELETED = "It was deleted outside of CloudFormation: delete the stack (which ends its executions) and deploy it again (which changes its ARNs)"
CHANGED = "It was changed outside of CloudFormation, and deploying the same template again does not restore it. Run: "

session = boto3.Session(region_name=os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"))
if not session.region_name:
    sys.exit("verify: no region is set. Set AWS_REGION to the region of the stack.")
cloudformation = session.client("cloudformation")
cloudwatch = session.client("cloudwatch")
events = session.client("events")
# The policy simulator is throttled after a few calls.
iam = session.client("iam", config=Config(retries={"mode": "adaptive", "max_attempts": 10}))
lambdas = session.client("lambda")
logs = session.client("logs")
machines = session.client("stepfunctions")


class Skipped(Exception):
    """A check could not be made, for this reason."""


class Failed(Exception):
    """A check failed: what was found, and what to do next."""

    def __init__(self, found, remedy):
        super().__init__(f"{found}\n    -> {remedy}")


class Table:
    """Prints the checks, and counts their results."""

    def __init__(self):
        self.counts = {"passed": 0, "failed": 0, "skipped": 0}

    def check(self, what, call, *arguments):
        """Makes a check, and returns whether it passed."""
        result, detail = self.outcome(call, *arguments)
        self.counts[result] += 1
        print(f"{result:8} {what}{': ' if detail else ''}{detail}", flush=True)
        return result == "passed"

    @staticmethod
    def outcome(call, *arguments):
        try:
            return "passed", call(*arguments) or ""
        except Skipped as reason:
            return "skipped", str(reason)
        except Failed as failure:
            return "failed", str(failure)
        except ClientError as error:
            if error.response["Error"]["Code"].startswith(NOT_AUTHORIZED):
                return "skipped", f"your credentials are not authorized: {error}"
            return "failed", f"{error}\n    -> {remedy_of(error)}"
        except (BotoCoreError, LookupError, ValueError) as error:
            remedy = "Run this again; if the check fails again, open an issue with this output"
            return "failed", f"{type(error).__name__}: {error}\n    -> {remedy}"


def remedy_of(error):
    if error.response["Error"]["Code"] in MISSING:
        return DELETED
    return "Run this again; if the error persists, look it up in the API reference of its service"


class Stack:
    """The stack, as CloudFormation describes it."""

    def __init__(self, name):
        [found] = cloudformation.describe_stacks(StackName=name)["Stacks"]
        self.arn = found["StackId"]
        self.parameters = {p["ParameterKey"]: p["ParameterValue"] for p in found["Parameters"]}
        self.outputs = {o["OutputKey"]: o["OutputValue"] for o in found["Outputs"]}
        pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=name)
        resources = [resource for page in pages for resource in page["StackResourceSummaries"]]
        self.ids = {r["LogicalResourceId"]: r["PhysicalResourceId"] for r in resources}
        self.alarms = [r["LogicalResourceId"] for r in resources if r["ResourceType"] == "AWS::CloudWatch::Alarm"]
        self.machine = self.ids["InvalidateStateMachine"]
        self.has_cache_tags = bool(self.parameters["CacheTags"].strip())
        self.targets = [
            {kind: identifier}
            for kind, parameter in (("distributionId", "DistributionIds"), ("distributionTenantId", "DistributionTenantIds"))
            for identifier in dict.fromkeys(filter(None, self.parameters[parameter].split(",")))
        ]
        self.groups, self.tagged = [], []
        # What is wrong with it, the hook function says.
        with contextlib.suppress(AttributeError, TypeError, ValueError):
            entries = json.loads(self.parameters["Targets"])
            self.groups = [key for key in entries if key != "*"]
            for batch in (batch for batches in entries.values() for batch in batches):
                if any(path.startswith("#") for path in batch["paths"]):
                    self.tagged.append({key: value for key, value in batch.items() if key != "paths"})

    def arn_of(self, service, resource, account=True):
        _, partition, _, region, account_id, _ = self.arn.split(":", 5)
        if service == "cloudfront":
            region = ""
        return f"arn:{partition}:{service}:{region}:{account_id if account else ''}:{resource}"


def definition_is_valid(stack):
    if not hasattr(machines, "validate_state_machine_definition"):
        raise Skipped(f"boto3 {boto3.__version__} has no ValidateStateMachineDefinition. Update boto3, then run this again")
    definition = machines.describe_state_machine(stateMachineArn=stack.machine)["definition"]
    try:
        response = machines.validate_state_machine_definition(definition=definition, type="STANDARD")
    except ClientError as error:
        if error.response["Error"]["Code"] in ("UnknownOperationException", "InternalFailure", "500"):
            raise Skipped("Step Functions has no ValidateStateMachineDefinition in this region") from error
        raise
    if response["result"] != "OK":
        raise Failed(json.dumps(response["diagnostics"]), "Open an issue with this output: the definition is part of this project")


def function_starts(stack, function):
    event, expected = FUNCTIONS[function]
    response = lambdas.invoke(FunctionName=stack.ids[function], Payload=json.dumps(event).encode())
    payload = json.loads(response["Payload"].read())
    found = (payload.get("errorType") or payload.get("outcome")) if isinstance(payload, dict) else None
    if found in ("InvalidSettings", "ExecutionNotStarted"):
        raise Failed(
            payload["errorMessage"],
            "Correct the stack's parameters, usually Targets, and deploy again. If they are right, the function's environment "
            "variables were changed outside of CloudFormation: restore them",
        )
    if found != expected:
        raise Failed(
            f"instead of {expected}, it returned {json.dumps(payload)[:300]}",
            "If the error is Runtime.InvalidEntrypoint or Runtime.ExitError, the function was built for another architecture, or "
            "its code was changed outside of CloudFormation: build and deploy again. Otherwise see its log",
        )


def start(stack, targets, name):
    # With a tag, create-invalidation checks that the distribution has a cache tag header.
    paths = {True: [PATH, TAG], False: [PATH]}
    batches = [{**target, "paths": paths[stack.has_cache_tags or target in stack.tagged]} for target in targets]
    execution = machines.start_execution(
        stateMachineArn=stack.machine, name=name, input=json.dumps({"invalidations": batches})
    )
    return execution["executionArn"]


def invalidations_complete(stack, name):
    """One execution for all: it knows how fast CloudFront accepts invalidations, and its cause names those that failed."""
    execution = start(stack, stack.targets, name)
    while (found := machines.describe_execution(executionArn=execution))["status"] == "RUNNING":
        time.sleep(POLL_SECONDS)
    if found["status"] != "SUCCEEDED":
        raise Failed(f"{found['status']}: {found.get('error')}: {found.get('cause')}", f"See execution {execution}")
    rows = json.loads(found["output"])["invalidations"]
    return ", ".join(f"{row.get('distributionId') or row['distributionTenantId']} ({row['elapsedSeconds']} s)" for row in rows)


def there_is_time_after_settling(stack):
    settle, wait = (int(stack.parameters[name]) for name in ("SettleSeconds", "MaxWaitSeconds"))
    if settle + 60 > wait:
        raise Failed(
            f"MaxWaitSeconds={wait} is less than a minute longer than SettleSeconds={settle}",
            "Set MaxWaitSeconds to at least a minute more than SettleSeconds",
        )


def urls_can_be_verified(stack):
    response = lambdas.invoke(FunctionName=stack.ids["VerifyEdgeFunction"], Payload=json.dumps(VERIFY_EVENT).encode())
    payload = json.loads(response["Payload"].read())
    if error := payload.get("errorMessage"):
        raise Failed(error, "Correct VerifyUrls or VerifyHeader, and deploy again")
    urls = payload["progress"]["urls"]
    problems = [f"{url['url']}: {url['reason']}" for url in urls if "reason" in url]
    if not stack.parameters["VerifyHeader"]:
        aged = [url["url"] for url in urls for seen in url["responses"] if seen.get("xCache", "").startswith("Miss") and seen.get("age")]
        problems += [f"{url}: its origin, or a cache in front of it, sends Age itself" for url in dict.fromkeys(aged)]
    if problems:
        raise Failed("; ".join(problems), "Correct VerifyUrls, or set VerifyHeader: deployments would not notice old versions")


def rule_delivers(stack, name):
    rule, queue = stack.ids[name], stack.outputs[RULES[name]].rsplit("/", 1)[-1]
    try:
        state = events.describe_rule(Name=rule)["State"]
    except events.exceptions.ResourceNotFoundException as error:
        raise Failed("the rule does not exist", DELETED) from error
    if state != "ENABLED":
        raise Failed(f"the rule is {state}", CHANGED + f"aws events enable-rule --name {rule}")
    targets = [target["Arn"] for target in events.list_targets_by_rule(Rule=rule)["Targets"]]
    if not any(target.endswith(f":{queue}") for target in targets):
        remedy = f"It was changed outside of CloudFormation. Add it with aws events put-targets --rule {rule}, and the RetryPolicy and the DeadLetterConfig that {name} has in the template"
        raise Failed(f"the targets of the rule are {targets}; {queue} is missing", remedy)


def is_report_of(name, line):
    """The log filter's pattern once more, for a local AWS that ignores patterns."""
    with contextlib.suppress(ValueError):
        fields = json.loads(line)
        return fields.get("execution_name") == name and fields.get("execution_status") == "ABORTED"


def stopped_execution_is_received(stack, name):
    execution = start(stack, stack.targets[:1], name)
    machines.stop_execution(executionArn=execution, error="Verify", cause="Stopped by verify.py")
    # From AWS's clock, which the log has, too.
    started = machines.describe_execution(executionArn=execution)["startDate"].timestamp()
    log, began = stack.ids["ReportStatusLogGroup"], time.monotonic()
    while (waited := time.monotonic() - began) < REPORT_TIMEOUT:
        pages = logs.get_paginator("filter_log_events").paginate(
            logGroupName=log, startTime=int(started * 1000), filterPattern=f'{{ $.execution_name = "{name}" && $.execution_status = "ABORTED" }}'
        )
        if any(is_report_of(name, event["message"]) for page in pages for event in page["events"]):
            return f"report-status received the event after {waited:.0f} s"
        time.sleep(POLL_SECONDS)
    raise Failed(
        f"after {REPORT_TIMEOUT:.0f} s the log of report-status does not say that {execution} ended",
        "Check that PendingReportsMapping is enabled, that QueuesPolicy allows EventBridge to send messages to "
        "PendingReportsQueue, and whether ReportsDeadLetterQueue has the event",
    )


def alarm_notifies(stack, alarm):
    [found] = cloudwatch.describe_alarms(AlarmNames=[stack.ids[alarm]])["MetricAlarms"]
    if not found["AlarmActions"]:
        raise Skipped("it notifies nobody, because the parameter AlarmTopicArn is empty")
    if not found["ActionsEnabled"]:
        raise Failed("its actions are disabled", f"aws cloudwatch enable-alarm-actions --alarm-names {found['AlarmName']}")


def mapping_is_enabled(stack, mapping):
    uuid = stack.ids[mapping]
    state = lambdas.get_event_source_mapping(UUID=uuid)["State"]
    if state not in ("Enabled", "Enabling", "Creating", "Updating"):
        raise Failed(f"it is {state}", CHANGED + f"aws lambda update-event-source-mapping --enabled --uuid {uuid}")


def has_the_settings_of_the_hook_function(stack, function):
    """Invoked like this, it does not need them; those of the hook function are checked by its dry run."""
    found, expected = (
        lambdas.get_function_configuration(FunctionName=stack.ids[name])["Environment"]["Variables"] for name in (function, "HookFunction")
    )
    if different := [name for name in SETTINGS if found.get(name) != expected.get(name)]:
        raise Failed(
            f"{', '.join(different)} are not the same as in HookFunction",
            "One of the two functions was changed outside of CloudFormation: compare both with the stack's parameters, and restore "
            "the environment variables of the wrong one in the Lambda console",
        )


def topic_has_subscribers(topic):
    sns = session.client("sns", region_name=topic.split(":")[3])
    try:
        attributes = sns.get_topic_attributes(TopicArn=topic)["Attributes"]
    except sns.exceptions.NotFoundException as error:
        raise Failed("the topic does not exist", "Deploy the stack with the ARN of an existing topic as AlarmTopicArn") from error
    key = attributes.get("KmsMasterKeyId", "")
    if key.endswith("alias/aws/sns"):
        raise Failed(
            "the topic is encrypted with alias/aws/sns, which CloudWatch cannot use",
            "Encrypt it with a customer managed key whose policy allows kms:Decrypt and kms:GenerateDataKey* for "
            "cloudwatch.amazonaws.com",
        )
    subscriptions = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    confirmed = [s for s in subscriptions if s["SubscriptionArn"].startswith("arn:")]
    if not confirmed:
        raise Failed("the topic has no confirmed subscription", "Subscribe to the topic, and confirm the subscription")
    return f"{len(confirmed)} subscription(s)" + (f"; the policy of its key {key} is not checked" if key else "")


def permissions(stack):
    """The function or state machine, the action, the resource, and whether its role must allow that."""
    application, group = (
        stack.parameters[name].replace("*", "any") for name in ("CodeDeployApplication", "CodeDeployDeploymentGroup")
    )
    hooks = stack.arn_of("codedeploy", f"deploymentgroup:{application}/{group}")
    execution = stack.machine.replace(":stateMachine:", ":execution:") + ":verify"
    queue = stack.arn_of("sqs", stack.outputs["PendingReportsQueueUrl"].rsplit("/", 1)[-1])
    yield "HookFunction", "states:StartExecution", stack.machine, True
    yield "HookFunction", "states:DescribeExecution", execution, True
    yield "HookFunction", "sqs:SendMessage", queue, True
    # Other keys are services of Amazon ECS, or the parameters do not cover them.
    covered = [key for key in stack.groups if stack.parameters["CodeDeployApplication"] in ("*", key.split("/")[0])]
    for group in [hooks, *(stack.arn_of("codedeploy", f"deploymentgroup:{key}") for key in covered)]:
        yield "HookFunction", REPORT, group, True
        if stack.parameters["Targets"]:
            yield "HookFunction", "codedeploy:GetDeployment", group, True
    yield "EcsHookFunction", "states:StartExecution", stack.machine, True
    yield "EcsHookFunction", "states:DescribeExecution", execution, True
    yield "EcsHookInvokeRole", "lambda:InvokeFunction", stack.outputs["EcsHookFunctionArn"], True
    if url := stack.outputs.get("RollbacksQueueUrl"):
        rollbacks = stack.arn_of("sqs", url.rsplit("/", 1)[-1])
        yield "EcsHookFunction", "sqs:SendMessage", rollbacks, True
        yield "RollbackFunction", "states:StartExecution", stack.machine, True
        yield "RollbackFunction", "states:DescribeExecution", execution, True
        yield "RollbackFunction", "codedeploy:GetDeployment", hooks, True
        for resource in ("service/verify/verify", "service-deployment/verify/verify/verify"):
            yield "RollbackFunction", "ecs:DescribeServiceDeployments", stack.arn_of("ecs", resource), True
        for action in ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes"):
            yield "RollbackFunction", f"sqs:{action}", rollbacks, True
    may_have_tags = stack.has_cache_tags or stack.parameters["Targets"]
    another = stack.arn_of("cloudfront", "distribution/EANOTHER000000")
    for [(kind, identifier)] in (target.items() for target in stack.targets):
        resource, suffix, config = {
            "distributionId": ("distribution", "", "GetDistributionConfig"),
            "distributionTenantId": ("distribution-tenant", "ForDistributionTenant", "GetDistributionTenant"),
        }[kind]
        on = stack.arn_of("cloudfront", f"{resource}/{identifier}")
        for action in ("CreateInvalidation", "GetInvalidation", "ListInvalidations"):
            yield "CreateInvalidationFunction", f"cloudfront:{action}{suffix}", on, True
        if may_have_tags:
            yield "CreateInvalidationFunction", f"cloudfront:{config}", on, True
        yield "CheckInvalidationFunction", f"cloudfront:GetInvalidation{suffix}", on, True
    if may_have_tags and stack.parameters["DistributionTenantIds"]:
        yield "CreateInvalidationFunction", "cloudfront:GetDistributionConfig", another, True
    yield "CreateInvalidationFunction", "cloudfront:CreateInvalidation", another, False
    another = stack.arn_of("cloudfront", "distribution-tenant/dt_another")
    yield "CreateInvalidationFunction", "cloudfront:CreateInvalidationForDistributionTenant", another, False
    yield "ReportStatusFunction", REPORT, hooks, True
    yield "ReportStatusFunction", "states:DescribeExecution", execution, True
    for action in ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes"):
        yield "ReportStatusFunction", f"sqs:{action}", queue, True
    for function in ("CreateInvalidationFunction", "CheckInvalidationFunction", "VerifyEdgeFunction", "ReportStatusFunction"):
        if function not in stack.ids:
            continue
        arn = stack.arn_of("lambda", f"function:{stack.ids[function]}")
        yield "InvalidateStateMachine", "lambda:InvokeFunction", arn, True


@functools.cache
def role(stack, who):
    if who == "InvalidateStateMachine":
        return machines.describe_state_machine(stateMachineArn=stack.machine)["roleArn"]
    if who == "EcsHookInvokeRole":
        return stack.outputs["EcsHookInvokeRoleArn"]
    return lambdas.get_function_configuration(FunctionName=stack.ids[who])["Role"]


def role_is(role, action, resource, allowed):
    region = "us-east-1" if action.startswith("cloudfront:") else session.region_name
    context = {
        "ContextKeyName": "aws:RequestedRegion",
        "ContextKeyType": "string",
        "ContextKeyValues": [region],
    }
    response = iam.simulate_principal_policy(
        PolicySourceArn=role, ActionNames=[action], ResourceArns=[resource], ContextEntries=[context]
    )
    result = response["EvaluationResults"][0]
    decision = result["EvalDecision"]
    if (decision == "allowed") != allowed:
        if missing := result.get("MissingContextValues"):
            raise Skipped(f"{decision}, but policies depend on {missing}, which the policy simulator does not have")
        limits = {**result.get("PermissionsBoundaryDecisionDetail", {}), **result.get("OrganizationsDecisionDetail", {})}
        if action == REPORT and decision == "implicitDeny" and not resource.endswith(":any/any") and all(limits.values()):
            raise Skipped("denied, but AWS documents no resource for this action, and the policy simulator may know none: watch the next deployment")
        raise Failed(
            f"the policy simulator says {decision} for {role}",
            "Check that the role has the stack's policy, and that no permissions boundary or service control policy denies this"
            if allowed
            else "Remove the policy that was added to the role",
        )


def verify(name):
    stack, table = Stack(name), Table()
    run = f"verify-{int(time.time())}"
    table.check("the state machine's definition is valid", definition_is_valid, stack)
    table.check("MaxWaitSeconds is long enough", there_is_time_after_settling, stack)
    # All functions are checked, even if one fails.
    functions = [function for function in FUNCTIONS if function in stack.ids]
    starting = [table.check(f"{function} starts", function_starts, stack, function) for function in functions]
    if all(starting):
        table.check("an invalidation of each distribution and distribution tenant completes", invalidations_complete, stack, run)
    else:
        print("         (no execution is started, because not every function starts)")
    if "VerifyEdgeFunction" in stack.ids:
        table.check("VerifyUrls can be verified", urls_can_be_verified, stack)
    rules = [rule for rule in RULES if rule in stack.ids]
    delivers = [table.check(f"{rule} delivers to its queue", rule_delivers, stack, rule) for rule in rules]
    for mapping in (mapping for mapping in MAPPINGS if mapping in stack.ids):
        table.check(f"{mapping} is enabled", mapping_is_enabled, stack, mapping)
    for function in (function for function in ("EcsHookFunction", "RollbackFunction") if function in stack.ids):
        table.check(f"{function} has the settings of HookFunction", has_the_settings_of_the_hook_function, stack, function)
    if all(starting) and delivers[0]:
        table.check("report-status receives the event of a stopped execution", stopped_execution_is_received, stack, f"{run}-stopped")
    for alarm in stack.alarms:
        table.check(f"{alarm} notifies its topic", alarm_notifies, stack, alarm)
    if topic := stack.parameters["AlarmTopicArn"]:
        table.check(f"{topic} has subscribers", topic_has_subscribers, topic)
    for who, action, resource, allowed in permissions(stack):
        what = f"{who} {'may' if allowed else 'may not'} {action} on {resource}"
        table.check(what, lambda: role_is(role(stack, who), action, resource, allowed))
    print("verify: " + ", ".join(f"{count} {result}" for result, count in table.counts.items()))
    return table.counts["failed"] == 0 and table.counts["passed"] > 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python3 verify.py <name of the stack>, or make verify STACK=<name>, with AWS credentials and AWS_REGION in the environment")
    try:
        sys.exit(not verify(sys.argv[1]))
    except (BotoCoreError, ClientError, KeyError) as error:
        sys.exit(f"verify: {error}\nCheck the stack's name, that it is a stack of this project, AWS_REGION and your credentials.")
