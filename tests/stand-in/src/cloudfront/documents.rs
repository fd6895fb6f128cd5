//! CloudFront's XML documents.

use aws_smithy_types::{DateTime, date_time::Format};
use axum::{
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use quick_xml::escape::escape;
use serde::Deserialize;

use crate::{Invalidation, ServiceError, rejected};

const NAMESPACE: &str = "http://cloudfront.amazonaws.com/doc/2020-05-31/";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InvalidationBatch {
    paths: Paths,
    caller_reference: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Paths {
    quantity: usize,
    #[serde(default)]
    items: Items,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase")]
struct Items {
    #[serde(default)]
    path: Vec<String>,
}

/// The caller reference and the paths of a batch that CloudFront would accept.
pub fn read_batch(body: &[u8]) -> Result<(String, Vec<String>), ServiceError> {
    if body.is_empty() {
        return rejected("MissingBody", "This operation requires a body.");
    }
    let batch = quick_xml::de::from_reader(body);
    let batch: InvalidationBatch =
        batch.or_else(|error| rejected("MalformedXML", &error.to_string()))?;
    let Paths { quantity, items } = batch.paths;
    if items.path.len() != quantity {
        let message = "The value of Quantity and the size of Items don't match.";
        return rejected("InconsistentQuantities", message);
    }
    let is_invalid = |item: &String| match item.strip_prefix('#') {
        Some(tag) => tag.is_empty() || tag.len() > 256,
        None => !item.starts_with('/') || item.contains('~'),
    };
    if items.path.is_empty() || items.path.iter().any(is_invalid) {
        let message = "Your request contains one or more invalid invalidation paths.";
        return rejected("InvalidArgument", message);
    }
    Ok((batch.caller_reference, items.path))
}

pub fn invalidation(invalidation: &Invalidation, status: &str) -> Response {
    let paths = invalidation.paths.iter();
    let paths: String = paths.map(|path| text("Path", path)).collect();
    let quantity = text("Quantity", &invalidation.paths.len().to_string());
    let paths = element("Paths", &(quantity + &element("Items", &paths)));
    let batch = paths + &text("CallerReference", &invalidation.caller_reference);
    let content = summary(invalidation, status) + &element("InvalidationBatch", &batch);
    document("Invalidation", &content)
}

pub fn invalidation_list(summaries: &[String]) -> Response {
    let page = "<Marker/><MaxItems>100</MaxItems><IsTruncated>false</IsTruncated>";
    let quantity = text("Quantity", &summaries.len().to_string());
    let summaries = summaries.iter();
    let items = summaries.map(|summary| element("InvalidationSummary", summary));
    let items = element("Items", &items.collect::<String>());
    document("InvalidationList", &[page, &quantity, &items].concat())
}

/// The members that the model requires, as empty as it allows, and the cache tag header.
pub fn distribution_config(has_cache_tags: bool) -> Response {
    let none = element("Quantity", "0");
    let required = [
        element("CallerReference", "stand-in"),
        element("Origins", &none),
        element(
            "DefaultCacheBehavior",
            "<TargetOriginId/><ViewerProtocolPolicy/>",
        ),
        element("Comment", ""),
        element("Enabled", "true"),
    ]
    .concat();
    let header = element("CacheTagConfig", &element("HeaderName", "cache-tag"));
    document(
        "DistributionConfig",
        &(required + if has_cache_tags { &header } else { "" }),
    )
}

pub fn distribution_tenant(id: &str, distribution_id: &str) -> Response {
    let ids = text("Id", id) + &text("DistributionId", distribution_id);
    document("DistributionTenant", &ids)
}

/// What `Invalidation` and `InvalidationSummary` have in common.
pub fn summary(invalidation: &Invalidation, status: &str) -> String {
    let created = DateTime::from(invalidation.created).fmt(Format::DateTime);
    let created = created.expect("the time of day is within RFC 3339's years");
    text("Id", &invalidation.id) + &text("CreateTime", &created) + &text("Status", status)
}

pub fn error(status: StatusCode, code: &str, message: &str) -> Response {
    let by_client = status.is_client_error();
    let kind = if by_client { "Sender" } else { "Receiver" };
    let error = text("Type", kind) + &text("Code", code) + &text("Message", message);
    let content = element("Error", &error) + &text("RequestId", "stand-in");
    document("ErrorResponse", &content)
}

fn document(name: &str, content: &str) -> Response {
    let body = format!("<?xml version=\"1.0\"?>\n<{name} xmlns=\"{NAMESPACE}\">{content}</{name}>");
    ([(CONTENT_TYPE, "text/xml")], body).into_response()
}

fn element(name: &str, content: &str) -> String {
    format!("<{name}>{content}</{name}>")
}

fn text(name: &str, text: &str) -> String {
    element(name, &escape(text))
}
