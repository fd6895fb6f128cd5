//! Each fault, at each call that a function makes, so many times. What must come of it follows from the class of the fault and from the call.

mod expect;
mod runs;

use stand_in::{ConnectionFault, Fault, Operation};
use strum::VariantArray;

use super::{FEW, MANY, SEARCHED, rejected};
use crate::case::Case;

/// The calls that functions make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Start,
    Create(usize),
    Get(usize),
    /// Only if there are cache tags.
    Config,
    List,
    TenantCreate,
    TenantGet,
    TenantList,
    /// Only if there are cache tags.
    Tenant,
    /// Only if each deployment group has its own targets.
    Deployment,
    Report,
    /// Of an execution that the hook function may have started before it crashed.
    Describe,
    /// Of an execution that failed, whose event does not have the error.
    DescribeError,
    Queue,
    /// Of the function that Amazon ECS calls.
    EcsStart,
    EcsDescribe,
    EcsQueue,
    /// Of the function for rollbacks: after one of CodeDeploy…
    RollbackDeployment,
    RollbackStart,
    /// …and of Amazon ECS.
    RollbackStatus,
}

impl Target {
    const ALL: [Self; 22] = [
        Self::Start,
        Self::Create(0),
        Self::Create(1),
        Self::Get(0),
        Self::Get(1),
        Self::Config,
        Self::List,
        Self::TenantCreate,
        Self::TenantGet,
        Self::TenantList,
        Self::Tenant,
        Self::Deployment,
        Self::Report,
        Self::Describe,
        Self::DescribeError,
        Self::Queue,
        Self::EcsStart,
        Self::EcsDescribe,
        Self::EcsQueue,
        Self::RollbackDeployment,
        Self::RollbackStart,
        Self::RollbackStatus,
    ];

    fn operation(self) -> Operation {
        match self {
            Self::Start | Self::EcsStart | Self::RollbackStart => Operation::StartExecution,
            Self::Create(_) => Operation::CreateInvalidation,
            Self::Get(_) => Operation::GetInvalidation,
            Self::Config => Operation::GetDistributionConfig,
            Self::List => Operation::ListInvalidations,
            Self::TenantCreate => Operation::CreateInvalidationForDistributionTenant,
            Self::TenantGet => Operation::GetInvalidationForDistributionTenant,
            Self::TenantList => Operation::ListInvalidationsForDistributionTenant,
            Self::Tenant => Operation::GetDistributionTenant,
            Self::Deployment | Self::RollbackDeployment => Operation::GetDeployment,
            Self::RollbackStatus => Operation::DescribeServiceDeployments,
            Self::Report => Operation::PutLifecycleEventHookExecutionStatus,
            Self::Describe | Self::DescribeError | Self::EcsDescribe => {
                Operation::DescribeExecution
            }
            Self::Queue | Self::EcsQueue => Operation::SendMessage,
        }
    }

    /// The same code as for a distribution makes the call.
    fn is_of_a_tenant(self) -> bool {
        matches!(
            self,
            Self::TenantCreate | Self::TenantGet | Self::TenantList | Self::Tenant
        )
    }

    fn has_no_codedeploy_hook(self) -> bool {
        matches!(self, Self::EcsStart | Self::EcsDescribe | Self::EcsQueue)
            || self.is_after_a_rollback()
    }

    fn is_a_read(self) -> bool {
        !matches!(
            self.operation(),
            Operation::StartExecution
                | Operation::CreateInvalidation
                | Operation::CreateInvalidationForDistributionTenant
                | Operation::PutLifecycleEventHookExecutionStatus
                | Operation::SendMessage
        )
    }

    fn is_after_a_rollback(self) -> bool {
        matches!(
            self,
            Self::RollbackDeployment | Self::RollbackStart | Self::RollbackStatus
        )
    }

    fn item(self) -> Option<usize> {
        match self {
            Self::Create(item) | Self::Get(item) => Some(item),
            Self::TenantCreate | Self::TenantGet | Self::TenantList => Some(0),
            _ => None,
        }
    }

    /// Throttled, denied and not found, as this call's service says it.
    fn codes(self) -> [(&'static str, u16); 3] {
        let json = |not_found| {
            [
                ("ThrottlingException", 400),
                ("AccessDeniedException", 400),
                (not_found, 400),
            ]
        };
        let xml = |not_found| [("Throttling", 400), ("AccessDenied", 403), (not_found, 404)];
        match self {
            Self::Start | Self::EcsStart | Self::RollbackStart => json("StateMachineDoesNotExist"),
            Self::Describe | Self::DescribeError | Self::EcsDescribe => {
                json("ExecutionDoesNotExist")
            }
            Self::Deployment | Self::RollbackDeployment | Self::Report => {
                json("DeploymentDoesNotExistException")
            }
            Self::RollbackStatus => json("ClusterNotFoundException"),
            Self::Create(_) | Self::Config | Self::List => xml("NoSuchDistribution"),
            Self::TenantCreate | Self::TenantList | Self::Tenant => xml("EntityNotFound"),
            Self::Get(_) | Self::TenantGet => xml("NoSuchInvalidation"),
            Self::Queue | Self::EcsQueue => [
                ("RequestThrottled", 400),
                ("AccessDenied", 403),
                ("AWS.SimpleQueueService.NonExistentQueue", 400),
            ],
        }
    }
}

/// The faults of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, VariantArray)]
enum FaultKind {
    Throttled,
    InternalError,
    Unavailable,
    Denied,
    NotFound,
    Unparseable,
    ConnectionClosed,
    ResponseLost,
    TooSlow,
    CrashBefore,
    CrashAfter,
    TimesOut,
}

/// What faults have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Nothing happened; the next attempt may succeed.
    Transient,
    Denied,
    Missing,
    /// The call has its effect, but the caller doesn't see the response.
    EffectWithoutResponse,
    /// The function ends at the call, which has no effect.
    CallerDies,
    /// The function ends when the call has had its effect.
    CallerDiesAfter,
}

