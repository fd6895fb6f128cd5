//! The Lambda function of the queue of rollbacks.

use execution::settings::InvalidationSettings;
use rollback::{Clients, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    shared::logs::init();
    let settings = InvalidationSettings::from_env();
    let clients = Clients::new(&shared::aws::config().await);
    shared::handler::run(async |event, _| handle(&clients, &settings, event).await).await
}
