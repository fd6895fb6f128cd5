"""What the local AWS knows of the roles of stacks, for tests/src/permissions.rs: reads a question from the standard input
and prints the answer, both JSON.

{"stacks": [name, …]}: each role's ARN, the access key that its function signs with, what its policies grant, and the calls
    that CloudTrail has recorded of it
{"simulate": [[role ARN, action, resource], …]}: whether each is allowed
"""

import hashlib
import json
import sys

import boto3

iam = boto3.client("iam")
functions = boto3.client("lambda")
machines = boto3.client("stepfunctions")
cloudtrail = boto3.client("cloudtrail")
stacks = boto3.client("cloudformation")


# What ministack does not have of AWS's own policies: https://docs.aws.amazon.com/aws-managed-policy/latest/reference/
MISSING = {
    "arn:aws:iam::aws:policy/AWSXrayWriteOnlyAccess": {
        "Statement": {
            "Effect": "Allow",
            "Action": [
                "xray:PutTraceSegments",
                "xray:PutTelemetryRecords",
                "xray:GetSamplingRules",
                "xray:GetSamplingTargets",
                "xray:GetSamplingStatisticSummaries",
            ],
            "Resource": "*",
        },
    },
}


def listed(value):
    return value if isinstance(value, list) else [value]


def documents(role):
    for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        yield iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
    for policy in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]:
        arn = policy["PolicyArn"]
        if arn in MISSING:
            yield MISSING[arn]
            continue
        version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        yield iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]


def grants(role):
    for document in documents(role):
        for statement in listed(document["Statement"]):
            for action in listed(statement["Action"]):
                for resource in listed(statement["Resource"]):
                    yield action, resource


def access_key(function_arn, role_arn):
    """As ministack makes it for a function's role (execution_credentials in its lambda_runtime.py)."""
    return "ASIA" + hashlib.sha256(f"{function_arn}:{role_arn}".encode()).hexdigest()[:16].upper()


def calls(key):
    attributes = [{"AttributeKey": "AccessKeyId", "AttributeValue": key}]
    events = cloudtrail.lookup_events(LookupAttributes=attributes)["Events"]
    # ministack has one page of them.
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


def known(who, role_arn, key=None):
    role = role_arn.split("/")[-1]
    return {
        "who": who,
        "arn": role_arn,
        "access_key": key,
        "grants": sorted(set(grants(role))),
        "calls": sorted(set(calls(key))) if key else [],
    }


def roles(stack):
    summaries = stacks.list_stack_resources(StackName=stack)["StackResourceSummaries"]
    names = {summary["LogicalResourceId"]: summary["PhysicalResourceId"] for summary in summaries}
    for who in ["hook", "create-invalidation", "check-invalidation", "report-status"]:
        name = names[who.title().replace("-", "") + "Function"]
        found = functions.get_function_configuration(FunctionName=name)
        yield known(who, found["Role"], access_key(found["FunctionArn"], found["Role"]))
    machine = names["InvalidateStateMachine"]
    # A scenario may have deleted it.
    if any(found["stateMachineArn"] == machine for found in machines.list_state_machines()["stateMachines"]):
        found = machines.describe_state_machine(stateMachineArn=machine)
        yield known("state machine", found["roleArn"])


def is_allowed(role_arn, action, resource):
    request = {"PolicySourceArn": role_arn, "ActionNames": [action], "ResourceArns": [resource]}
    [result] = iam.simulate_principal_policy(**request)["EvaluationResults"]
    return result["EvalDecision"] == "allowed"


question = json.load(sys.stdin)
if "stacks" in question:
    answer = {stack: list(roles(stack)) for stack in question["stacks"]}
else:
    answer = [is_allowed(*case) for case in question["simulate"]]
json.dump(answer, sys.stdout)
