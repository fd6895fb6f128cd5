use std::time::SystemTime;

use sdk_defaults::{Error, run, start};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let client = aws_sdk_cloudfront::Client::new(&start().await);
    run(async |event, _| create_invalidation::handle(&client, event, SystemTime::now()).await).await
}
