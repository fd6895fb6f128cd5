//! The entry Lambda, `CodeDeployHook_<stack>`: the one an appspec's `Hooks` section names.

use hook::{Clients, handle, settings::Settings};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    shared::logs::init();
    let settings = Settings::from_env();
    let clients = Clients::new(&shared::aws::config().await);
    run(service_fn(|event: LambdaEvent<_>| {
        handle(&clients, &settings, event.payload)
    }))
    .await
}
