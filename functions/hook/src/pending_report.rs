//! The queue of pending reports. `report-status` reports for the hooks in it, for most of CodeDeploy's hour.

use aws_sdk_sqs::Client;
use serde_json::{Value, json};
use shared::aws::AwsFailure;

/// Sends a hook event to the queue, in the form of the records of Lambda's failure destination.
///
/// # Errors
/// When SQS rejected the message or did not respond.
pub async fn send(
    client: &Client,
    queue_url: &str,
    event: &Value,
    reason: &str,
) -> Result<(), AwsFailure> {
    let message = json!({ "requestPayload": event, "reason": reason });
    client
        .send_message()
        .queue_url(queue_url)
        .message_body(message.to_string())
        .send()
        .await?;
    Ok(())
}
