//! The Lambda behind the state `CreateInvalidation`.

use std::time::SystemTime;

use create_invalidation::handle;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    shared::logs::init();
    let cloudfront = aws_sdk_cloudfront::Client::new(&shared::aws::config().await);
    run(service_fn(|event: LambdaEvent<_>| {
        handle(&cloudfront, event.payload, SystemTime::now())
    }))
    .await
}
