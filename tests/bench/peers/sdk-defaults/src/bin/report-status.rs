use report_status::{Clients, handle};
use sdk_defaults::{Error, run, start};
use shared::failure_action::FailureActions;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let (clients, actions) = (Clients::new(&start().await), FailureActions::from_env());
    let machine = std::env::var("STATE_MACHINE_ARN").unwrap_or_default();
    run(async |event, _| handle(&clients, actions, &machine, event).await).await
}
