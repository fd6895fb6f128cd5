//! The queue of pending reports: `report-status` reports for the hooks in it, for most of CodeDeploy's hour.

use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use serde_json::{Value, json};
use shared::aws::AwsFailure;

/// Puts a hook event into the queue, in the form in which Lambda's failure destination would.
///
/// # Errors
/// When SQS did not accept it.
pub async fn send(
    config: &SdkConfig,
    queue_url: &str,
    event: &Value,
    reason: &str,
) -> Result<(), AwsFailure> {
    let message = json!({ "requestPayload": event, "reason": reason });
    Client::new(config)
        .send_message()
        .queue_url(queue_url)
        .message_body(message.to_string())
        .send()
        .await?;
    Ok(())
}
