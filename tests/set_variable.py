"""Sets an environment variable of a function, as somebody can in the console. tests/src/environment.rs runs it.

    set_variable.py <function> <name> <value>
"""

import sys

import boto3

function, name, value = sys.argv[1:]
lambdas = boto3.client("lambda")
variables = lambdas.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
lambdas.update_function_configuration(FunctionName=function, Environment={"Variables": variables | {name: value}})
