"""Checks what the functions' logs say of executions that were started, or were not, in the field that the alarm's metric filters are
about: the local AWS stores metric filters, and does not match them. tests/tests/end_to_end.rs runs it.

    started_in_logs.py <group of stacks>=<stack> …
"""

import json
import sys

import boto3

# The group of stacks, the functions' log group, whether an execution was started.
EXPECTED = [
    ("StateMachineDeleted", "HookLogGroup", False),
    ("StateMachineDeleted", "ReportStatusLogGroup", False),
    ("InvalidPaths", "HookLogGroup", False),
    ("Unchanged", "HookLogGroup", True),
    ("Unchanged", "ReportStatusLogGroup", True),
    ("Unchanged", "EcsHookLogGroup", True),
    ("Unchanged", "RollbackLogGroup", True),
]
cloudformation = boto3.client("cloudformation")
logs = boto3.client("logs")


def fields(stack, log_group):
    resources = cloudformation.list_stack_resources(StackName=stack)["StackResourceSummaries"]
    groups = (resource["PhysicalResourceId"] for resource in resources if resource["LogicalResourceId"] == log_group)
    for group in groups:
        for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group, filterPattern="execution_started"):
            for event in page["events"]:
                yield json.loads(event["message"]).get("execution_started")


stacks = [argument.split("=") for argument in sys.argv[1:]]
for group, log_group, expected in EXPECTED:
    found = {field for of, stack in stacks if of == group for field in fields(stack, log_group)} - {None}
    if found != {expected}:
        sys.exit(f"{log_group} of {group} says {found}, not {expected}")
