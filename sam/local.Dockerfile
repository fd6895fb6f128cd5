# The image in which `sam local invoke` runs the functions against a local AWS. SAM's --env-vars sets only variables that the
# template defines, and the template defines no endpoints, so that on AWS nothing can redirect the functions' calls.
ARG BASE=public.ecr.aws/lambda/provided:al2023
FROM $BASE
ARG AWS_ENDPOINT_URL
ARG AWS_ENDPOINT_URL_CLOUDFRONT
ARG AWS_ENDPOINT_URL_CODEDEPLOY
ARG AWS_ENDPOINT_URL_ECS
ENV AWS_ENDPOINT_URL=$AWS_ENDPOINT_URL \
    AWS_ENDPOINT_URL_CLOUDFRONT=$AWS_ENDPOINT_URL_CLOUDFRONT \
    AWS_ENDPOINT_URL_CODEDEPLOY=$AWS_ENDPOINT_URL_CODEDEPLOY \
    AWS_ENDPOINT_URL_ECS=$AWS_ENDPOINT_URL_ECS
