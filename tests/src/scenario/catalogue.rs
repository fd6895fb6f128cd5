//! The scenarios: to add one is to describe it here.

use std::time::Duration;

use aws_sdk_sfn::types::ExecutionStatus;
use stand_in::{Behavior, ConnectionFault, Fault, Operation};

use super::{Decider, Incident, Scenario};

const ONE: &str = "E2QWRUHAPOMQZL";
const THREE: &str = "E1WEBSITE00001,E2IMAGES000002,E3DOWNLOADS003";
/// More than CloudFront works on at a time, where its quota is still 15.
const SIXTEEN_WILDCARDS: &str = "/a*,/b*,/c*,/d*,/e*,/f*,/g*,/h*,/i*,/j*,/k*,/l*,/m*,/n*,/o*,/p*";

/// One distribution, purged at once. What a scenario does not say is as here.
const GOOD: Scenario = Scenario {
    name: "",
    about: "",
    distributions: ONE,
    parameters: &[],
    prepare: |_, _| {},
    incident: Incident::None,
    ends: Some((ExecutionStatus::Succeeded, None)),
    cause: None,
    decider: Decider::Completion,
    reports: 1,
    purges: 1,
};

/// CloudFront's quota is used up.
fn busy() -> Fault {
    Fault::new(
        "TooManyInvalidationsInProgress",
        400,
        "Processing your request will cause you to exceed the maximum number of in-progress wildcard invalidations.",
    )
}

