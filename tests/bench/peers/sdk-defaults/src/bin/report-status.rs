use lambda_runtime::{Error, LambdaEvent, run, service_fn, tracing};
use report_status::{Clients, handle};
use shared::failure_action::FailureActions;

#[tokio::main]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let actions = FailureActions::from_env();
    let state_machine_arn = std::env::var("STATE_MACHINE_ARN").unwrap_or_default();
    let clients =
        Clients::new(&aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await);
    run(service_fn(|event: LambdaEvent<_>| {
        handle(&clients, actions, &state_machine_arn, event.payload)
    }))
    .await
}
