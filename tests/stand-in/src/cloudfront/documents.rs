//! CloudFront's XML documents.

use aws_smithy_types::{DateTime, date_time::Format};
use axum::{
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

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
    let paths = &invalidation.paths;
    let mut content = summary(invalidation, status);
    content["InvalidationBatch"] = json!({
        "CallerReference": invalidation.caller_reference,
        "Paths": { "Quantity": paths.len(), "Items": { "Path": paths } },
    });
    document("Invalidation", content)
}

pub fn invalidation_list(summaries: &[Value]) -> Response {
    let content = json!({
        "Marker": "",
        "MaxItems": 100,
        "IsTruncated": false,
        "Quantity": summaries.len(),
        "Items": { "InvalidationSummary": summaries },
    });
    document("InvalidationList", content)
}

/// The members that the model requires, as empty as it allows, and the cache tag header.
pub fn distribution_config(has_cache_tags: bool) -> Response {
    let mut content = json!({
        "CallerReference": "stand-in",
        "Origins": { "Quantity": 0 },
        "DefaultCacheBehavior": { "TargetOriginId": "", "ViewerProtocolPolicy": "" },
        "Comment": "",
        "Enabled": true,
    });
    if has_cache_tags {
        content["CacheTagConfig"] = json!({ "HeaderName": "cache-tag" });
    }
    document("DistributionConfig", content)
}

pub fn distribution_tenant(id: &str, distribution_id: &str) -> Response {
    let content = json!({ "Id": id, "DistributionId": distribution_id });
    document("DistributionTenant", content)
}

/// What `Invalidation` and `InvalidationSummary` have in common.
pub fn summary(invalidation: &Invalidation, status: &str) -> Value {
    let created = DateTime::from(invalidation.created).fmt(Format::DateTime);
    let created = created.expect("the time of day is within RFC 3339's years");
    json!({ "Id": invalidation.id, "CreateTime": created, "Status": status })
}

pub fn error(status: StatusCode, code: &str, message: &str) -> Response {
    let by_client = status.is_client_error();
    let kind = if by_client { "Sender" } else { "Receiver" };
    let error = json!({ "Type": kind, "Code": code, "Message": message });
    let content = json!({ "Error": error, "RequestId": "stand-in" });
    document("ErrorResponse", content)
}

/// The members of an object are elements, except for `@…`, which are attributes.
fn document(name: &str, mut content: Value) -> Response {
    content["@xmlns"] = NAMESPACE.into();
    let xml = quick_xml::se::to_string_with_root(name, &content);
    let xml = xml.expect("names of members are names of elements");
    let body = format!("<?xml version=\"1.0\"?>\n{xml}");
    ([(CONTENT_TYPE, "text/xml")], body).into_response()
}
