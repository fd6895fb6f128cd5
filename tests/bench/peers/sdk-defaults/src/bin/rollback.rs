use execution::settings::InvalidationSettings;
use rollback::{Clients, handle};
use sdk_defaults::{Error, run, start};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let clients = Clients::new(&start().await);
    let settings = InvalidationSettings::from_env();
    run(async |event, _| handle(&clients, &settings, event).await).await
}
