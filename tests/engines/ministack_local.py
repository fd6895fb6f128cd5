"""ministack, changed in these ways only:

- It keeps alarms on metric math (the property Metrics of AWS::CloudWatch::Alarm), which it refuses to deploy, and does not compute
  them.
- It gives up an expression after a minute, not after a second, which passes on a machine that is busy.
- It applies the transforms of a nested stack's template, as of any other.
- Functions that are built for another processor run in an emulator, if EMULATOR names one.
- It computes the hash of a function's zip once, not at each start of the function; and an idle function waits, where it looked
  twenty times a second whether there is something to do, which was a third of all work.
- EventBridge accepts events of AWS's services from outside: of CodeDeploy's deployments, and of executions on another engine.
"""

import functools
import json
import os
import queue
import socket
import socketserver
import subprocess
import sys
import types

os.environ["LAMBDA_EXECUTOR"] = "local"
# It would listen on all interfaces.
os.environ["IOT_MTLS_ENABLED"] = "0"
if __name__ == "__main__":
    # Functions may do what their roles allow, and nothing else.
    os.environ["AUTH"] = "true"
    os.environ["CLOUDTRAIL_RECORDING"] = "1"
    # By default it keeps 10,000 calls, and forgets the oldest without a word.
    os.environ["CLOUDTRAIL_MAX_EVENTS"] = "1000000"

import jsonata
from ministack.app import main
from ministack.core import lambda_runtime
from ministack.services import eventbridge, lambda_svc
from ministack.services.cloudformation import engine, helpers, provisioners

EXPRESSION_TIMEOUT = 60_000  # milliseconds

expression_of = jsonata.Jsonata.jsonata
nested_template = helpers._resolve_template
alarm_record = provisioners._cw_metric_alarm_record


def alarm_record_with_metrics(name, properties):
    metrics = properties.get("Metrics")
    if not metrics:
        return alarm_record(name, properties)
    # What it cannot do without: a metric of its own.
    first = next(metric["MetricStat"]["Metric"] for metric in metrics if "MetricStat" in metric)
    record = alarm_record(name, {**properties, **first, "Metrics": None})
    return {**record, "Metrics": metrics}


def transformed_nested_template(parameters):
    body, error = nested_template(parameters)
    if body:
        body = json.dumps(engine._apply_transforms(engine._parse_template(body)), default=str)
    return body, error


class EmulatedPopen(subprocess.Popen):
    def __init__(self, command, **options):
        super().__init__([os.environ["EMULATOR"], *command], **options)


class EventQueue(queue.Queue):
    """The queue of each process of a function has room for one event. ministack looks into it ten times a second, for five seconds
    here: for so long a thread stays when its process has ended."""

    def get(self, block=True, timeout=None):
        return super().get(block, 5 if self.maxsize == 1 else timeout)


class ThreadingTCPServer(socketserver.ThreadingTCPServer):
    """What each process of a function asks for its next event. ministack looks ten times a second whether it is to stop."""

    def serve_forever(self, poll_interval=None):
        super().serve_forever(None)

    def shutdown(self):
        self.socket.shutdown(socket.SHUT_RDWR)  # ends the wait for connections
        super().shutdown()


if emulator := os.environ.get("EMULATOR"):
    if not os.path.exists(emulator):
        sys.exit("The package is for another processor, and there is no emulator: run make .tools/qemu/.installed")
    lambda_runtime.subprocess = types.SimpleNamespace(**{**vars(subprocess), "Popen": EmulatedPopen})
lambda_runtime.queue = types.SimpleNamespace(**{**vars(queue), "Queue": EventQueue})
socketserver.ThreadingTCPServer = ThreadingTCPServer
jsonata.Jsonata.jsonata = lambda text, timeout: expression_of(text, timeout=EXPRESSION_TIMEOUT)
eventbridge._put_events = functools.partial(eventbridge._put_events, allow_aws_source=True)
lambda_svc._provided_runtime_code_dir = functools.cache(lambda_svc._provided_runtime_code_dir)
helpers._resolve_template = transformed_nested_template
provisioners._cw_metric_alarm_record = alarm_record_with_metrics

if __name__ == "__main__":
    main()
