"""`make local`: says how to use the stack of the local AWS, which runs until Ctrl-C. tests/src/bin/local runs it."""

import os
import platform
import sys
from pathlib import Path

from containers import ENDPOINTS, endpoints

HERE = Path(__file__).resolve().parent
TOOLS = HERE.parents[1] / ".tools"
CREDENTIALS = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION", "AWS_REGION"]
DISTRIBUTION = "E2QWRUHAPOMQZL"

names = sorted([*CREDENTIALS, *ENDPOINTS])
machine = os.environ["StateMachineArn"]
text = (HERE / "serve.txt").read_text().format(
    exports="".join(f"  export {name}={os.environ[name]}\n" for name in names),
    cli=TOOLS / "awscli/bin/aws",
    sam=TOOLS / "sam/bin/sam",
    machine=machine,
    execution=machine.replace(":stateMachine:", ":execution:") + ":manual",
    hook=os.environ["HookFunctionName"],
    distribution=DISTRIBUTION,
)
print(text)
try:
    build_args = "".join(f"\n      --build-arg {name}={url} \\" for name, url in endpoints().items())
    text = (HERE / "serve-docker.txt").read_text().format(
        build_args=build_args,
        architecture="arm64" if platform.machine() == "aarch64" else "x86_64",
        distribution=DISTRIBUTION,
    )
    print(text, flush=True)
except (OSError, ValueError) as reason:
    print(f"No step can be run in Docker: {reason}\n", flush=True)
try:
    # It ends with whoever has started it.
    sys.stdin.read()
except KeyboardInterrupt:
    pass
