//! CloudFront's REST XML, version 2020-05-31.

use std::time::SystemTime;

use axum::{
    http::{StatusCode, header::LOCATION},
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::{
    Call, Fault, Invalidation, Operation, Protocol, Request, ServiceError, Shared, State, latest,
    rejected, respond,
};

pub mod documents;

/// The distribution of all tenants.
const MULTI_TENANT: &str = "EMULTITENANT01";

/// What invalidations are created in: a distribution or a distribution tenant.
#[derive(Clone, Copy)]
pub struct Owner<'a> {
    /// As in paths: `distribution` or `distribution-tenant`.
    pub kind: &'a str,
    pub id: &'a str,
}

impl Owner<'_> {
    fn is_tenant(self) -> bool {
        self.kind == "distribution-tenant"
    }

    /// A call of an operation that CloudFront has twice: for a distribution, and under a longer name for a tenant.
    fn call(self, of_distribution: Operation, request: &Request) -> Call {
        let operation = if self.is_tenant() {
            let of_distribution: &str = of_distribution.into();
            let of_tenant = format!("{of_distribution}ForDistributionTenant");
            of_tenant.parse().expect("the other is an operation, too")
        } else {
            of_distribution
        };
        Call::new(operation, self.id, request)
    }

    /// Every id that has a valid form exists.
    fn check(self) -> Result<(), ServiceError> {
        let Self { kind, id } = self;
        let is_valid = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
        let (exists, code) = if self.is_tenant() {
            (id.starts_with("dt_"), "EntityNotFound")
        } else {
            let exists = id.starts_with('E') && id.bytes().all(is_valid);
            (exists, "NoSuchDistribution")
        };
        if exists {
            return Ok(());
        }
        let message = format!("The specified {} does not exist.", kind.replace('-', " "));
        Err(ServiceError::new(code, 404, &message))
    }

    pub async fn create(self, shared: &Shared, request: &Request) -> Response {
        let mut call = self.call(Operation::CreateInvalidation, request);
        let batch = documents::read_batch(request.body());
        if let Ok((caller_reference, paths)) = &batch {
            call.caller_reference = Some(caller_reference.clone());
            call.request = json!({ "paths": paths });
        }
        respond(shared, call, Protocol::RestXml, async |fault| {
            self.check()?;
            let (caller_reference, paths) = batch?;
            let state = &mut *shared.lock();
            let known = state.find(self.id, |i| i.caller_reference == caller_reference);
            let (invalidation, status) = if let Some(known) = known {
                check_repeated(state, &known, &paths)?;
                let status = state.invalidation_status(&known);
                (known, status)
            } else {
                let new = Invalidation {
                    target_id: self.id.to_owned(),
                    id: format!("I{:013}", state.invalidations.len() + 1),
                    caller_reference,
                    paths,
                    created: state.now(),
                    shown_completed: None,
                };
                if let Some(edge) = &state.edge {
                    // If nobody receives it any more, there is no cache either.
                    let _ = edge.send(new.clone());
                }
                state.invalidations.push(new.clone());
                // A new invalidation is in progress, even if it takes no time.
                (new, "InProgress")
            };
            let Owner { kind, id } = self;
            let location = format!(
                "https://cloudfront.amazonaws.com/2020-05-31/{kind}/{id}/invalidation/{}",
                invalidation.id
            );
            let body = show(state, &invalidation, status, fault);
            Ok((StatusCode::CREATED, [(LOCATION, location)], body).into_response())
        })
        .await
    }

    pub async fn get(self, shared: &Shared, request: &Request, id: &str) -> Response {
        let known = shared.lock().find(self.id, |i| i.id == id);
        let mut call = self.call(Operation::GetInvalidation, request);
        call.caller_reference = known.as_ref().map(|i| i.caller_reference.clone());
        call.request = json!({ "invalidationId": id });
        respond(shared, call, Protocol::RestXml, async |fault| {
            self.check()?;
            let message = "The specified invalidation does not exist.";
            let known =
                known.ok_or_else(|| ServiceError::new("NoSuchInvalidation", 404, message))?;
            let state = &mut *shared.lock();
            let status = state.invalidation_status(&known);
            Ok(show(state, &known, status, fault))
        })
        .await
    }

    pub async fn list(self, shared: &Shared, request: &Request) -> Response {
        let call = self.call(Operation::ListInvalidations, request);
        respond(shared, call, Protocol::RestXml, async |_| {
            self.check()?;
            let state = shared.lock();
            let newest_first = state.invalidations.iter().rev();
            let summaries: Vec<_> = newest_first
                .filter(|i| i.target_id == self.id)
                .map(|i| documents::summary(i, state.invalidation_status(i)))
                .collect();
            Ok(documents::invalidation_list(&summaries))
        })
        .await
    }

    /// The configuration of a distribution, or a tenant, which names its distribution.
    pub async fn configuration(self, shared: &Shared, request: &Request) -> Response {
        let operation = if self.is_tenant() {
            Operation::GetDistributionTenant
        } else {
            Operation::GetDistributionConfig
        };
        let call = Call::new(operation, self.id, request);
        respond(shared, call, Protocol::RestXml, async |_| {
            self.check()?;
            if self.is_tenant() {
                return Ok(documents::distribution_tenant(self.id, MULTI_TENANT));
            }
            let behavior = latest(&shared.lock().behaviors, |about| about == self.id);
            let has_cache_tags = !behavior.unwrap_or_default().lacks_cache_tags;
            Ok(documents::distribution_config(has_cache_tags))
        })
        .await
    }
}

/// What CloudFront does with a batch whose caller reference it knows.
fn check_repeated(
    state: &State,
    known: &Invalidation,
    paths: &[String],
) -> Result<(), ServiceError> {
    if known.paths != paths {
        let message = "The caller reference was used for a batch with other paths.";
        return rejected("InvalidationBatchAlreadyExists", message);
    }
    let behavior = latest(&state.behaviors, |about| known.is_about(about));
    if behavior.is_some_and(|behavior| behavior.rejects_known_caller_reference) {
        let message = "Your request contains a caller reference that was used for a previous invalidation batch for the same distribution.";
        return rejected("InvalidArgument", message);
    }
    Ok(())
}

/// Responds with an invalidation, and records that it was shown as completed unless the response is lost.
fn show(
    state: &mut State,
    invalidation: &Invalidation,
    status: &str,
    fault: Option<&Fault>,
) -> Response {
    let status = match fault {
        Some(Fault::Status(status)) => status,
        _ => status,
    };
    if status == "Completed" && !matches!(fault, Some(Fault::After(_))) {
        let mut recorded = state.invalidations.iter_mut();
        if let Some(recorded) = recorded.find(|i| i.id == invalidation.id) {
            recorded.shown_completed.get_or_insert_with(SystemTime::now);
        }
    }
    documents::invalidation(invalidation, status)
}
