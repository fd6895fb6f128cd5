"""Calls the stand-in as any AWS user would. wire_format.rs runs it with the stand-in's URL and a distribution
without cache tags."""

import datetime
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

url, untagged = sys.argv[1:]
# validate_parameters stays on: botocore checks each request against the API model.
config = Config(retries={"total_max_attempts": 1})
session = boto3.Session("stand-in", "stand-in", region_name="us-east-1")
cloudfront = session.client("cloudfront", endpoint_url=url, config=config)
ecs = session.client("ecs", endpoint_url=url, config=config)
codedeploy = session.client("codedeploy", endpoint_url=url, config=config)


def batch(reference, paths):
    return {"CallerReference": reference, "Paths": {"Quantity": len(paths), "Items": paths}}


def equal(found, expected):
    assert found == expected, f"expected {expected!r}, found {found!r}"


def error_of(call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        return error
    raise AssertionError(f"{arguments} was accepted")


# CloudFront, without errors.
distribution = "E2QWRUHAPOMQZL"
sent = batch("reference & <1>", ["/a&b", "/images/*"])
created = cloudfront.create_invalidation(DistributionId=distribution, InvalidationBatch=sent)
equal(created["ResponseMetadata"]["HTTPStatusCode"], 201)
assert created["Location"].endswith(f"/distribution/{distribution}/invalidation/{created['Invalidation']['Id']}")
equal(created["Invalidation"]["InvalidationBatch"], sent)
assert isinstance(created["Invalidation"]["CreateTime"], datetime.datetime)
identifier = created["Invalidation"]["Id"]

again = cloudfront.create_invalidation(DistributionId=distribution, InvalidationBatch=sent)
equal(again["Invalidation"]["Id"], identifier)
second = cloudfront.create_invalidation(DistributionId=distribution, InvalidationBatch=batch("2", ["/*"]))

found = cloudfront.get_invalidation(DistributionId=distribution, Id=identifier)["Invalidation"]
equal(found["InvalidationBatch"], sent)
equal(found["Status"], "Completed")

listed = cloudfront.list_invalidations(DistributionId=distribution)["InvalidationList"]
equal([item["Id"] for item in listed["Items"]], [second["Invalidation"]["Id"], identifier])
equal((listed["Quantity"], listed["IsTruncated"]), (2, False))
equal(cloudfront.list_invalidations(DistributionId="ENOTHINGYET0001")["InvalidationList"].get("Items", []), [])

tags = batch("tags", ["/index.html", "#product-42"])
tagged = cloudfront.create_invalidation(DistributionId=distribution, InvalidationBatch=tags)
equal(tagged["Invalidation"]["InvalidationBatch"], tags)
config = cloudfront.get_distribution_config(Id=distribution)["DistributionConfig"]
equal(config["CacheTagConfig"], {"HeaderName": "cache-tag"})
assert "CacheTagConfig" not in cloudfront.get_distribution_config(Id=untagged)["DistributionConfig"]

# A distribution tenant has invalidations of its own.
tenant = "dt_2wjDZi3hD1ivOXf6rpZJO1AB"
of_tenant = cloudfront.create_invalidation_for_distribution_tenant(Id=tenant, InvalidationBatch=tags)
assert of_tenant["Location"].endswith(f"/distribution-tenant/{tenant}/invalidation/{of_tenant['Invalidation']['Id']}")
equal(of_tenant["Invalidation"]["InvalidationBatch"], tags)
identifier_of_tenant = of_tenant["Invalidation"]["Id"]
found = cloudfront.get_invalidation_for_distribution_tenant(DistributionTenantId=tenant, Id=identifier_of_tenant)
equal(found["Invalidation"]["Status"], "Completed")
listed = cloudfront.list_invalidations_for_distribution_tenant(Id=tenant)["InvalidationList"]
equal([item["Id"] for item in listed["Items"]], [identifier_of_tenant])
owner = cloudfront.get_distribution_tenant(Identifier=tenant)["DistributionTenant"]["DistributionId"]
assert "CacheTagConfig" in cloudfront.get_distribution_config(Id=owner)["DistributionConfig"]

# CloudFront, rejecting.
rejections = [
    ("NoSuchInvalidation", cloudfront.get_invalidation, {"DistributionId": distribution, "Id": "I404"}),
    ("NoSuchDistribution", cloudfront.get_invalidation, {"DistributionId": "nonsense", "Id": "I404"}),
    ("NoSuchDistribution", cloudfront.get_distribution_config, {"Id": "nonsense"}),
    ("EntityNotFound", cloudfront.get_distribution_tenant, {"Identifier": "nonsense"}),
    ("EntityNotFound", cloudfront.list_invalidations_for_distribution_tenant, {"Id": "nonsense"}),
    ("EntityNotFound", cloudfront.create_invalidation_for_distribution_tenant,
     {"Id": "nonsense", "InvalidationBatch": batch("3", ["/*"])}),
    ("NoSuchInvalidation", cloudfront.get_invalidation_for_distribution_tenant,
     {"DistributionTenantId": tenant, "Id": "I404"}),
    ("InvalidArgument", cloudfront.create_invalidation,
     {"DistributionId": distribution, "InvalidationBatch": batch("3", ["no-slash"])}),
    ("InvalidArgument", cloudfront.create_invalidation,
     {"DistributionId": distribution, "InvalidationBatch": batch("3", ["/runtime~main.js"])}),
    ("InvalidArgument", cloudfront.create_invalidation,
     {"DistributionId": distribution, "InvalidationBatch": batch("3", ["#"])}),
    ("InconsistentQuantities", cloudfront.create_invalidation,
     {"DistributionId": distribution,
      "InvalidationBatch": {"CallerReference": "4", "Paths": {"Quantity": 2, "Items": ["/*"]}}}),
]
for code, call, arguments in rejections:
    error = error_of(call, **arguments)
    equal(error.response["Error"]["Code"], code)
    equal(type(error), getattr(cloudfront.exceptions, code))
# Documented, but in no model.
error = error_of(cloudfront.create_invalidation, DistributionId=distribution, InvalidationBatch=batch("2", ["/other"]))
equal(error.response["Error"]["Code"], "InvalidationBatchAlreadyExists")

# CodeDeploy.
hook = {"deploymentId": "d-A1B2C3D4E", "lifecycleEventHookExecutionId": "eyJlbmNyeXB0ZWQ="}
put = codedeploy.put_lifecycle_event_hook_execution_status
equal(put(**hook, status="Succeeded")["lifecycleEventHookExecutionId"], hook["lifecycleEventHookExecutionId"])
equal(codedeploy.get_deployment(deploymentId="d-A1B2C3D4E")["deploymentInfo"]["deploymentId"], "d-A1B2C3D4E")
model = codedeploy.meta.service_model.operation_model("PutLifecycleEventHookExecutionStatus")
errors = {shape.name for shape in model.error_shapes}
for code, arguments in [
    ("LifecycleEventAlreadyCompletedException", {**hook, "status": "Failed"}),
    ("InvalidLifecycleEventHookExecutionStatusException", {**hook, "status": "Skipped"}),
    ("InvalidLifecycleEventHookExecutionIdException", {"deploymentId": "d-1", "status": "Failed"}),
    ("InvalidDeploymentIdException", {**hook, "deploymentId": "nonsense", "status": "Failed"}),
    ("DeploymentIdRequiredException", {"status": "Failed"}),
]:
    error = error_of(put, **arguments)
    equal(error.response["Error"]["Code"], code)
    equal(type(error), getattr(codedeploy.exceptions, code))
    assert code in errors, f"{code} is not in the model of PutLifecycleEventHookExecutionStatus"

# Amazon ECS.
arn = "arn:aws:ecs:us-east-1:111122223333:service-deployment/shop/web/NCWGC2ZR-taawPAYrIaU5"
[deployment] = ecs.describe_service_deployments(serviceDeploymentArns=[arn])["serviceDeployments"]
equal((deployment["serviceDeploymentArn"], deployment["status"]), (arn, "ROLLBACK_SUCCESSFUL"))
statuses = ecs.meta.service_model.shape_for("ServiceDeploymentStatus").enum
assert deployment["status"] in statuses, statuses

print("all checked")
