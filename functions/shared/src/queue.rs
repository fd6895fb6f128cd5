//! The messages of a queue, which Lambda delivers one at a time.
//!
//! Not `aws_lambda_events`: for these fields it adds 19 KB to a zip (measured in a program that does only this) and 34 packages to
//! `Cargo.lock`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::document::{self, InvalidDocument};

/// What Lambda reads from a queue. The batch size of the event source mapping is one.
#[derive(Debug, Deserialize)]
struct Batch {
    #[serde(rename = "Records")]
    records: [Message; 1],
}

/// A message.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    #[serde(default, rename = "messageId")]
    id: String,
    body: String,
    attributes: Option<Attributes>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attributes {
    /// How often the queue has delivered the message; a number as a string.
    approximate_receive_count: String,
}

/// A message that the queue must deliver again, in Lambda's partial batch response.
/// <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html>
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ItemFailure {
    item_identifier: String,
}

impl From<Message> for ItemFailure {
    fn from(message: Message) -> Self {
        Self {
            item_identifier: message.id,
        }
    }
}

impl Message {
    /// Whether an event is one that Lambda has read from a queue.
    #[must_use]
    pub fn is_in(event: &Value) -> bool {
        event.get("Records").is_some()
    }

    /// Parses such an event.
    ///
    /// # Errors
    /// When it does not have exactly one message.
    pub fn parse(event: &Value) -> Result<Self, InvalidDocument> {
        let Batch { records: [message] } = document::parse("the message of the queue", event)?;
        Ok(message)
    }

    /// The document in the message; null if it is not JSON.
    #[must_use]
    pub fn document(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }

    /// How often the queue has delivered it, this time included; none if Lambda doesn't say.
    #[must_use]
    pub fn receive_count(&self) -> Option<u32> {
        let attributes = self.attributes.as_ref()?;
        attributes.approximate_receive_count.parse().ok()
    }
}
