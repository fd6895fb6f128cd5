//! The Lambda function of the states `ReportSucceeded` and `ReportFailed`, and of the queue of pending reports.

use report_status::{Clients, handle};
use shared::failure_action::{FailureAction, FailureActions, log_invalid};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    shared::logs::init();
    log_invalid(&[
        FailureAction::ON_INVALIDATION_FAILURE,
        FailureAction::ON_INVALIDATION_TIMEOUT,
    ]);
    let actions = FailureActions::from_env();
    // If it is missing, no execution is found, and OnInvalidationFailure selects the status.
    let state_machine_arn = std::env::var("STATE_MACHINE_ARN").unwrap_or_default();
    let clients = Clients::new(&shared::aws::config().await);
    shared::handler::run(async |event, _| {
        handle(&clients, actions, &state_machine_arn, event).await
    })
    .await
}
