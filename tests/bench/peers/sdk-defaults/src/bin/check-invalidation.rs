use std::time::SystemTime;

use check_invalidation::handle;
use lambda_runtime::{Error, LambdaEvent, run, service_fn, tracing};

#[tokio::main]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let cloudfront = aws_sdk_cloudfront::Client::new(
        &aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await,
    );
    run(service_fn(|event: LambdaEvent<_>| {
        handle(&cloudfront, event.payload, SystemTime::now())
    }))
    .await
}
