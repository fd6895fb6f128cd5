//! CloudFront's XML documents.

use std::time::SystemTime;

use aws_smithy_types::{DateTime, date_time::Format};
use axum::{
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};

use crate::{Invalidation, ServiceError};

const NAMESPACE: &str = "http://cloudfront.amazonaws.com/doc/2020-05-31/";

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InvalidationBatch {
    paths: Paths,
    caller_reference: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Paths {
    quantity: usize,
    items: Option<PathItems>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PathItems {
    #[serde(default)]
    path: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename = "Invalidation", rename_all = "PascalCase")]
struct InvalidationDocument {
    #[serde(rename = "@xmlns")]
    xmlns: &'static str,
    #[serde(flatten)]
    summary: InvalidationSummary,
    invalidation_batch: InvalidationBatch,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct InvalidationSummary {
    id: String,
    create_time: String,
    status: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct InvalidationList {
    #[serde(rename = "@xmlns")]
    xmlns: &'static str,
    marker: &'static str,
    max_items: usize,
    is_truncated: bool,
    quantity: usize,
    items: SummaryItems,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SummaryItems {
    invalidation_summary: Vec<InvalidationSummary>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ErrorResponse<'a> {
    #[serde(rename = "@xmlns")]
    xmlns: &'static str,
    error: ErrorBody<'a>,
    request_id: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ErrorBody<'a> {
    r#type: &'static str,
    code: &'a str,
    message: &'a str,
}

/// The caller reference and the paths of a batch that CloudFront would accept.
pub(crate) fn read_batch(body: &str) -> Result<(String, Vec<String>), ServiceError> {
    let rejected = |code, message| Err(ServiceError::new(code, 400, message));
    if body.is_empty() {
        return rejected("MissingBody", "This operation requires a body.");
    }
    let batch: InvalidationBatch = match quick_xml::de::from_str(body) {
        Ok(batch) => batch,
        Err(error) => return rejected("MalformedXML", &error.to_string()),
    };
    let paths = batch.paths.items.map_or_else(Vec::new, |items| items.path);
    if paths.len() != batch.paths.quantity {
        let message = "The value of Quantity and the size of Items don't match.";
        return rejected("InconsistentQuantities", message);
    }
    let is_invalid = |path: &String| !path.starts_with('/') || path.contains('~');
    if paths.is_empty() || paths.iter().any(is_invalid) {
        let message = "Your request contains one or more invalid invalidation paths.";
        return rejected("InvalidArgument", message);
    }
    Ok((batch.caller_reference, paths))
}

pub(crate) fn invalidation(invalidation: &Invalidation, status: &'static str) -> Response {
    xml(&InvalidationDocument {
        xmlns: NAMESPACE,
        summary: summary(invalidation, status),
        invalidation_batch: InvalidationBatch {
            paths: Paths {
                quantity: invalidation.paths.len(),
                items: Some(PathItems {
                    path: invalidation.paths.clone(),
                }),
            },
            caller_reference: invalidation.caller_reference.clone(),
        },
    })
}

pub(crate) fn invalidation_list<'a>(
    invalidations: impl Iterator<Item = (&'a Invalidation, &'static str)>,
) -> Response {
    let summaries: Vec<_> = invalidations
        .map(|(i, status)| summary(i, status))
        .collect();
    xml(&InvalidationList {
        xmlns: NAMESPACE,
        marker: "",
        max_items: 100,
        is_truncated: false,
        quantity: summaries.len(),
        items: SummaryItems {
            invalidation_summary: summaries,
        },
    })
}

fn summary(invalidation: &Invalidation, status: &'static str) -> InvalidationSummary {
    InvalidationSummary {
        id: invalidation.id.clone(),
        create_time: time(invalidation.created),
        status,
    }
}

pub(crate) fn error(status: StatusCode, code: &str, message: &str) -> Response {
    let is_client_error = status.is_client_error();
    xml(&ErrorResponse {
        xmlns: NAMESPACE,
        error: ErrorBody {
            r#type: if is_client_error {
                "Sender"
            } else {
                "Receiver"
            },
            code,
            message,
        },
        request_id: "stand-in",
    })
}

fn time(at: SystemTime) -> String {
    let time = DateTime::from(at).fmt(Format::DateTime);
    time.expect("the time of day is within RFC 3339's years")
}

fn xml(document: &impl Serialize) -> Response {
    let body = quick_xml::se::to_string(document).expect("these documents are elements and text");
    let body = format!("<?xml version=\"1.0\"?>\n{body}");
    ([(CONTENT_TYPE, "text/xml")], body).into_response()
}