/// All of them; the first is what happens on a good day.
pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "purge",
        about: "one distribution, invalidated in 12 seconds",
        prepare: |aws, deployment| {
            aws.invalidations_take(&deployment.id, Some(Duration::from_secs(12)))
        },
        ..GOOD
    },
    Scenario {
        name: "several",
        about: "three distributions; one takes longer than the others",
        distributions: THREE,
        prepare: |aws, deployment| {
            aws.invalidations_take(&deployment.id, Some(Duration::from_secs(8)));
            aws.invalidations_take(
                &deployment.caller_reference(2),
                Some(Duration::from_secs(18)),
            );
        },
        purges: 3,
        ..GOOD
    },
    Scenario {
        name: "slow",
        about: "an invalidation that takes 40 seconds, checked less and less often",
        prepare: |aws, deployment| {
            aws.invalidations_take(&deployment.id, Some(Duration::from_secs(40)))
        },
        ..GOOD
    },
    Scenario {
        name: "busy",
        about: "CloudFront has too many invalidations in progress at first",
        prepare: |aws, deployment| {
            aws.inject(Operation::CreateInvalidation, &deployment.id, 1, busy());
        },
        ..GOOD
    },
    Scenario {
        name: "reply-lost",
        about: "CloudFront's reply is lost, and it refuses the same request again: the invalidation is looked for",
        prepare: |aws, deployment| {
            let behavior = Behavior {
                rejects_known_caller_reference: true,
                ..Behavior::default()
            };
            aws.set_behavior(&deployment.id, behavior);
            let lost = Fault::After(ConnectionFault::Closed);
            aws.inject(Operation::CreateInvalidation, &deployment.id, 1, lost);
        },
        ..GOOD
    },
    Scenario {
        name: "unavailable",
        about: "CloudFront answers with 503 for a while, CodeDeploy is throttled",
        prepare: |aws, deployment| {
            let unavailable = Fault::new("ServiceUnavailable", 503, "CloudFront is busy.");
            aws.inject(
                Operation::CreateInvalidation,
                &deployment.id,
                4,
                unavailable.clone(),
            );
            aws.inject(Operation::GetInvalidation, &deployment.id, 4, unavailable);
            let throttled = Fault::new("ThrottlingException", 400, "Rate exceeded");
            aws.inject(
                Operation::PutLifecycleEventHookExecutionStatus,
                &deployment.id,
                4,
                throttled,
            );
        },
        reports: 5,
        ..GOOD
    },
    Scenario {
        name: "twice",
        about: "CodeDeploy delivers the same event three times: one invalidation, one status",
        prepare: |aws, deployment| {
            aws.invalidations_take(&deployment.id, Some(Duration::from_secs(5)))
        },
        incident: Incident::EventAgain,
        ..GOOD
    },
    Scenario {
        name: "access-denied",
        about: "CloudFront denies access",
        prepare: |aws, deployment| {
            let denied = Fault::new(
                "AccessDenied",
                403,
                "User is not authorized to perform: cloudfront:CreateInvalidation",
            );
            aws.inject(Operation::CreateInvalidation, &deployment.id, 1, denied);
        },
        ends: Some((ExecutionStatus::Failed, Some("AccessDenied"))),
        cause: Some(
            "distribution E2QWRUHAPOMQZL … (HTTP 403) … permissions boundary … Reported {answer} to CodeDeploy for deployment d- … OnInvalidationFailure is",
        ),
        decider: Decider::FailedPolicy,
        reports: 2,
        purges: 0,
        ..GOOD
    },
    Scenario {
        name: "not-found",
        about: "the last of three distributions does not exist; the others are invalidated all the same",
        distributions: THREE,
        prepare: |aws, deployment| {
            let missing = Fault::new(
                "NoSuchDistribution",
                404,
                "The specified distribution does not exist.",
            );
            let last = deployment.caller_reference(2);
            aws.inject(Operation::CreateInvalidation, &last, 1, missing);
        },
        ends: Some((ExecutionStatus::Failed, Some("DistributionNotFound"))),
        cause: Some(
            "1 of 3 distributions … distribution E3DOWNLOADS003 … DistributionIds parameter … Reported {answer} to CodeDeploy for deployment d-",
        ),
        decider: Decider::FailedPolicy,
        reports: 2,
        purges: 2,
        ..GOOD
    },
    Scenario {
        name: "timed-out",
        about: "an invalidation that never completes, with MaxWaitSeconds=20",
        parameters: &[("MaxWaitSeconds", "20")],
        prepare: |aws, deployment| aws.invalidations_take(&deployment.id, None),
        ends: Some((ExecutionStatus::Failed, Some("InvalidationTimedOut"))),
        cause: Some(
            "invalidation I0 … of distribution E2QWRUHAPOMQZL is still in progress after … Reported {answer} to CodeDeploy for deployment d- … OnInvalidationTimeout is",
        ),
        decider: Decider::OverduePolicy,
        reports: 2,
        ..GOOD
    },
    Scenario {
        name: "stopped",
        about: "an engineer stops the execution: the queue of pending reports takes over",
        prepare: |aws, deployment| aws.invalidations_take(&deployment.id, None),
        incident: Incident::Stop,
        ends: Some((ExecutionStatus::Aborted, Some("StoppedByHand"))),
        cause: Some("An engineer pressed Stop"),
        decider: Decider::FailedPolicy,
        ..GOOD
    },
    Scenario {
        name: "not-reported",
        about: "CodeDeploy rejects the status of a completed invalidation: the queue of pending reports repeats it",
        prepare: |aws, deployment| {
            let refused = Fault::new(
                "DeploymentDoesNotExistException",
                400,
                "The deployment does not exist.",
            );
            aws.inject(
                Operation::PutLifecycleEventHookExecutionStatus,
                &deployment.id,
                1,
                refused,
            );
        },
        ends: Some((ExecutionStatus::Failed, Some("InvalidatedButNotReported"))),
        cause: Some(
            "The invalidations are completed, but CodeDeploy rejected status Succeeded for deployment d- … put-lifecycle-event-hook",
        ),
        reports: 2,
        ..GOOD
    },
    Scenario {
        name: "manual",
        about: "an engineer starts an execution in the console: no deployment waits for it",
        prepare: |_, _| {},
        incident: Incident::StartedByHand("/*"),
        decider: Decider::Nobody,
        reports: 0,
        ..GOOD
    },
    Scenario {
        name: "bad-input",
        about: "an engineer starts an execution in the console with a wrong path",
        prepare: |_, _| {},
        incident: Incident::StartedByHand("index.html"),
        ends: Some((ExecutionStatus::Failed, Some("InvalidInput"))),
        cause: Some("`paths[0]` … not start with / … No deployment waits"),
        decider: Decider::Nobody,
        reports: 0,
        purges: 0,
        ..GOOD
    },
    Scenario {
        name: "no-start",
        about: "the state machine is gone: the hook function reports by itself",
        prepare: |_, _| {},
        incident: Incident::NoStateMachine,
        ends: None,
        decider: Decider::FailedPolicy,
        purges: 0,
        ..GOOD
    },
    Scenario {
        name: "bad-settings",
        about: "somebody has edited the hook function's variables: it reports by itself",
        prepare: |_, _| {},
        incident: Incident::VariableSet("PATHS", "index.html"),
        ends: None,
        decider: Decider::FailedPolicy,
        purges: 0,
        ..GOOD
    },
    Scenario {
        name: "hook-fails",
        about: "the hook function can neither start nor report: it leaves the event to the queue of pending reports",
        prepare: |aws, deployment| {
            let internal = Fault::new("InternalFailure", 500, "Try again later.");
            // As often as the SDK tries.
            aws.inject(
                Operation::PutLifecycleEventHookExecutionStatus,
                &deployment.id,
                3,
                internal,
            );
        },
        incident: Incident::NoStateMachine,
        ends: None,
        decider: Decider::FailedPolicy,
        reports: 4,
        purges: 0,
        ..GOOD
    },
    Scenario {
        name: "unreachable",
        about: "CloudFront answers no status check until the deadline, with MaxWaitSeconds=20: not a timeout, but a failure",
        parameters: &[("MaxWaitSeconds", "20")],
        prepare: |aws, deployment| {
            let unavailable = Fault::new("ServiceUnavailable", 503, "CloudFront is busy.");
            aws.inject(
                Operation::GetInvalidation,
                &deployment.id,
                usize::MAX,
                unavailable,
            );
        },
        ends: Some((ExecutionStatus::Failed, Some("InvalidationStatusUnknown"))),
        cause: Some(
            "distribution E2QWRUHAPOMQZL is not known … ServiceUnavailable … Reported {answer} to CodeDeploy for deployment d- … OnInvalidationFailure is",
        ),
        decider: Decider::FailedPolicy,
        reports: 2,
        ..GOOD
    },
    Scenario {
        name: "too-many",
        about: "sixteen wildcards, and CloudFront never accepts so many, with MaxWaitSeconds=20",
        parameters: &[("MaxWaitSeconds", "20"), ("Paths", SIXTEEN_WILDCARDS)],
        prepare: |aws, deployment| {
            aws.inject(
                Operation::CreateInvalidation,
                &deployment.id,
                usize::MAX,
                busy(),
            );
        },
        ends: Some((ExecutionStatus::Failed, Some("InvalidationNotCreated"))),
        cause: Some(
            "distribution E2QWRUHAPOMQZL (paths: 16, of which wildcards: 16) … use fewer paths … Reported {answer} to CodeDeploy for deployment d-",
        ),
        decider: Decider::FailedPolicy,
        reports: 2,
        purges: 0,
        ..GOOD
    },
];
