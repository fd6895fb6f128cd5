"""Tries sam/verify.py on a stack as it was deployed, and then with each defect that it must find. tests/tests/end_to_end.rs runs it.

    verify_finds.py <verify.py> <stack>
"""

import io
import json
import os
import subprocess
import sys
import zipfile

import boto3

VERIFY, STACK = sys.argv[1:]
cloudformation = boto3.client("cloudformation")
events = boto3.client("events")
iam = boto3.client("iam")
lambdas = boto3.client("lambda")
[stack] = cloudformation.describe_stacks(StackName=STACK)["Stacks"]
outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def resource(logical_id):
    return cloudformation.describe_stack_resource(StackName=STACK, LogicalResourceId=logical_id)["StackResourceDetail"]["PhysicalResourceId"]


def disable_mapping():
    """No function reads the queue of pending reports."""
    lambdas.update_event_source_mapping(UUID=outputs["PendingReportsMappingId"], Enabled=False)


def remove_target():
    """EventBridge sends executions that ended nowhere."""
    events.remove_targets(Rule=resource("ExecutionEndedRule"), Ids=["PendingReportsQueue"])


def deny_permission():
    """create-invalidation isn't authorized for one of the distributions."""
    denied = {"Effect": "Deny", "Action": "cloudfront:CreateInvalidation", "Resource": "arn:aws:cloudfront::*:distribution/E2QWRUHAPOMQZL"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": denied})
    iam.put_role_policy(RoleName=resource("CreateInvalidationFunctionRole"), PolicyName="deny", PolicyDocument=policy)


def replace_program():
    """What check-invalidation runs is not a program."""
    code = io.BytesIO()
    entry = zipfile.ZipInfo("bootstrap")
    entry.external_attr = 0o755 << 16
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr(entry, "not a program")
    lambdas.update_function_code(FunctionName=resource("CheckInvalidationFunction"), ZipFile=code.getvalue())


def change_settings():
    """Somebody has edited the hook function's variables."""
    function = outputs["HookFunctionName"]
    variables = lambdas.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
    lambdas.update_function_configuration(FunctionName=function, Environment={"Variables": variables | {"TARGETS": "{}"}})


def check(*expected):
    # As the README says it: the region is in AWS_REGION.
    environment = {name: value for name, value in os.environ.items() if name != "AWS_DEFAULT_REGION"} | {"VERIFY_REPORT_TIMEOUT": "15"}
    command = [sys.executable, VERIFY, STACK]
    said = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
    if missing := [row for row in expected if row not in said]:
        sys.exit(f"{missing} not in:\n{said}")


sns = boto3.client("sns")
topic = sns.create_topic(Name="alarms")["TopicArn"]
sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="a@example.com")
check("\nverify: ", " 0 failed")
disable_mapping()
check(
    "failed   PendingReportsMapping is enabled",
    "failed   report-status receives the event of a stopped execution",
    ", 2 failed",
)
remove_target()
deny_permission()
replace_program()
change_settings()
check(
    "failed   CheckInvalidationFunction starts",
    "failed   HookFunction starts: ",
    "TARGETS has no entry",
    "failed   ExecutionEndedRule delivers",
    "failed   CreateInvalidationFunction may cloudfront:CreateInvalidation on arn:aws:cloudfront::111122223333:distribution/E2QWRUHAPOMQZL",
    "failed   EcsHookFunction has the settings of HookFunction: TARGETS are not the same as in HookFunction",
    ", 7 failed",
)
