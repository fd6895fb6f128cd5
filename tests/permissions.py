"""Compares what the roles of stacks are allowed to do with what they did. tests/tests/end_to_end.rs runs it.

Prints a table in Markdown, or what is allowed and not used, used and not allowed, or allowed on other resources. Its argument is a
file:

{"stacks": [name, ...],
 "calls": [[operation, subject, access key], ...], those to CloudFront, CodeDeploy and Amazon ECS,
 "group": name of the deployment group that they are for, in an application with the stack's name,
 "for_any": name of another stack, which is for deployments of any group}
"""

import hashlib
import json
import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache

import boto3

cloudformation = boto3.client("cloudformation")
cloudtrail = boto3.client("cloudtrail")
iam = boto3.client("iam")
awslambda = boto3.client("lambda")
stepfunctions = boto3.client("stepfunctions")

# ministack takes the account from the access key.
ACCOUNT, REGION = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_REGION"]

FUNCTIONS = ["hook", "ecs-hook", "rollback", "create-invalidation", "check-invalidation", "verify-edge", "report-status"]
AMAZON_ECS = "Amazon ECS"
STATE_MACHINE = "state machine"

REPORT = "codedeploy:PutLifecycleEventHookExecutionStatus"
# Permissions that a stack has only if one of these parameters is set.
ONLY_WITH = {
    "cloudfront:GetDistributionConfig": ["CacheTags", "Targets"],
    "cloudfront:GetDistributionTenant": ["CacheTags", "Targets"],
    "cloudfront:CreateInvalidation": ["DistributionIds"],
    "cloudfront:GetInvalidation": ["DistributionIds"],
    "cloudfront:CreateInvalidationForDistributionTenant": ["DistributionTenantIds"],
    "cloudfront:GetInvalidationForDistributionTenant": ["DistributionTenantIds"],
    "hook codedeploy:GetDeployment": ["Targets"],
    "ecs-hook sqs:SendMessage": ["InvalidateAfterRollback"],
}
TRACE = [
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
    "xray:GetSamplingStatisticSummaries",
]

# What AWS does with a role, where no test can see the calls: roles, actions, part of the resource's ARN, who and why.
BY_AWS = [
    # https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html
    (
        FUNCTIONS,
        ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
        "*",
        "Lambda (logs)",
    ),
    # https://docs.aws.amazon.com/lambda/latest/dg/services-xray.html
    ([*FUNCTIONS, STATE_MACHINE], TRACE, "*", "Lambda or Step Functions (traces)"),
    # https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
    (["hook"], ["sqs:SendMessage"], "PendingReportsQueue", "Lambda (failure destination)"),
    # https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsstepfunctions.html
    (["hook", "rollback"], ["states:DescribeExecution"], ":execution:", "Step Functions (`StartExecution`)"),
    # https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
    (
        ["report-status"],
        ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
        "PendingReportsQueue",
        "Lambda (event source mapping)",
    ),
    (
        ["rollback"],
        ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
        "RollbacksQueue",
        "Lambda (event source mapping)",
    ),
    # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/blue-green-permissions.html
    ([AMAZON_ECS], ["lambda:InvokeFunction"], "EcsHookFunction", "Amazon ECS (lifecycle hook)"),
]

# AWS's managed policies that ministack lacks: https://docs.aws.amazon.com/aws-managed-policy/latest/reference/
MISSING_POLICIES = {
    "arn:aws:iam::aws:policy/AWSXrayWriteOnlyAccess": {
        "Statement": {"Effect": "Allow", "Action": TRACE, "Resource": "*"},
    },
}


@dataclass
class Role:
    """A role of a stack. Grants and calls are pairs of an action and a resource's ARN."""

    who: str
    arn: str
    grants: set
    calls: set


def listed(value):
    return value if isinstance(value, list) else [value]


@cache
def managed_policy(arn):
    if arn in MISSING_POLICIES:
        return MISSING_POLICIES[arn]
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    return iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]


@cache
def policies():
    """Of each role in the account, by its ARN."""
    return {
        role["Arn"]: [
            *(policy["PolicyDocument"] for policy in role["RolePolicyList"]),
            *(managed_policy(policy["PolicyArn"]) for policy in role["AttachedManagedPolicies"]),
        ]
        for role in iam.get_account_authorization_details(Filter=["Role"])["RoleDetailList"]
    }


def grants(role_arn):
    return {
        (action, resource)
        for policy in policies()[role_arn]
        for statement in listed(policy["Statement"])
        for action in listed(statement["Action"])
        for resource in listed(statement["Resource"])
    }


def access_key(function_arn, role_arn):
    """As ministack makes it for a function's role (execution_credentials in its lambda_runtime.py)."""
    return "ASIA" + hashlib.sha256(f"{function_arn}:{role_arn}".encode()).hexdigest()[:16].upper()


