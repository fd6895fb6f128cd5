"""ministack, changed in four ways only: each function knows its process id and tells it to AWS, so that the stand-in can
kill it; Step Functions invokes functions over HTTP; EventBridge takes events of the source aws.states from outside, where
another engine's executions end; and queues neither pause for a second after a message that failed nor hand out only five at
a time (Lambda starts with five, and soon has hundreds).

Its own SFN_WAIT_SCALE shortens Wait states and the delays before retries.
"""

import functools
import json
import subprocess
import types

from botocore.exceptions import BotoCoreError, ClientError
from ministack.app import main
from ministack.core import lambda_runtime
from ministack.services import eventbridge, lambda_svc, stepfunctions

from clients import client

lambda_client = client("lambda", "LAMBDA_URL")


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


class Popen(subprocess.Popen):
    def __init__(self, command, **options):
        super().__init__(["sh", "-c", 'export AWS_SDK_UA_APP_ID=$$; exec "$@"', "sh", *command], **options)


lambda_runtime.subprocess = types.SimpleNamespace(**{**vars(subprocess), "Popen": Popen})
stepfunctions._call_lambda = call_lambda
eventbridge._put_events = functools.partial(eventbridge._put_events, allow_aws_source=True)
lambda_svc._ESM_BACKOFF_SECONDS = 0
lambda_svc._ESM_SQS_DEFAULT_CONCURRENCY = 100

main()
