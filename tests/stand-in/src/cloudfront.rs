//! CloudFront's REST XML, as of 2020-05-31.

use std::time::{Duration, SystemTime};

use aws_smithy_types::{DateTime, date_time::Format};
use axum::{
    extract::{self, Path},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};

use crate::{
    Call, Fault, Invalidation, Operation, Request, Shared, State, connection,
    faults::{self, ServiceError},
};

const NAMESPACE: &str = "http://cloudfront.amazonaws.com/doc/2020-05-31/";

/// `InvalidationBatch`, in requests and in answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InvalidationBatch {
    paths: Paths,
    caller_reference: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Paths {
    quantity: usize,
    items: Option<PathItems>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct PathItems {
    #[serde(rename = "Path", default)]
    path: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename = "Invalidation", rename_all = "PascalCase")]
struct InvalidationAnswer {
    #[serde(rename = "@xmlns")]
    xmlns: &'static str,
    id: String,
    status: &'static str,
    create_time: String,
    invalidation_batch: InvalidationBatch,
}

#[derive(Debug, Serialize)]
#[serde(rename = "InvalidationList", rename_all = "PascalCase")]
struct InvalidationList {
    #[serde(rename = "@xmlns")]
    xmlns: &'static str,
    marker: String,
    max_items: usize,
    is_truncated: bool,
    quantity: usize,
    items: SummaryItems,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct SummaryItems {
    invalidation_summary: Vec<InvalidationSummary>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct InvalidationSummary {
    id: String,
    create_time: String,
    status: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename = "ErrorResponse", rename_all = "PascalCase")]
struct ErrorDocument {
    #[serde(rename = "@xmlns")]
    xmlns: &'static str,
    error: ErrorBody,
    request_id: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct ErrorBody {
    r#type: &'static str,
    code: String,
    message: String,
}

pub(crate) async fn create(
    extract::State(shared): extract::State<Shared>,
    Path(distribution_id): Path<String>,
    headers: HeaderMap,
    body: String,
) -> Response {
    let batch = read(&body);
    let (caller_reference, request) = match &batch {
        Ok((caller_reference, paths)) => (
            Some(caller_reference.clone()),
            Request::Paths(paths.clone()),
        ),
        Err(_) => (None, Request::Nothing),
    };
    let state = &mut *shared.lock();
    // A refused reference makes its owner look through the list.
    if let (Some(reference), Some(process)) = (&caller_reference, connection::process(&headers)) {
        state.asking.insert(process, reference.clone());
    }
    answer(
        state,
        &headers,
        Operation::CreateInvalidation,
        distribution_id,
        caller_reference,
        request,
        |state, distribution_id, seen| {
            let (caller_reference, paths) = batch?;
            let earlier = state
                .invalidations
                .get(distribution_id)
                .and_then(|all| all.iter().find(|i| i.caller_reference == caller_reference))
                .cloned();
            // One that was just created is in progress, however short it takes.
            let seen = match (&earlier, seen) {
                (None, Seen::AsItIs) => Seen::As("InProgress"),
                _ => seen,
            };
            let invalidation = match earlier {
                Some(earlier) if earlier.paths != paths => {
                    return Err(ServiceError::new(
                        "InvalidationBatchAlreadyExists",
                        400,
                        "The caller reference was used for a batch with other paths.",
                    ));
                }
                Some(_)
                    if state
                        .behavior(distribution_id, Some(&caller_reference))
                        .rejects_known_caller_reference =>
                {
                    return Err(ServiceError::new(
                        "InvalidArgument",
                        400,
                        "Your request contains a caller reference that was used for a previous invalidation batch for the same distribution.",
                    ));
                }
                Some(earlier) => earlier,
                None => add(state, distribution_id, caller_reference, paths),
            };
            let location = format!(
                "https://cloudfront.amazonaws.com/2020-05-31/distribution/{distribution_id}/invalidation/{}",
                invalidation.id
            );
            let body = xml(&describe(state, distribution_id, invalidation, seen));
            Ok((StatusCode::CREATED, [(header::LOCATION, location)], body).into_response())
        },
    )
}

pub(crate) async fn get(
    extract::State(shared): extract::State<Shared>,
    Path((distribution_id, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let state = &mut *shared.lock();
    let found = state
        .invalidations
        .get(&distribution_id)
        .and_then(|all| all.iter().find(|i| i.id == id))
        .cloned();
    let caller_reference = found.as_ref().map(|i| i.caller_reference.clone());
    answer(
        state,
        &headers,
        Operation::GetInvalidation,
        distribution_id,
        caller_reference,
        Request::Invalidation(id.clone()),
        |state, distribution_id, seen| {
            let found = found.ok_or_else(|| {
                ServiceError::new(
                    "NoSuchInvalidation",
                    404,
                    "The specified invalidation does not exist.",
                )
            })?;
            Ok(xml(&describe(state, distribution_id, found, seen)).into_response())
        },
    )
}

pub(crate) async fn list(
    extract::State(shared): extract::State<Shared>,
    Path(distribution_id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let state = &mut *shared.lock();
    // It names no invalidation; the last that the same process asked to create is the one it looks for.
    let caller_reference =
        connection::process(&headers).and_then(|process| state.asking.get(&process).cloned());
    answer(
        state,
        &headers,
        Operation::ListInvalidations,
        distribution_id,
        caller_reference,
        Request::Nothing,
        |state, distribution_id, _| {
            let newest_first: Vec<_> = state
                .invalidations
                .get(distribution_id)
                .into_iter()
                .flatten()
                .rev()
                .map(|i| InvalidationSummary {
                    id: i.id.clone(),
                    create_time: time(i.created),
                    status: status(state, distribution_id, i),
                })
                .collect();
            Ok(xml(&InvalidationList {
                xmlns: NAMESPACE,
                marker: String::new(),
                max_items: 100,
                is_truncated: false,
                quantity: newest_first.len(),
                items: SummaryItems {
                    invalidation_summary: newest_first,
                },
            })
            .into_response())
        },
    )
}

/// What the caller gets to see of an invalidation.
#[derive(Clone, Copy)]
enum Seen {
    AsItIs,
    /// With this status.
    As(&'static str),
    /// Nothing: the answer does not arrive.
    Lost,
}

/// Records the call and answers it: with the fault planned for it, or with what `work` says.
fn answer(
    state: &mut State,
    headers: &HeaderMap,
    operation: Operation,
    distribution_id: String,
    caller_reference: Option<String>,
    request: Request,
    work: impl FnOnce(&mut State, &str, Seen) -> Result<Response, ServiceError>,
) -> Response {
    let fault = faults::take(
        &mut state.faults,
        operation,
        &distribution_id,
        caller_reference.as_deref(),
    );
    let seen = match fault {
        Some(Fault::Status(status)) => Seen::As(status),
        Some(Fault::After(_)) => Seen::Lost,
        _ => Seen::AsItIs,
    };
    let (outcome, error) = faults::meet(fault, || {
        if is_distribution_id(&distribution_id) {
            work(state, &distribution_id, seen)
        } else {
            Err(ServiceError::new(
                "NoSuchDistribution",
                404,
                "The specified distribution does not exist.",
            ))
        }
    });
    state.record(Call {
        operation,
        subject: distribution_id,
        caller_reference,
        request,
        access_key: connection::access_key(headers),
        error,
    });
    outcome.unwrap_or_else(|refusal| {
        let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_REQUEST);
        let sender = if status.is_client_error() {
            "Sender"
        } else {
            "Receiver"
        };
        let body = xml(&ErrorDocument {
            xmlns: NAMESPACE,
            error: ErrorBody {
                r#type: sender,
                code: refusal.code,
                message: refusal.message,
            },
            request_id: "stand-in",
        });
        (status, body).into_response()
    })
}

fn is_distribution_id(id: &str) -> bool {
    id.starts_with('E')
        && id
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

/// Reads a batch as CloudFront would: the caller reference and the paths.
fn read(body: &str) -> Result<(String, Vec<String>), ServiceError> {
    if body.is_empty() {
        return Err(ServiceError::new(
            "MissingBody",
            400,
            "This operation requires a body.",
        ));
    }
    let batch: InvalidationBatch = quick_xml::de::from_str(body)
        .map_err(|error| ServiceError::new("MalformedXML", 400, &error.to_string()))?;
    let paths = batch
        .paths
        .items
        .map(|items| items.path)
        .unwrap_or_default();
    if paths.len() != batch.paths.quantity {
        return Err(ServiceError::new(
            "InconsistentQuantities",
            400,
            "The value of Quantity and the size of Items don't match.",
        ));
    }
    let invalid = |path: &String| !path.starts_with('/') || path.contains('~');
    if paths.is_empty() || paths.iter().any(invalid) {
        return Err(ServiceError::new(
            "InvalidArgument",
            400,
            "Your request contains one or more invalid invalidation paths.",
        ));
    }
    Ok((batch.caller_reference, paths))
}

fn add(
    state: &mut State,
    distribution_id: &str,
    caller_reference: String,
    paths: Vec<String>,
) -> Invalidation {
    let number: usize = state.invalidations.values().map(Vec::len).sum();
    let invalidation = Invalidation {
        id: format!("I{:013}", number + 1),
        caller_reference,
        paths,
        created: state.clock.now(),
        shown_completed: None,
    };
    state
        .invalidations
        .entry(distribution_id.to_owned())
        .or_default()
        .push(invalidation.clone());
    invalidation
}

fn status(state: &State, distribution_id: &str, invalidation: &Invalidation) -> &'static str {
    let takes = state
        .invalidation_times
        .iter()
        .rev()
        .find(|(about, _)| {
            crate::concerns(about, distribution_id, Some(&invalidation.caller_reference))
        })
        .map_or(Some(Duration::ZERO), |(_, time)| *time);
    if takes.is_some_and(|time| state.clock.since(invalidation.created) >= time) {
        "Completed"
    } else {
        "InProgress"
    }
}

fn describe(
    state: &mut State,
    distribution_id: &str,
    invalidation: Invalidation,
    seen: Seen,
) -> InvalidationAnswer {
    let status = match seen {
        Seen::As(status) => status,
        Seen::AsItIs | Seen::Lost => status(state, distribution_id, &invalidation),
    };
    if status == "Completed" && !matches!(seen, Seen::Lost) {
        let all = state.invalidations.entry(distribution_id.to_owned());
        let all = all.or_default().iter_mut();
        for kept in all.filter(|kept| kept.id == invalidation.id) {
            kept.shown_completed.get_or_insert_with(SystemTime::now);
        }
    }
    InvalidationAnswer {
        xmlns: NAMESPACE,
        status,
        create_time: time(invalidation.created),
        invalidation_batch: InvalidationBatch {
            paths: Paths {
                quantity: invalidation.paths.len(),
                items: Some(PathItems {
                    path: invalidation.paths,
                }),
            },
            caller_reference: invalidation.caller_reference,
        },
        id: invalidation.id,
    }
}

fn time(at: SystemTime) -> String {
    DateTime::from(at)
        .fmt(Format::DateTime)
        .expect("the time of day is within RFC 3339's years")
}

fn xml<T: Serialize>(document: &T) -> impl IntoResponse + use<T> {
    let body =
        quick_xml::se::to_string(document).expect("these documents are all elements and texts");
    (
        [(header::CONTENT_TYPE, "text/xml")],
        format!("<?xml version=\"1.0\"?>\n{body}"),
    )
}
