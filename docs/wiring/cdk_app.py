"""A CDK stack whose Lambda function is deployed by CodeDeploy; the invalidation follows when all traffic has shifted.

    cdk synth --app "python3 cdk_app.py"
"""

import aws_cdk as cdk
from aws_cdk import aws_codedeploy as codedeploy
from aws_cdk import aws_lambda as lambda_


class Pages(cdk.Stack):
    def __init__(self, scope, name):
        super().__init__(scope, name)
        function = lambda_.Function(
            self,
            "RenderPages",
            runtime=lambda_.Runtime.NODEJS_22_X,
            handler="index.handler",
            code=lambda_.Code.from_inline('exports.handler = async () => ({ statusCode: 200, body: "new" });'),
        )
        codedeploy.LambdaDeploymentGroup(
            self,
            "Deployments",
            alias=function.add_alias("live"),
            deployment_config=codedeploy.LambdaDeploymentConfig.ALL_AT_ONCE,
            # The hook function of a stack that SAM has deployed to the same account and region.
            post_hook=lambda_.Function.from_function_name(self, "Invalidate", "CodeDeployHook_invalidate"),
        )


app = cdk.App()
Pages(app, "Pages")
app.synth()
