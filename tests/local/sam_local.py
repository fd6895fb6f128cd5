"""`make sam-local`: invokes each function with each of its events in sam/events/ by `sam local invoke`, in Docker, against the local
AWS, and compares each response with the one in sam/responses/. tests/src/bin/local runs it.

    sam_local.py <the image that the functions' image is built on>
"""

import json
import os
import platform
import signal
import subprocess
import sys
import threading
from pathlib import Path

from containers import endpoints

ROOT = Path(__file__).resolve().parents[2]
SAM = ROOT / "sam"
TEMPLATE = ROOT / os.environ["PACKAGE"] / "template.yaml"
# The image that functions run in, which calls this local AWS. Nobody else's has its name.
IMAGE = f"sam-local-{os.getpid()}"
# What sam has built on it, and what a container that sam could not end may still run in.
RAPID = f"{IMAGE}:rapid-{'arm64' if platform.machine() == 'aarch64' else 'x86_64'}"
# Its invalidation is the one that the events of check-invalidation are about.
FIRST = "create-invalidation"
# Stands in an expected response for anything: an id, a time.
ANYTHING = "…"


def stop_when_asked():
    """Whoever has started this closes its standard input to end it."""
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGINT)


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, **options)


def build(base):
    arguments = [f"--build-arg={name}={value}" for name, value in {"BASE": base, **endpoints()}.items()]
    with open(SAM / "local.Dockerfile") as dockerfile:
        built = run("docker", "build", "--quiet", "--tag", IMAGE, *arguments, "-", stdin=dockerfile)
    if built.returncode != 0:
        sys.exit(built.stderr)


def remove():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    containers = run("docker", "ps", "--all", "--quiet", "--filter", f"ancestor={RAPID}").stdout.split()
    for container in containers:
        run("docker", "rm", "--force", container)
    run("docker", "image", "rm", "--force", RAPID, IMAGE)


def invoke(function, event):
    """What the function returned, or why that is wrong."""
    options = f"--event events/{event}.json --env-vars local-env.json --invoke-image {IMAGE} --skip-pull-image"
    # Nothing listens at the URL.
    parameters = ["DistributionIds=E2QWRUHAPOMQZL", "VerifyUrls=https://127.0.0.1:1/index.html"]
    template = ["--template", str(TEMPLATE), "--parameter-overrides", *parameters]
    program = ROOT / ".tools/sam/bin/sam"
    done = run(program, "local", "invoke", function, *options.split(), *template, cwd=SAM)
    try:
        found = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        return None, f"{done.stdout}\n{done.stderr}"
    expected = json.loads((SAM / f"responses/{event}.json").read_text())
    is_right = done.returncode == 0 and is_like(found, expected)
    return found, None if is_right else f"it returned {found}\n  instead of {expected}"


def is_like(found, expected):
    if expected == ANYTHING:
        return True
    if isinstance(found, dict) and isinstance(expected, dict):
        return found.keys() == expected.keys() and all(is_like(found[name], expected[name]) for name in found)
    if isinstance(found, list) and isinstance(expected, list):
        return len(found) == len(expected) and all(map(is_like, found, expected))
    return found == expected


events, responses = ({file.stem for file in (SAM / folder).iterdir()} for folder in ["events", "responses"])
assert events == responses, f"without an event or a response: {events ^ responses}"
failed = 0
threading.Thread(target=stop_when_asked, daemon=True).start()
try:
    build(sys.argv[1])
    for event in sorted(events, key=lambda event: (event != FIRST, event)):
        function = event.split(".")[0].title().replace("-", "") + "Function"
        found, problem = invoke(function, event)
        print(f"FAILED  {function} {event}: {problem}" if problem else f"ok      {function} {event}: {json.dumps(found)}", flush=True)
        failed += bool(problem)
except KeyboardInterrupt:
    sys.exit(130)
finally:
    remove()
print(f"sam-local: {len(events) - failed} passed, {failed} failed")
sys.exit(failed > 0)