def logged_calls(key):
    """The calls to ministack, by its CloudTrail."""
    attributes = [{"AttributeKey": "AccessKeyId", "AttributeValue": key}]
    events = cloudtrail.lookup_events(LookupAttributes=attributes)["Events"]
    # ministack returns one page.
    assert len(events) < 50, f"{key} has made more calls than can be looked up"
    for event in events:
        record = json.loads(event["CloudTrailEvent"])
        service = record["eventSource"].split(".")[0]
        parameters = record["requestParameters"] or {}
        resource = parameters.get("stateMachineArn") or parameters.get("executionArn")
        if queue := parameters.get("QueueUrl"):
            account, name = queue.split("/")[-2:]
            resource = f"arn:aws:sqs:{record['awsRegion']}:{account}:{name}"
        yield f"{service}:{record['eventName']}", resource or "unknown"


def deployment_group(name):
    return f"arn:aws:codedeploy:{REGION}:{ACCOUNT}:deploymentgroup:{name}"


def recorded_calls(calls, key, group):
    """The calls to CloudFront, CodeDeploy and Amazon ECS."""
    for operation, subject, call_key in calls:
        if call_key != key:
            continue
        if subject.startswith(("E", "dt_")):
            resource = "distribution-tenant" if subject.startswith("dt_") else "distribution"
            yield f"cloudfront:{operation}", f"arn:aws:cloudfront::{ACCOUNT}:{resource}/{subject}"
        elif operation == "DescribeServiceDeployments":
            # IAM checks both: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerservice.html
            for resource in ["service/shop/web", f"service-deployment/shop/web/{subject}"]:
                yield f"ecs:{operation}", f"arn:aws:ecs:{REGION}:{ACCOUNT}:{resource}"
        else:
            yield f"codedeploy:{operation}", deployment_group(group)


def invoked_functions(machine):
    """The function that each state invokes; of a Map that of the state in it, which ministack's histories don't show."""
    functions = {}
    for name, state in machine.get("States", {}).items():
        inner = invoked_functions(state.get("ItemProcessor", {})).values()
        for function in [state.get("Arguments", {}).get("FunctionName"), *inner]:
            if function:
                functions[name] = function
    return functions


def invocations(machine):
    functions = invoked_functions(json.loads(machine["definition"]))
    executions = stepfunctions.get_paginator("list_executions")
    history = stepfunctions.get_paginator("get_execution_history")
    for page in executions.paginate(stateMachineArn=machine["stateMachineArn"]):
        for execution in page["executions"]:
            for events in history.paginate(executionArn=execution["executionArn"]):
                for event in events["events"]:
                    function = functions.get(event.get("stateEnteredEventDetails", {}).get("name"))
                    if function:
                        yield "lambda:InvokeFunction", function


def resources(stack):
    summaries = cloudformation.list_stack_resources(StackName=stack)["StackResourceSummaries"]
    return {summary["LogicalResourceId"]: summary["PhysicalResourceId"] for summary in summaries}


def parameters(stack):
    [found] = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    return {p["ParameterKey"]: p["ParameterValue"] for p in found["Parameters"]}


@cache
def functions():
    """The configuration of each function in the account, by its name."""
    pages = awslambda.get_paginator("list_functions").paginate()
    return {found["FunctionName"]: found for page in pages for found in page["Functions"]}


def function_configuration(names, function):
    """None if the stack's parameters don't ask for the function."""
    return functions().get(names.get(function.title().replace("-", "") + "Function"))


def roles(stack, calls, group):
    names = resources(stack)
    for function in FUNCTIONS:
        found = function_configuration(names, function)
        if not found:
            continue
        key = access_key(found["FunctionArn"], found["Role"])
        made = {*logged_calls(key), *recorded_calls(calls, key, f"{stack}/{group}")}
        yield Role(function, found["Role"], grants(found["Role"]), made)
    arn = iam.get_role(RoleName=names["EcsHookInvokeRole"])["Role"]["Arn"]
    yield Role(AMAZON_ECS, arn, grants(arn), set())
    arn = names["InvalidateStateMachine"]
    # A scenario may have deleted it.
    if any(machine["stateMachineArn"] == arn for machine in stepfunctions.list_state_machines()["stateMachines"]):
        machine = stepfunctions.describe_state_machine(stateMachineArn=arn)
        yield Role(STATE_MACHINE, machine["roleArn"], grants(machine["roleArn"]), set(invocations(machine)))


def itself(who):
    return "its tasks" if who == STATE_MACHINE else "the function's code"


def by_aws(who, action, resource):
    for users, actions, part, reason in BY_AWS:
        if who in users and action in actions and part in resource:
            return reason
    return None


