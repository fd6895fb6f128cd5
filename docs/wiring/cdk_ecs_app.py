"""A CDK stack whose ECS service Amazon ECS deploys blue/green; the invalidation follows when all production traffic has shifted.

    cdk synth --app "python3 cdk_ecs_app.py"
"""

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_elasticloadbalancingv2 as elbv2
from aws_cdk import aws_lambda as lambda_


class Pages(cdk.Stack):
    def __init__(self, scope, name):
        super().__init__(scope, name)
        vpc = ec2.Vpc(self, "Vpc", max_azs=2)
        task = ecs.FargateTaskDefinition(self, "Task")
        image = ecs.ContainerImage.from_registry("public.ecr.aws/nginx/nginx")
        task.add_container("web", image=image, port_mappings=[ecs.PortMapping(container_port=80)])
        service = ecs.FargateService(
            self,
            "Web",
            cluster=ecs.Cluster(self, "Cluster", vpc=vpc),
            task_definition=task,
            deployment_strategy=ecs.DeploymentStrategy.BLUE_GREEN,
        )
        function_arn = cdk.CfnParameter(self, "EcsHookFunctionArn", description="The output EcsHookFunctionArn of the stack invalidate.")
        # The function of a stack that SAM has deployed to the same account and region; CDK makes the role that invokes it.
        hook = lambda_.Function.from_function_arn(self, "Invalidate", function_arn.value_as_string)
        stages = [ecs.DeploymentLifecycleStage.POST_PRODUCTION_TRAFFIC_SHIFT, ecs.DeploymentLifecycleStage.PRODUCTION_TRAFFIC_SHIFT]
        service.add_lifecycle_hook(ecs.DeploymentLifecycleLambdaTarget(hook, "InvalidateHook", lifecycle_stages=stages))
        # The construct has no property for it; the default is 24 hours.
        timeout = {"TimeoutInMinutes": 60, "Action": "ROLLBACK"}
        service.node.default_child.add_property_override("DeploymentConfiguration.LifecycleHooks.0.TimeoutConfiguration", timeout)

        balancer = elbv2.ApplicationLoadBalancer(self, "LoadBalancer", vpc=vpc, internet_facing=True)
        blue, green = (
            elbv2.ApplicationTargetGroup(self, name, vpc=vpc, port=80, target_type=elbv2.TargetType.IP) for name in ("Blue", "Green")
        )
        listener = balancer.add_listener("Http", port=80, default_action=elbv2.ListenerAction.fixed_response(404))
        rule = elbv2.ApplicationListenerRule(
            self,
            "Production",
            listener=listener,
            priority=1,
            conditions=[elbv2.ListenerCondition.path_patterns(["/*"])],
            action=elbv2.ListenerAction.weighted_forward(
                [elbv2.WeightedTargetGroup(target_group=blue, weight=100), elbv2.WeightedTargetGroup(target_group=green, weight=0)]
            ),
        )
        target = service.load_balancer_target(
            container_name="web",
            container_port=80,
            alternate_target=ecs.AlternateTarget(
                "AlternateTarget",
                alternate_target_group=green,
                production_listener=ecs.ListenerRuleConfiguration.application_listener_rule(rule),
            ),
        )
        target.attach_to_application_target_group(blue)


app = cdk.App()
Pages(app, "Pages")
app.synth()
