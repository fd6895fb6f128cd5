"""Clients for services on this machine, which try each call once: its failures are for the engine to see."""

import os

import boto3
from botocore.config import Config


def client(service, url_variable):
    return boto3.client(
        service,
        endpoint_url=os.environ[url_variable],
        region_name=os.environ["AWS_DEFAULT_REGION"],
        aws_access_key_id=os.environ["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key="local",
        config=Config(
            retries={"total_max_attempts": 1},
            # Longer than any task's TimeoutSeconds, so that the engine's own clock ends a wait.
            read_timeout=120,
            max_pool_connections=500,
        ),
    )
