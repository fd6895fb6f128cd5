"""The local AWS as containers reach it: at the address that this machine has on Docker's bridge. (`sam local invoke` puts its
containers there, also with `--docker-network host`.)"""

import contextlib
import ipaddress
import os
import socket
import socketserver
import subprocess
import threading

ENDPOINTS = ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_CLOUDFRONT", "AWS_ENDPOINT_URL_CODEDEPLOY", "AWS_ENDPOINT_URL_ECS"]


class Proxy(socketserver.BaseRequestHandler):
    def handle(self):
        with socket.create_connection(self.server.to) as server:
            responses = threading.Thread(target=copy, args=(server, self.request), daemon=True)
            responses.start()
            copy(self.request, server)
            responses.join()


def copy(source, sink):
    # Either side may have closed its connection.
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


def bridge():
    """The first address of the bridge's subnet, which Docker gives to this machine."""
    inspect = ["docker", "network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Subnet}}"]
    done = subprocess.run(inspect, capture_output=True, text=True)
    if done.returncode != 0:
        raise OSError(done.stderr.strip())
    return str(ipaddress.ip_network(done.stdout.strip(), strict=False)[1])


def endpoints():
    """`AWS_ENDPOINT_URL` and its likes, for containers and for as long as this process runs."""
    address, found = bridge(), {}
    for name in ENDPOINTS:
        try:
            server = socketserver.ThreadingTCPServer((address, 0), Proxy)
        except OSError as error:
            raise OSError(f"{address}, where Docker's bridge should be, is no address of this machine") from error
        host, port = os.environ[name].removeprefix("http://").split(":")
        server.to, server.daemon_threads = (host, int(port)), True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        found[name] = f"http://{address}:{server.server_address[1]}"
    return found
