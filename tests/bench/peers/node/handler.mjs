// The same in Node.js: creates an invalidation, and reports Succeeded at once.

import { CloudFrontClient, CreateInvalidationCommand } from "@aws-sdk/client-cloudfront";
import { CodeDeployClient, PutLifecycleEventHookExecutionStatusCommand } from "@aws-sdk/client-codedeploy";

const cloudfront = new CloudFrontClient();
const codedeploy = new CodeDeployClient();

export async function handler(event) {
  let status = "Succeeded";
  try {
    await cloudfront.send(
      new CreateInvalidationCommand({
        DistributionId: process.env.DISTRIBUTION_IDS,
        InvalidationBatch: {
          Paths: { Quantity: 1, Items: ["/*"] },
          CallerReference: String(Date.now()),
        },
      }),
    );
  } catch (error) {
    console.error(error);
    status = "Failed";
  }
  await codedeploy.send(
    new PutLifecycleEventHookExecutionStatusCommand({
      deploymentId: event.DeploymentId,
      lifecycleEventHookExecutionId: event.LifecycleEventHookExecutionId,
      status,
    }),
  );
  return { status };
}
