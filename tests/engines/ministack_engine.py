"""ministack, changed in these ways only:

- Each function knows its process id and tells it to AWS, so that the stand-in can kill it.
- Step Functions invokes functions over HTTP.
- Wait states, the delays before retries, Lambda's minutes between asynchronous attempts and a queue's VisibilityTimeout after a
  message failed are cut short and recorded (skipped_time.py). A queue does not pause for all its messages after one that failed,
  and does not hand out only five at a time (Lambda starts with five, and soon has hundreds).
- A function that the stand-in has frozen times out soon, and the rest of its time is recorded as skipped.
- An execution that was stopped does not repeat its task any more.
- Whatever sends to a queue takes its lock, without which a message is now and then lost to a queue that is being read.
- As in ministack_local.py.
"""

import functools
import json
import os
import subprocess
import sys
import threading
import time
import types

# Each invocation takes a thread for as long as its function runs, and many functions run until they time out.
os.environ["MINISTACK_WORKER_THREADS"] = "1000"
# Idle functions and logs of all that they say would be most of its work.
os.environ["LAMBDA_WARM_TTL_SECONDS"] = "10"
os.environ["LOG_LEVEL"] = "WARNING"

from ministack_local import main  # sets more of the environment

from botocore.exceptions import BotoCoreError, ClientError
from ministack.core import lambda_runtime
from ministack.services import eventbridge, lambda_svc, sqs, stepfunctions

from clients import client
from skipped_time import SCALE, shorten

lambda_client = client("lambda", "LAMBDA_URL")
execute_function = lambda_svc._execute_function
deliver = lambda_svc._run_sqs_batch
invoke = lambda_runtime.ProvidedWorker.invoke
perform_task = stepfunctions._execute_task
wait = stepfunctions._execute_wait
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
    current.execution, current.context = execution, context
    return perform_task(state, task_input, execution, context)


def execute_wait(state, wait_input, context=None):
    current.execution, current.context = None, context
    return wait(state, wait_input, context)


def sleep_unless_stopped(seconds):
    time.sleep(shorten(seconds, current.context["Execution"]["Id"]))
    if current.execution and current.execution["status"] == "ABORTED":
        sys.exit()  # of its thread


def execute_and_wait_before_retries(function, event):
    """The thread of an asynchronous invocation executes the same event again for each retry."""
    if getattr(current, "event", None) is event:
        current.attempt += 1
        # After a minute, then two: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
        time.sleep(shorten(60 * 2 ** (current.attempt - 1), json.dumps(event)))
    else:
        current.event, current.attempt = event, 0
    return execute_function(function, event)


class Popen(subprocess.Popen):
    def __init__(self, command, **options):
        super().__init__(["sh", "-c", 'export AWS_SDK_UA_APP_ID=$$; exec "$@"', "sh", *command], **options)

    def poll(self):
        """The thread of an invocation asks this until the function has responded or its time is over."""
        status = super().poll()
        invocation = getattr(current, "invocation", None)
        if status is None and invocation and is_frozen(self.pid):
            event, timeout = invocation
            shorten(timeout, json.dumps(event))
            current.ahead = getattr(current, "ahead", 0) + timeout
            current.invocation = None
        return status


def is_frozen(process):
    try:
        with open(f"/proc/{process}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] == "T"
    except OSError:
        return False


def invoke_worker(worker, event, *others, **named):
    current.invocation = event, worker.config.get("Timeout", 30)
    try:
        return invoke(worker, event, *others, **named)
    finally:
        current.invocation = None


def run_sqs_batch(mapping, function, event, batch, queue_url, *others):
    # As in SQS, the VisibilityTimeout begins here, however long the function takes.
    received = time.time()
    deliver(mapping, function, event, batch, queue_url, *others)
    with sqs._queues_lock:
        attributes = sqs._get_q(queue_url)["attributes"]
        # The three hours of a rollback take no longer than the hour of a report.
        scale = SCALE * min(1, 55 / json.loads(attributes["RedrivePolicy"])["maxReceiveCount"])
        # Those that were delivered are no longer in the queue.
        for message in batch:
            message["visible_at"] = received + shorten(float(attributes["VisibilityTimeout"]), message["body"], scale)


def with_queues_locked(send):
    @functools.wraps(send)
    def locked(*arguments):
        with sqs._queues_lock:
            return send(*arguments)

    return locked


lambda_runtime.ProvidedWorker.invoke = invoke_worker
# Seconds between two looks whether a function has died or is frozen. A response is seen at once.
lambda_runtime._PROVIDED_POLL = 0.25
lambda_runtime.time = types.SimpleNamespace(
    **{**vars(time), "monotonic": lambda: time.monotonic() + getattr(current, "ahead", 0)}
)
lambda_runtime.subprocess = types.SimpleNamespace(**{**vars(subprocess), "Popen": Popen})
stepfunctions._call_lambda = call_lambda
stepfunctions._execute_task = execute_task
stepfunctions._execute_wait = execute_wait
stepfunctions._scaled_sleep = sleep_unless_stopped
eventbridge._dispatch_to_sqs = with_queues_locked(eventbridge._dispatch_to_sqs)
lambda_svc._route_async_failure = with_queues_locked(lambda_svc._route_async_failure)
lambda_svc._execute_function = execute_and_wait_before_retries
lambda_svc._LAMBDA_ASYNC_RETRY_BASE_SECONDS = 0
lambda_svc._run_sqs_batch = run_sqs_batch
lambda_svc._ESM_BACKOFF_SECONDS = 0
lambda_svc._ESM_SQS_DEFAULT_CONCURRENCY = 100

main()
