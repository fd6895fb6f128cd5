//! The Lambda function that the lifecycle hooks of Amazon ECS services invoke.

use ecs_hook::{Clients, handle, settings::Settings};
use shared::failure_action::{FailureAction, log_invalid};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    shared::logs::init();
    log_invalid(&[
        FailureAction::ON_INVALIDATION_FAILURE,
        FailureAction::ON_INVALIDATION_TIMEOUT,
    ]);
    let settings = Settings::from_env();
    let clients = Clients::new(&shared::aws::config().await);
    shared::handler::run(async |event, _| handle(&clients, &settings, event).await).await
}
