"""moto's Step Functions (LocalStack's interpreter) as a server: with the JSONata evaluator that moto lacks
(getmoto/moto#10105), functions invoked over HTTP, status changes sent to an EventBridge elsewhere, and Wait states and
the delays before retries cut short and recorded (skipped_time.py).

The event of an execution's end has no `error` and no `cause`: AWS's samples have none, ministack's events have both, and so
the product meets either. Likewise, an ItemSelector does not know when its Map was entered (`State.EnteredTime`), and ministack's does.

Five differences to AWS are fixed: two requests with the same name at once start one execution, not two; an execution that has succeeded
always has its output; that Lambda does not respond is `Lambda.SdkClientException` (Step Functions Developer Guide, "Handling transient
Lambda service exceptions"), not `States.Runtime`; an execution that was stopped is ABORTED (API reference, "StopExecution") whatever its
task says afterwards, not FAILED; and a task of a Map that fails with an error of the States Language's own, as `States.Timeout`, fails
the Map with it, not with `States.Runtime`.
"""

import functools
import json
import re
import sys
import threading
import time
import types

import jsonata
from botocore.exceptions import BotoCoreError, ClientError
from jsonata.utils import Utils
from moto import backends
from moto.core.config import default_user_config
from moto.server import main
from moto.stepfunctions.parser.asl.component.common.error_name.custom_error_name import CustomErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration import iteration_worker
from moto.stepfunctions.parser.asl.component.state.exec.state_map.state_map import StateMap
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import WaitFunction
from moto.stepfunctions.parser.asl.eval.environment import Environment
from moto.stepfunctions.parser.asl.eval.program_state import ProgramStopped
from moto.stepfunctions.parser.asl.jsonata import jsonata as evaluator
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
from moto.stepfunctions.parser.asl.utils.encoding import to_json_str
from moto.stepfunctions.parser.backend.execution import BaseExecutionWorkerCommunication, Execution
from moto.stepfunctions.parser.models import StepFunctionsParserBackend

from clients import client
from skipped_time import shorten

# The event leaves out an input of more than 248 KiB.
EVENT_INPUT_LIMIT = 248 * 1024

# Most of its work would be to parse a definition for each execution and an expression for each evaluation, to make a parser of
# expressions for each thread, and to list its own modules for each request.
AmazonStateLanguageParser.parse = functools.cache(AmazonStateLanguageParser.parse)
backends.list_of_moto_modules = functools.cache(lambda list_all=backends.list_of_moto_modules: set(list_all()))
evaluating = threading.Lock()
parser = jsonata.Jsonata.get_parser()
jsonata.Jsonata.get_parser = lambda: parser
parse = functools.cache(jsonata.Jsonata)
# A variable in the text of an expression.
VARIABLE = re.compile("\x02[$](.*?)=(.*?)\x03", re.DOTALL)

evaluate_retrier = retrier_decl.RetrierDecl._eval_body
retrying = threading.local()

lambda_client = client("lambda", "LAMBDA_URL")
events = client("events", "EVENTS_URL")


class Lambda:
    def invoke(self, **request):
        try:
            return lambda_client.invoke(**request)
        except BotoCoreError as error:
            response = {
                "Error": {"Code": "SdkClientException", "Message": str(error)},
                "ResponseMetadata": {"HTTPStatusCode": 0, "RequestId": ""},
            }
            raise ClientError(response, "Invoke") from error


def evaluate(expression):
    try:
        variables = {name: with_nulls(json.loads(value)) for name, value in VARIABLE.findall(expression)}
        # Evaluated under the lock as well: $parse parses, too.
        with evaluating:
            return parse(VARIABLE.sub("", expression)).evaluate(None, variables)
    except Exception as error:
        raise evaluator.JSONataException("UNKNOWN", str(error)) from error


def with_nulls(value):
    """The evaluator takes Python's None for JSONata's undefined."""
    if isinstance(value, dict):
        return {name: with_nulls(field) for name, field in value.items()}
    if isinstance(value, list):
        return [with_nulls(item) for item in value]
    return Utils.NULL_VALUE if value is None else value


def declare(bindings):
    return "".join(f"\x02{name}={to_json_str(value)}\x03" for name, value in bindings.items())


def wait(state, env, wait_seconds):
    env.program_state_event.wait(shorten(wait_seconds, execution_of(env)))


def execution_of(env):
    return env.states.context_object.context_object_data["Execution"]["Id"]


def sleep_before_retry(retrier, env):
    retrying.env = env
    evaluate_retrier(retrier, env)


def named(error_name):
    is_own = error_name.startswith("States.")
    return StatesErrorName.from_name(error_name) if is_own else CustomErrorName(error_name)


set_error = Environment.set_error


def set_error_unless_stopped(self, error):
    if not isinstance(self._program_state, ProgramStopped):
        set_error(self, error)


evaluate_map = StateMap._eval_state


def evaluate_map_without_entered_time(state, env):
    del env.states.context_object.context_object_data["State"]["EnteredTime"]
    evaluate_map(state, env)


start = StepFunctionsParserBackend.start_execution
starting = threading.Lock()


def start_one_at_a_time(*arguments):
    with starting:
        return start(*arguments)


reflect_status = BaseExecutionWorkerCommunication.terminated
describe = Execution.to_describe_output
ending = threading.Lock()


def describe_whole(self):
    with ending:
        return describe(self)


def terminated(self):
    with ending:
        reflect_status(self)
    execution = self.execution
    status = str(getattr(execution.exec_status, "value", execution.exec_status))
    text = execution.execution_input
    included = len(text) <= EVENT_INPUT_LIMIT
    detail = {
        "executionArn": execution.exec_arn,
        "stateMachineArn": execution.state_machine.arn,
        "name": execution.name,
        "status": status,
        "input": text if included else None,
        "inputDetails": {"included": included},
    }
    entry = {
        "Source": "aws.states",
        "DetailType": "Step Functions Execution Status Change",
        "Detail": json.dumps(detail),
        "Resources": [execution.exec_arn],
    }
    events.put_events(Entries=[entry])


evaluator._eval_jsonata = evaluate
for module in list(sys.modules.values()):
    # It is imported by name in many places.
    if getattr(module, "encode_jsonata_variable_declarations", None):
        module.encode_jsonata_variable_declarations = declare
iteration_worker.CustomErrorName = named
lambda_eval_utils.boto_client_for = lambda **_: Lambda()
retrier_decl.RetrierDecl._eval_body = sleep_before_retry
retrier_decl.time = types.SimpleNamespace(sleep=lambda seconds: time.sleep(shorten(seconds, execution_of(retrying.env))))
StateMap._eval_state = evaluate_map_without_entered_time
StepFunctionsParserBackend.start_execution = start_one_at_a_time
WaitFunction._wait_interval = wait
BaseExecutionWorkerCommunication.terminated = terminated
Execution.to_describe_output = describe_whole
Environment.set_error = set_error_unless_stopped
default_user_config["stepfunctions"]["execute_state_machine"] = True

main()
