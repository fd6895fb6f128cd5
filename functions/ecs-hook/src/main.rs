//! The Lambda function that the lifecycle hooks of Amazon ECS services invoke.

use ecs_hook::{Clients, handle, settings::Settings};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    shared::logs::init();
    let settings = Settings::from_env();
    let clients = Clients::new(&shared::aws::config().await);
    shared::handler::run(async |event, _| handle(&clients, &settings, event).await).await
}
