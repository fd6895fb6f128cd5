//! What must come of a fault: by its class, and by the call that meets it.

use super::{Class, Target, Times};
use crate::{
    case::{Case, DeadLetter, End, StatusFrom},
    environment::Engine,
    matrix::failed,
};

/// A function's own failure: it crashed, or timed out.
const CRASHED: &[&str] = &["Runtime.ExitError", "Sandbox.Timedout"];

/// The table of expectations: what must come of a fault of this class.
pub(super) fn expect(case: Case, target: Target, class: Class, times: Times) -> Case {
    let once = times == Times::Once;
    let always = times == Times::Always;
    match (target, class) {
        (Target::Start | Target::Deployment, Class::Denied | Class::Missing) => case.not_started(),
        (Target::Start, Class::CallerDies) if !once => case.not_started(),
        // The execution reports; invalidations take longer than the attempts of the hook function.
        (Target::Start, Class::CallerDiesAfter) => case.taking(6.0),
        // The hook function can't know that it has started the execution, and reports.
        (Target::Start, Class::EffectWithoutResponse) if always => case
            .taking(60.0)
            .ending(End::Succeeded, StatusFrom::OnInvalidationFailure),
        (Target::Start | Target::Deployment, _) if always => case.not_started(),

        (Target::EcsStart | Target::EcsDescribe, _) => expect_of_ecs(case, target, class, always),
        (Target::EcsQueue, _) => expect_of_the_rollbacks_message(case, class, always),
        (Target::RollbackStart, _) if always && class.has_its_effect() => case.never_reported(),
        (Target::RollbackDeployment | Target::RollbackStart | Target::RollbackStatus, _)
            if always =>
        {
            case.not_started().never_reported()
        }

        (Target::Create(item), _) => expect_of_create(case, item, class, always),
        (Target::Config | Target::List, _) => expect_of_create(case, 0, class, always),
        (Target::TenantCreate | Target::TenantList | Target::Tenant, Class::Missing) => {
            case.failing_at(0, &["DistributionTenantNotFound"])
        }
        (Target::TenantCreate | Target::TenantList | Target::Tenant, _) => {
            expect_of_create(case, 0, class, always)
        }
        (Target::Get(item), _) => expect_of_get(case, item, class, always),
        (Target::TenantGet, _) => expect_of_get(case, 0, class, always),

        (Target::Describe, _) if always && class.ends_the_function() => {
            case.not_started().never_reported()
        }
        (Target::Describe | Target::Queue, _) => case.not_started(),
        (Target::DescribeError, _) => expect_of_the_error(case, class, always),
        (Target::Report, _) => expect_of_the_report(case, class, times),
        _ => case,
    }
}

/// Amazon ECS calls again, as often as the function asks for it.
fn expect_of_ecs(case: Case, target: Target, class: Class, always: bool) -> Case {
    match (target, class) {
        (Target::EcsStart, Class::CallerDiesAfter) => {
            case.ending(End::Succeeded, StatusFrom::Crash)
        }
        (_, Class::CallerDies | Class::CallerDiesAfter) => {
            let mut case = case.not_started();
            case.expected.status = StatusFrom::Crash;
            case
        }
        // The next call finds the execution.
        (Target::EcsStart, Class::EffectWithoutResponse) => case,
        (Target::EcsStart, Class::Missing) | (_, Class::Denied) => case.not_started(),
        (Target::EcsDescribe, Class::Missing) if always => {
            case.ending(End::Succeeded, StatusFrom::OnInvalidationFailure)
        }
        _ if always => case.not_started(),
        _ => case,
    }
}

/// Nobody waits for a status after a rollback.
fn expect_of_the_rollbacks_message(case: Case, class: Class, always: bool) -> Case {
    let mut case = match class {
        Class::Denied | Class::Missing | Class::CallerDies => case.not_started(),
        Class::Transient if always => case.not_started(),
        _ => case,
    };
    case.expected.status = if class.ends_the_function() {
        StatusFrom::Crash
    } else {
        StatusFrom::Nothing
    };
    case
}

fn expect_of_create(case: Case, item: usize, class: Class, always: bool) -> Case {
    match class {
        Class::Denied => case.failing_at(item, &["AccessDenied"]),
        Class::Missing => case.failing_at(item, &["DistributionNotFound"]),
        _ if always && class.ends_the_function() => case.failing_at(item, CRASHED),
        _ if always => case.failing_at(item, &["CloudFrontUnavailable"]),
        _ => case,
    }
}

fn expect_of_get(case: Case, item: usize, class: Class, always: bool) -> Case {
    match class {
        Class::Denied => case.failing_at(item, &["AccessDenied"]),
        Class::Missing if always => case.failing_at(item, &["InvalidationNotFound"]),
        // One function checks all invalidations.
        _ if always && class.ends_the_function() => case.failing(CRASHED),
        _ if always => {
            let mut case = case.failing_at(item, &["InvalidationStatusUnknown"]);
            let parameters = &mut case.stack.parameters;
            parameters.insert("MaxWaitSeconds".to_owned(), "40".to_owned());
            case
        }
        _ => case,
    }
}

/// `report-status` asks for the error of an execution whose report was denied, as moto's event doesn't have it.
fn expect_of_the_error(mut case: Case, class: Class, always: bool) -> Case {
    case.engines = vec![Engine::Moto];
    let end = failed(&["InvalidatedButNotReported"]);
    match class {
        _ if always && class.ends_the_function() => {
            case.ending(end, StatusFrom::Nothing).never_reported()
        }
        Class::Missing => case.ending(end, StatusFrom::OnInvalidationFailure),
        _ if always => case.ending(end, StatusFrom::OnInvalidationFailure),
        _ => case.ending(end, StatusFrom::Completion),
    }
}

fn expect_of_the_report(mut case: Case, class: Class, times: Times) -> Case {
    // More often than the state machine retries.
    let outlasts_the_execution = matches!(times, Times::Many | Times::Always);
    let always = times == Times::Always;
    if always {
        case.expected.dead_letter = DeadLetter::Either;
    }
    let end = failed(&["InvalidatedButNotReported"]);
    match class {
        Class::Denied | Class::Missing => {
            let case = case.ending(end, StatusFrom::Completion);
            if outlasts_the_execution {
                case.never_reported()
            } else {
                Case {
                    long: false,
                    ..case
                }
            }
        }
        _ if always && !class.has_its_effect() => {
            case.ending(end, StatusFrom::Completion).never_reported()
        }
        _ if outlasts_the_execution => case.ending(end, StatusFrom::Completion),
        _ => case,
    }
}
