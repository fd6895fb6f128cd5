use ecs_hook::{Clients, handle, settings::Settings};
use lambda_runtime::{Error, LambdaEvent, run, service_fn, tracing};

#[tokio::main]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let settings = Settings::from_env();
    let clients =
        Clients::new(&aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await);
    run(service_fn(|event: LambdaEvent<_>| {
        handle(&clients, &settings, event.payload)
    }))
    .await
}
