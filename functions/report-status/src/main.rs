//! The Lambda behind the states `ReportSucceeded` and `ReportFailed`, and behind the queue of pending reports.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use report_status::{Clients, FailureActions, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    shared::logs::init();
    let actions = FailureActions::from_env();
    // Without it no execution is found, and the status is per OnInvalidationFailure.
    let state_machine_arn = std::env::var("STATE_MACHINE_ARN").unwrap_or_default();
    let clients = Clients::new(&shared::aws::config().await);
    run(service_fn(|event: LambdaEvent<_>| {
        handle(&clients, actions, &state_machine_arn, event.payload)
    }))
    .await
}
