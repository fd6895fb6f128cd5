"""Prints the messages in the dead-letter queues of stacks, once no message is in the queues before them. tests/tests/fault_matrix.rs
runs it.

    dead_letters.py <stack>…
"""

import sys
import time

import boto3

# A message leaves the queue of pending reports after 55 receipts at the latest, each of which can time out.
PATIENCE = 15 * 60
QUEUES = {"PendingReportsQueueUrl": "ReportsDeadLetterQueueUrl", "RollbacksQueueUrl": "RollbacksDeadLetterQueueUrl"}
COUNTS = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]

cloudformation = boto3.client("cloudformation")
sqs = boto3.client("sqs")
end = time.monotonic() + PATIENCE


def is_empty(queue):
    attributes = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=COUNTS)["Attributes"]
    return all(attributes[count] == "0" for count in COUNTS)


for stack in sys.argv[1:]:
    [found] = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in found["Outputs"]}
    for queue, dead_letters in QUEUES.items():
        while not is_empty(outputs[queue]):
            if time.monotonic() > end:
                sys.exit(f"messages of {stack} are in the queue {queue}")
            time.sleep(0.5)
        receive = {"QueueUrl": outputs[dead_letters], "MaxNumberOfMessages": 10, "VisibilityTimeout": 43_200}
        while messages := sqs.receive_message(**receive).get("Messages"):
            for message in messages:
                print(message["Body"])
