# What `sam local invoke` runs the functions in when they are to call a local AWS. Sam's own --env-vars sets only what the
# template defines, and the template defines no endpoints: on AWS, nothing can send the functions' calls elsewhere.
ARG BASE=public.ecr.aws/lambda/provided:al2023
FROM $BASE
ARG AWS_ENDPOINT_URL
ARG AWS_ENDPOINT_URL_CLOUDFRONT
ARG AWS_ENDPOINT_URL_CODEDEPLOY
ENV AWS_ENDPOINT_URL=$AWS_ENDPOINT_URL \
    AWS_ENDPOINT_URL_CLOUDFRONT=$AWS_ENDPOINT_URL_CLOUDFRONT \
    AWS_ENDPOINT_URL_CODEDEPLOY=$AWS_ENDPOINT_URL_CODEDEPLOY
