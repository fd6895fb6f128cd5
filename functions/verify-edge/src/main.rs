//! The Lambda function of the state `VerifyEdge`.

use std::time::SystemTime;

use verify_edge::{client::Client, handle, settings::Settings};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    shared::logs::init();
    let settings = Settings::from_env();
    let client = Client::new()?;
    shared::handler::run(async |event, _| {
        let get = async |url: &_, header: Option<&_>| client.get(url, header).await;
        handle(get, &settings, event, SystemTime::now()).await
    })
    .await
}
