"""What people write today: creates an invalidation, and reports Succeeded at once."""

import os
import time

import boto3

cloudfront = boto3.client("cloudfront")
codedeploy = boto3.client("codedeploy")


def handler(event, context):
    status = "Succeeded"
    try:
        cloudfront.create_invalidation(
            DistributionId=os.environ["DISTRIBUTION_IDS"],
            InvalidationBatch={
                "Paths": {"Quantity": 1, "Items": ["/*"]},
                "CallerReference": str(time.time()),
            },
        )
    except Exception as error:
        print(error)
        status = "Failed"
    codedeploy.put_lifecycle_event_hook_execution_status(
        deploymentId=event["DeploymentId"],
        lifecycleEventHookExecutionId=event["LifecycleEventHookExecutionId"],
        status=status,
    )
    return {"status": status}
