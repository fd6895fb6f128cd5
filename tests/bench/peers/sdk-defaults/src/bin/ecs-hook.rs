use ecs_hook::{Clients, handle, settings::Settings};
use sdk_defaults::{Error, run, start};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let (clients, settings) = (Clients::new(&start().await), Settings::from_env());
    run(async |event, _| handle(&clients, &settings, event).await).await
}
