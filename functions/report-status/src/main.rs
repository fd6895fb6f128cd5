//! The Lambda behind the states `ReportSucceeded` and `ReportFailed`, and behind both safety nets.

use lambda_runtime::{Error, LambdaEvent, run, service_fn, tracing};
use report_status::{Clients, Policies, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let policies = Policies::from_env();
    let clients = Clients::new(&shared::aws::config().await);
    run(service_fn(|event: LambdaEvent<_>| {
        handle(&clients, policies, event.payload)
    }))
    .await
}
