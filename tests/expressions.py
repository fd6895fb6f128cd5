"""Parses every JSONata expression of a definition. tests/tests/contract/state_machine.rs runs it.

    expressions.py <definition>
"""

import json
import sys

import jsonata

values = [json.load(open(sys.argv[1]))]
for value in values:
    if isinstance(value, dict):
        values.extend(value.values())
    elif isinstance(value, list):
        values.extend(value)
    elif str(value).startswith("{%"):
        jsonata.Jsonata(value.removeprefix("{%").removesuffix("%}"))
