"""ministack, changed in these ways only:

- Each function knows its process id and tells it to AWS, so that the stand-in can kill it.
- Step Functions invokes functions over HTTP.
- EventBridge takes events of the source aws.states from outside, where another engine's executions end.
- A queue hands a message that failed out again after SFN_WAIT_SCALE of its VisibilityTimeout; none pauses for all its
  messages after one that failed, or hands out only five at a time (Lambda starts with five, and soon has hundreds).
- An execution that was stopped does not repeat its task any more.
- As in ministack_local.py.
- Whatever sends to a queue takes its lock, without which a message is now and then lost to a queue that is being read.

Its own SFN_WAIT_SCALE shortens Wait states and the delays before retries.
"""

import functools
import json
import os
import subprocess
import sys
import threading
import time
import types

from botocore.exceptions import BotoCoreError, ClientError
from ministack.core import lambda_runtime
from ministack.services import eventbridge, lambda_svc, sqs, stepfunctions

from clients import client
from ministack_local import main

WAIT_SCALE = float(os.environ["SFN_WAIT_SCALE"])

lambda_client = client("lambda", "LAMBDA_URL")
deliver = lambda_svc._run_sqs_batch
perform_task = stepfunctions._execute_task
sleep = stepfunctions._scaled_sleep
current = threading.local()


def call_lambda(function, event):
    try:
        answer = lambda_client.invoke(FunctionName=function, Payload=json.dumps(event))
        payload = json.loads(answer["Payload"].read())
    except ClientError as error:
        code = error.response["Error"]["Code"]
        raise stepfunctions._ExecutionError(f"Lambda.{code}", str(error)) from error
    except (BotoCoreError, OSError) as error:
        raise stepfunctions._ExecutionError("Lambda.SdkClientException", str(error)) from error
    except ValueError as error:
        raise stepfunctions._ExecutionError("Lambda.Unknown", f"not JSON: {error}") from error
    if "FunctionError" in answer:
        raise stepfunctions._ExecutionError(payload.get("errorType", "Lambda.Unknown"), json.dumps(payload))
    return payload


def execute_task(state, task_input, execution, context):
    current.execution = execution
    return perform_task(state, task_input, execution, context)


def sleep_unless_stopped(seconds):
    sleep(seconds)
    execution = getattr(current, "execution", None)
    if execution and execution["status"] == "ABORTED":
        sys.exit()  # of its thread


class Popen(subprocess.Popen):
    def __init__(self, command, **options):
        super().__init__(["sh", "-c", 'export AWS_SDK_UA_APP_ID=$$; exec "$@"', "sh", *command], **options)


def run_sqs_batch(mapping, function, event, batch, queue_url, *others):
    deliver(mapping, function, event, batch, queue_url, *others)
    with sqs._queues_lock:
        timeout = float(sqs._get_q(queue_url)["attributes"]["VisibilityTimeout"])
        # Those that were delivered are no longer in the queue.
        for message in batch:
            message["visible_at"] = time.time() + timeout * WAIT_SCALE


def with_queues_locked(send):
    @functools.wraps(send)
    def locked(*arguments):
        with sqs._queues_lock:
            return send(*arguments)

    return locked


lambda_runtime.subprocess = types.SimpleNamespace(**{**vars(subprocess), "Popen": Popen})
stepfunctions._call_lambda = call_lambda
stepfunctions._execute_task = execute_task
stepfunctions._scaled_sleep = sleep_unless_stopped
eventbridge._put_events = functools.partial(eventbridge._put_events, allow_aws_source=True)
eventbridge._dispatch_to_sqs = with_queues_locked(eventbridge._dispatch_to_sqs)
lambda_svc._route_async_failure = with_queues_locked(lambda_svc._route_async_failure)
lambda_svc._run_sqs_batch = run_sqs_batch
lambda_svc._ESM_BACKOFF_SECONDS = 0
lambda_svc._ESM_SQS_DEFAULT_CONCURRENCY = 100

main()
