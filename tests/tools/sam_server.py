"""The SAM CLI, loaded once: that takes most of the time of a `sam deploy`. Each command runs in a process of its own.

Its argument is the path of the socket. A client sends a line of JSON with the `arguments` of a command and the `environment` to run it
in; it gets what the command prints, and then, in a line of its own, its exit code.
"""

import json
import os
import socketserver
import sys

from samcli.cli.main import cli

# What a command would load.
import samcli.commands.deploy.command
import samcli.commands.deploy.deploy_context
import samcli.commands.package.command
import samcli.commands.package.package_context


class Command(socketserver.StreamRequestHandler):
    def handle(self):
        command = json.loads(self.rfile.readline())
        os.environ.update(command["environment"])
        for stream in (sys.stdout, sys.stderr):
            os.dup2(self.connection.fileno(), stream.fileno())
        try:
            cli(command["arguments"], prog_name="sam")
        except SystemExit as end:
            sys.stdout.write(f"\n{end.code}")
            sys.stdout.flush()


class Server(socketserver.ForkingMixIn, socketserver.UnixStreamServer):
    request_queue_size = 100


Server(sys.argv[1], Command).serve_forever()
