"""The SAM CLI, loaded once: that takes most of the time of a `sam deploy`. Each command runs in a process of its own.

Its argument is the path of the socket. A client sends a line of JSON: the `environment` to run in, and what to `package` or to `deploy`
with which arguments. It gets what the command prints, and then a line of JSON: the outputs of the stack, or null if it failed.
"""

import gc
import json
import os
import socketserver
import sys

os.environ["SAM_CLI_TELEMETRY"] = "0"
# Between two checks whether the stack is there, in seconds; sam's own 5 are meant for AWS.
os.environ["SAM_CLI_POLL_DELAY"] = "0.5"
# A deployment needs no compiler.
os.environ["PATH"] = "/usr/bin:/bin"

import boto3
import yaml

# `sam package` parses the template eight times, which took most of its time. This is the same loader, in C.
yaml.SafeLoader = yaml.CSafeLoader

# No command lives long enough to run out of memory.
gc.disable()

from samcli.cli.main import cli

# What a command would load.
import samcli.commands.deploy.command
import samcli.commands.deploy.deploy_context
import samcli.commands.package.command
import samcli.commands.package.package_context

# The first client of each service, too: it reads the service's model, which takes most of the time.
for service in ("cloudformation", "s3", "sts"):
    boto3.client(service, region_name="eu-central-1", aws_access_key_id="none", aws_secret_access_key="none")


def sam(*arguments):
    try:
        cli(arguments, prog_name="sam")
    except SystemExit as end:
        return end.code == 0


def package(template, packaged):
    return {} if sam("package", "--use-json", "--resolve-s3", "--template-file", template, "--output-template-file", packaged) else None


def deploy(stack, template, parameters, more):
    # A value can have quotes and spaces there.
    file = f"{os.environ['TMPDIR']}/{stack}.parameters.yaml"
    with open(file, "w") as overrides:
        json.dump(parameters, overrides)
    # SAM parses a template several times, YAML slowly.
    options = ["--use-json", "--no-confirm-changeset", "--config-file", os.path.abspath("samconfig.toml"), *more]
    given = ["--stack-name", stack, "--template-file", template, "--parameter-overrides", f"file://{file}"]
    if not sam("deploy", *given, *options):
        return None
    [described] = boto3.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in described["Outputs"]}


class Command(socketserver.StreamRequestHandler):
    def handle(self):
        line = self.rfile.readline()
        if not line:
            return  # A client that only wants to know whether this responds.
        command = json.loads(line)
        os.environ.update(command.pop("environment"))
        for stream in (sys.stdout, sys.stderr):
            os.dup2(self.connection.fileno(), stream.fileno())
        [(name, arguments)] = command.items()
        outputs = {"package": package, "deploy": deploy}[name](**arguments)
        print("\n" + json.dumps(outputs), end="", flush=True)


class Server(socketserver.ForkingMixIn, socketserver.UnixStreamServer):
    request_queue_size = 100


Server(sys.argv[1], Command).serve_forever()