def covering_grant(role, call):
    """The grant that allows a call, or else the call itself."""
    action, resource = call
    matching = (grant for grant in sorted(role.grants) if grant[0] == action and fnmatchcase(resource, grant[1]))
    return next(matching, call)


def kind(stack, resource):
    """A resource's ARN without what differs from stack to stack."""
    resource = re.sub(":distribution/E.*", ":distribution/<DistributionIds>", resource)
    resource = re.sub(":distribution-tenant/.*", ":distribution-tenant/<DistributionTenantIds>", resource)
    resource = re.sub(":deploymentgroup:.*", ":deploymentgroup:<CodeDeployApplication>/<CodeDeployDeploymentGroup>", resource)
    return re.sub("-[A-Za-z0-9]{13}$", "", resource.replace(stack, "<stack>"))


def elsewhere(resource, granted):
    """A resource that the stack has nothing to do with."""
    if granted.endswith("/*"):
        return resource.replace(ACCOUNT, "999999999999")
    if ":execution:" in resource:
        return resource.replace(":execution:", ":execution:another-")
    return f"{resource}-another"


def decided_otherwise(expected):
    role_arn, action, resource, is_allowed = expected
    request = {"PolicySourceArn": role_arn, "ActionNames": [action], "ResourceArns": [resource]}
    [result] = iam.simulate_principal_policy(**request)["EvaluationResults"]
    if (result["EvalDecision"] == "allowed") != is_allowed:
        return f"{role_arn} is {'denied' if is_allowed else 'allowed'} {action} on {resource}"
    return None


def examine(stacks, calls, group, for_any):
    allowed, used, to_simulate, problems = set(), {}, set(), []
    for stack in stacks:
        given = parameters(stack)
        # Each is there twice, with other failure actions, which make no difference to roles.
        if given["OnInvalidationFailure"] != "FailDeployment":
            continue
        for role in roles(stack, calls, group):
            for action, resource in role.grants:
                needed = ONLY_WITH.get(action) or ONLY_WITH.get(f"{role.who} {action}")
                if needed and not any(given[name] not in ("", "Disabled") for name in needed):
                    problems.append(f"{role.who} of {stack} is allowed {action}, but has none of {needed}")
                row = (role.who, action, kind(stack, resource))
                allowed.add(row)
                if reason := by_aws(role.who, action, resource):
                    used.setdefault(row, reason)
                    if resource != "*":
                        to_simulate.add((role.arn, action, resource, resource))
            for action, resource in role.calls:
                _, granted = covering_grant(role, (action, resource))
                used[role.who, action, kind(stack, granted)] = itself(role.who)
                to_simulate.add((role.arn, action, resource, granted))

    rows = sorted(allowed | used.keys())
    for row in rows:
        who, action, resource = row
        user = used.get(row, "nobody")
        if row not in allowed or row not in used:
            decision = "allowed" if row in allowed else "not allowed"
            problems.append(f"{who}: {action} on {resource}: {decision}, used by {user}")
    expected = []
    for role_arn, action, resource, granted in sorted(to_simulate):
        expected += [(role_arn, action, resource, True), (role_arn, action, elsewhere(resource, granted), False)]
    narrowed = stacks[0]
    own, another = deployment_group(f"{narrowed}/{group}"), deployment_group(f"{narrowed}/another")
    # AWS does not document whether IAM checks the deployment group or * in this action.
    for stack, resource, decision in [
        (for_any, "*", True),
        (for_any, own, True),
        (narrowed, own, True),
        (narrowed, another, False),
        (narrowed, "*", False),
    ]:
        expected += [(role_arn, REPORT, resource, decision) for role_arn in reporting_roles(stack)]
    with ThreadPoolExecutor() as pool:
        problems += filter(None, pool.map(decided_otherwise, expected))
    if problems:
        sys.exit("\n".join(problems))
    print(table(rows, used))


def table(rows, used):
    """Roles with the same permission share a row, and so do actions with the same roles."""
    roles_of, actions_of = {}, {}
    for row in rows:
        who, *permission = row
        roles_of.setdefault((*permission, used.get(row, "nobody")), []).append(who)
    for (action, resource, user), whos in roles_of.items():
        others = [who for who in whos if who not in FUNCTIONS]
        shared = ["all functions", *others] if len(whos) - len(others) == len(FUNCTIONS) else whos
        actions_of.setdefault((", ".join(shared), resource, user), []).append(f"`{action}`")
    lines = [f"| {whos} | {', '.join(actions)} | `{resource}` | {user} |" for (whos, resource, user), actions in actions_of.items()]
    return "\n".join(["| role | actions | resource | used by |", "| --- | --- | --- | --- |", *sorted(lines)])


def reporting_roles(stack):
    names = resources(stack)
    return [function_configuration(names, function)["Role"] for function in ["hook", "report-status"]]


with open(sys.argv[1]) as question:
    examine(**json.load(question))
