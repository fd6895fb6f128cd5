use std::time::SystemTime;

use sdk_defaults::{Error, run};
use verify_edge::{client::Client, handle, settings::Settings};

#[tokio::main]
async fn main() -> Result<(), Error> {
    lambda_runtime::tracing::init_default_subscriber();
    // With the SDK's default features there are two.
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    provider.install_default().map_err(|_| "there is one")?;
    let (settings, client) = (Settings::from_env(), Client::new()?);
    run(async |event, _| {
        let get = async |url: &_, header: Option<&_>| client.get(url, header).await;
        handle(get, &settings, event, SystemTime::now()).await
    })
    .await
}
