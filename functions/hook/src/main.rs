//! The Lambda function `CodeDeployHook_<stack>`, which the `Hooks` section of an AppSpec file names.

use hook::{Clients, handle, settings::Settings};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    shared::logs::init();
    let settings = Settings::from_env();
    let clients = Clients::new(&shared::aws::config().await);
    shared::handler::run(async |event, request_id| {
        handle(&clients, &settings, event, request_id).await
    })
    .await
}
