"""A CDK stack whose Lambda function goes from version to version by CodeDeploy; the purge follows when all traffic has moved.

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
            # The function of the purge's stack, which SAM has deployed to the same account and region.
            post_hook=lambda_.Function.from_function_name(self, "Purge", "CodeDeployHook_purge"),
        )


app = cdk.App()
Pages(app, "Pages")
app.synth()
