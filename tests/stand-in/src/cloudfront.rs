//! CloudFront's REST XML, version 2020-05-31.

use std::{sync::LazyLock, time::SystemTime};

use axum::{
    http::{StatusCode, header::LOCATION},
    response::{IntoResponse, Response},
};

use crate::{
    Call, Fault, HttpRequest, Invalidation, Operation, Protocol, Request, ServiceError, Shared,
    State, connection::process, latest, rejected, respond,
};

pub mod documents;

/// The distribution of all tenants.
const MULTI_TENANT: &str = "EMULTITENANT01";

/// What invalidations are created in, by its id.
#[derive(Clone, Copy)]
pub enum Owner<'a> {
    Distribution(&'a str),
    Tenant(&'a str),
}

impl<'a> Owner<'a> {
    fn id(self) -> &'a str {
        let (Self::Distribution(id) | Self::Tenant(id)) = self;
        id
    }

    /// Its part of the path.
    fn path(self) -> String {
        match self {
            Self::Distribution(id) => format!("distribution/{id}"),
            Self::Tenant(id) => format!("distribution-tenant/{id}"),
        }
    }

    /// A call of one of the two operations that do the same for a distribution and for a tenant.
    fn call(self, of_distribution: Operation, of_tenant: Operation, request: &HttpRequest) -> Call {
        let operation = match self {
            Self::Distribution(_) => of_distribution,
            Self::Tenant(_) => of_tenant,
        };
        Call::new(operation, self.id(), request)
    }

    /// Every id that has a valid form exists.
    fn check(self) -> Result<(), ServiceError> {
        let is_valid = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
        match self {
            Self::Distribution(id) if !id.starts_with('E') || !id.bytes().all(is_valid) => {
                let message = "The specified distribution does not exist.";
                Err(ServiceError::new("NoSuchDistribution", 404, message))
            }
            Self::Tenant(id) if !id.starts_with("dt_") => {
                let message = "The specified distribution tenant does not exist.";
                Err(ServiceError::new("EntityNotFound", 404, message))
            }
            _ => Ok(()),
        }
    }
}

/// Of an invalidation that was just created.
static IN_PROGRESS: LazyLock<Fault> = LazyLock::new(|| Fault::Status("InProgress".to_owned()));

pub async fn create_invalidation(
    shared: &Shared,
    request: &HttpRequest,
    owner: Owner<'_>,
) -> Response {
    use Operation::{CreateInvalidation, CreateInvalidationForDistributionTenant};
    let of_tenant = CreateInvalidationForDistributionTenant;
    let mut call = owner.call(CreateInvalidation, of_tenant, request);
    let batch = documents::read_batch(request.body());
    if let Ok((caller_reference, paths)) = &batch {
        call.caller_reference = Some(caller_reference.clone());
        call.request = Request::Paths(paths.clone());
        if let Some(process) = process(request.headers()) {
            let references = &mut shared.lock().last_caller_references;
            references.insert(process, caller_reference.clone());
        }
    }
    respond(shared, call, Protocol::RestXml, async |fault| {
        owner.check()?;
        let (caller_reference, paths) = batch?;
        let state = &mut *shared.lock();
        let known = state.find(owner.id(), |i| i.caller_reference == caller_reference);
        let (invalidation, fault) = if let Some(known) = known {
            check_repeated(state, &known, &paths)?;
            (known, fault)
        } else {
            let new = Invalidation {
                target_id: owner.id().to_owned(),
                id: format!("I{:013}", state.invalidations.len() + 1),
                caller_reference,
                paths,
                created: state.clock.now(),
                shown_completed: None,
            };
            if let Some(edge) = &state.edge {
                // If nobody receives it any more, there is no cache either.
                let _ = edge.send(new.clone());
            }
            state.invalidations.push(new.clone());
            // A new invalidation is in progress, even if it takes no time.
            (new, fault.or(Some(&IN_PROGRESS)))
        };
        let location = format!(
            "https://cloudfront.amazonaws.com/2020-05-31/{}/invalidation/{}",
            owner.path(),
            invalidation.id
        );
        let body = show(state, &invalidation, fault);
        Ok((StatusCode::CREATED, [(LOCATION, location)], body).into_response())
    })
    .await
}

pub async fn get_invalidation(
    shared: &Shared,
    request: &HttpRequest,
    owner: Owner<'_>,
    id: &str,
) -> Response {
    use Operation::{GetInvalidation, GetInvalidationForDistributionTenant};
    let known = shared.lock().find(owner.id(), |i| i.id == id);
    let of_tenant = GetInvalidationForDistributionTenant;
    let mut call = owner.call(GetInvalidation, of_tenant, request);
    call.caller_reference = known.as_ref().map(|i| i.caller_reference.clone());
    call.request = Request::Invalidation(id.to_owned());
    respond(shared, call, Protocol::RestXml, async |fault| {
        owner.check()?;
        let message = "The specified invalidation does not exist.";
        let known = known.ok_or_else(|| ServiceError::new("NoSuchInvalidation", 404, message))?;
        Ok(show(&mut shared.lock(), &known, fault))
    })
    .await
}

pub async fn list_invalidations(
    shared: &Shared,
    request: &HttpRequest,
    owner: Owner<'_>,
) -> Response {
    use Operation::{ListInvalidations, ListInvalidationsForDistributionTenant};
    let of_tenant = ListInvalidationsForDistributionTenant;
    let mut call = owner.call(ListInvalidations, of_tenant, request);
    if let Some(process) = process(request.headers()) {
        let references = &shared.lock().last_caller_references;
        call.caller_reference = references.get(&process).cloned();
    }
    respond(shared, call, Protocol::RestXml, async |_| {
        owner.check()?;
        let state = shared.lock();
        let newest_first = state.invalidations.iter().rev();
        let summaries: Vec<_> = newest_first
            .filter(|i| i.target_id == owner.id())
            .map(|i| documents::summary(i, state.invalidation_status(i)))
            .collect();
        Ok(documents::invalidation_list(&summaries))
    })
    .await
}

pub async fn get_distribution_config(shared: &Shared, request: &HttpRequest, id: &str) -> Response {
    let call = Call::new(Operation::GetDistributionConfig, id, request);
    respond(shared, call, Protocol::RestXml, async |_| {
        Owner::Distribution(id).check()?;
        let behavior = latest(&shared.lock().behaviors, |about| about == id);
        let has_cache_tags = !behavior.unwrap_or_default().lacks_cache_tags;
        Ok(documents::distribution_config(has_cache_tags))
    })
    .await
}

pub async fn get_distribution_tenant(shared: &Shared, request: &HttpRequest, id: &str) -> Response {
    let call = Call::new(Operation::GetDistributionTenant, id, request);
    respond(shared, call, Protocol::RestXml, async |_| {
        Owner::Tenant(id).check()?;
        Ok(documents::distribution_tenant(id, MULTI_TENANT))
    })
    .await
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
fn show(state: &mut State, invalidation: &Invalidation, fault: Option<&Fault>) -> Response {
    let status = match fault {
        Some(Fault::Status(status)) => status,
        _ => state.invalidation_status(invalidation),
    };
    if status == "Completed" && !matches!(fault, Some(Fault::After(_))) {
        let mut recorded = state.invalidations.iter_mut();
        if let Some(recorded) = recorded.find(|i| i.id == invalidation.id) {
            recorded.shown_completed.get_or_insert_with(SystemTime::now);
        }
    }
    documents::invalidation(invalidation, status)
}
