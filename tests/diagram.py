"""Prints the state machine as a Mermaid state diagram: the states, and which state is the next of each, also after an error.
tests/tests/contract/docs.rs runs it.

    diagram.py <definition>
"""

import json
import sys


def draw(machine, indent):
    print(f"{indent}[*] --> {machine['StartAt']}")
    # In the order in which an execution enters them.
    met = [machine["StartAt"]]
    for name in met:
        state = machine["States"][name]
        for following, label in followers(state):
            print(f"{indent}{name} --> {following}{label}")
            if following not in met:
                met.append(following)
        if state.get("End") or state["Type"] in ("Succeed", "Fail"):
            print(f"{indent}{name} --> [*]")
        if "ItemProcessor" in state:
            print(f"{indent}state {name} {{")
            draw(state["ItemProcessor"], indent + "    ")
            print(f"{indent}}}")


def followers(state):
    """The states that may be next, each with its condition."""
    found = {}
    if "Next" in state:
        found[state["Next"], ""] = True
    for choice in state.get("Choices", []):
        # Such as {% $states.input.status = 'Completed' %} or {% $edge.invalidatedAgain %}
        condition = choice["Condition"]
        parts = condition.split("'")
        label = parts[1] if len(parts) > 1 else condition.strip("{% $}")
        found[choice["Next"], f": {label}"] = True
    if "Default" in state:
        found[state["Default"], ": otherwise"] = True
    for rule in state.get("Catch", []):
        found[rule["Next"], ": error"] = True
    return found


with open(sys.argv[1]) as definition:
    print("stateDiagram-v2")
    draw(json.load(definition), "    ")