impl FaultKind {
    fn at(self, target: Target) -> Fault {
        let [throttled, denied, not_found] = target.codes();
        let rejected = |(code, status)| rejected(code, status);
        match self {
            Self::Throttled => rejected(throttled),
            Self::InternalError => rejected(("InternalFailure", 500)),
            Self::Unavailable => rejected(("ServiceUnavailable", 503)),
            Self::Denied => rejected(denied),
            Self::NotFound => rejected(not_found),
            Self::Unparseable => Fault::After(ConnectionFault::Unparseable),
            Self::ConnectionClosed => Fault::Before(ConnectionFault::Closed),
            Self::ResponseLost => Fault::After(ConnectionFault::Closed),
            Self::TooSlow => Fault::After(ConnectionFault::NoResponse),
            Self::CrashBefore => Fault::Before(ConnectionFault::CallerKilled),
            Self::CrashAfter => Fault::After(ConnectionFault::CallerKilled),
            Self::TimesOut => Fault::Before(ConnectionFault::CallerFrozen),
        }
    }

    /// One of each class.
    fn is_typical(self) -> bool {
        use FaultKind::{CrashAfter, CrashBefore, Denied, NotFound, ResponseLost, Unavailable};
        let kinds = [
            Unavailable,
            Denied,
            NotFound,
            ResponseLost,
            CrashBefore,
            CrashAfter,
        ];
        kinds.contains(&self)
    }

    fn class(self) -> Class {
        match self {
            Self::Throttled | Self::InternalError | Self::Unavailable | Self::ConnectionClosed => {
                Class::Transient
            }
            Self::Denied => Class::Denied,
            Self::NotFound => Class::Missing,
            Self::Unparseable | Self::ResponseLost | Self::TooSlow => Class::EffectWithoutResponse,
            Self::CrashBefore | Self::TimesOut => Class::CallerDies,
            Self::CrashAfter => Class::CallerDiesAfter,
        }
    }
}

impl Class {
    fn has_its_effect(self) -> bool {
        matches!(self, Self::EffectWithoutResponse | Self::CallerDiesAfter)
    }

    fn ends_the_function(self) -> bool {
        matches!(self, Self::CallerDies | Self::CallerDiesAfter)
    }
}

/// How many calls meet the fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, VariantArray)]
enum Times {
    Once,
    AFew,
    /// Only the queue of pending reports outlasts so many.
    Many,
    Always,
}

impl Times {
    fn count(self) -> Option<usize> {
        match self {
            Self::Once => Some(1),
            Self::AFew => FEW,
            Self::Many => MANY,
            Self::Always => None,
        }
    }
}

pub(super) fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    for target in Target::ALL {
        for &kind in FaultKind::VARIANTS {
            for &times in Times::VARIANTS {
                if !is_left_out(target, kind, times) {
                    let case = case(target, kind, times);
                    let other_behavior = with_other_behavior(&case, target, kind.class());
                    cases.push(case);
                    cases.extend(other_behavior);
                }
            }
        }
    }
    cases
}

/// Left out is what another case shows as well, and what takes half an hour: sixty timeouts, or one for each receipt of a message.
fn is_left_out(target: Target, kind: FaultKind, times: Times) -> bool {
    let is_of_the_queue = matches!(
        target,
        Target::Report | Target::Describe | Target::DescribeError
    );
    // A read has no effect: a crash after it is like one before it.
    if kind == FaultKind::CrashAfter && target.is_a_read() {
        return true;
    }
    match times {
        Times::Once => false,
        // The same retries as those of CreateInvalidation, or of StartExecution in less time.
        Times::AFew => {
            target.is_of_a_tenant()
                || target.has_no_codedeploy_hook()
                || matches!(target, Target::Config | Target::Deployment)
        }
        Times::Many => target != Target::Report || kind.class().ends_the_function(),
        // Each takes as many receipts of a message as three hours have minutes, whatever the error is.
        Times::Always if target.is_after_a_rollback() => {
            !matches!(kind, FaultKind::Unavailable | FaultKind::CrashBefore)
        }
        Times::Always => is_of_the_queue && kind == FaultKind::TimesOut,
    }
}

fn case(target: Target, kind: FaultKind, times: Times) -> Case {
    let name = format!("{target:?}, {kind:?}, {times:?}");
    let fault = kind.at(target);
    let mut case =
        target
            .base(name)
            .fault_at(target.item(), target.operation(), times.count(), fault);
    case.quick = times == Times::Once
        && !target.is_of_a_tenant()
        && (kind.is_typical() || !target.has_no_codedeploy_hook());
    case.long = times != Times::Once;
    expect::expect(case, target, kind.class(), times)
}

/// The same case where AWS behaves in the other of two ways that are not known.
fn with_other_behavior(case: &Case, target: Target, class: Class) -> Option<Case> {
    if !class.has_its_effect() {
        return None;
    }
    let mut other = case.clone();
    match target {
        Target::Create(_) => {
            other.stack.distributions = SEARCHED.into();
            other.behavior.rejects_known_caller_reference = true;
            other.name += ", a known caller reference is rejected";
        }
        Target::Report => {
            other.behavior.accepts_repeated_status = true;
            other.name += ", a repeated status is accepted";
        }
        _ => return None,
    }
    Some(other)
}
