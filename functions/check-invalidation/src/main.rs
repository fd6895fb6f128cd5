//! The Lambda function of the state `CheckInvalidations`.

use std::time::SystemTime;

use check_invalidation::handle;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    shared::logs::init();
    let cloudfront = aws_sdk_cloudfront::Client::new(&shared::aws::config().await);
    shared::handler::run(async |event, _| handle(&cloudfront, event, SystemTime::now()).await).await
}
