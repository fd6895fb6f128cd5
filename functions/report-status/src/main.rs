//! The Lambda function of the states `ReportSucceeded` and `ReportFailed`, and of the queue of pending reports.

use report_status::{Clients, handle};
use shared::failure_action::FailureActions;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    shared::logs::init();
    let actions = FailureActions::from_env();
    // If it is missing, Step Functions rejects requests with it, and in the end OnInvalidationFailure selects the status.
    let state_machine_arn = std::env::var("STATE_MACHINE_ARN").unwrap_or_default();
    let clients = Clients::new(&shared::aws::config().await);
    shared::handler::run(async |event, _| {
        handle(&clients, actions, &state_machine_arn, event).await
    })
    .await
}
