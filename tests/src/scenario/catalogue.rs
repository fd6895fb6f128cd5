//! The scenarios: to add one is to describe it here.

use std::time::Duration;

use aws_sdk_sfn::types::ExecutionStatus;
use stand_in::{Fault, Mishap, Operation, Switches};

use super::{Decider, Incident, Scenario};

const ONE: &str = "E2QWRUHAPOMQZL";
const THREE: &str = "E1WEBSITE00001,E2IMAGES000002,E3DOWNLOADS003";
/// One wildcard more than CloudFront works on at a time: no pattern of the template can count them.
pub(crate) const SIXTEEN_WILDCARDS: &str =
    "/a*,/b*,/c*,/d*,/e*,/f*,/g*,/h*,/i*,/j*,/k*,/l*,/m*,/n*,/o*,/p*";

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

/// All of them; the first is what happens on a good day.
pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "purge",
        about: "one distribution, purged in 12 seconds",
        prepare: |aws, deployment| aws.purge_takes(&deployment.id, Some(Duration::from_secs(12))),
        ..GOOD
    },
    Scenario {
        name: "several",
        about: "three distributions; one takes longer than the others",
        distributions: THREE,
        prepare: |aws, deployment| {
            aws.purge_takes(&deployment.id, Some(Duration::from_secs(8)));
            aws.purge_takes(
                &deployment.caller_reference(2),
                Some(Duration::from_secs(18)),
            );
        },
        purges: 3,
        ..GOOD
    },
    Scenario {
        name: "slow",
        about: "a purge that takes 40 seconds, looked at less and less often",
        prepare: |aws, deployment| aws.purge_takes(&deployment.id, Some(Duration::from_secs(40))),
        ..GOOD
    },
    Scenario {
        name: "busy",
        about: "CloudFront has too many invalidations in progress at first",
        prepare: |aws, deployment| {
            let busy = Fault::new(
                "TooManyInvalidationsInProgress",
                400,
                "Processing your request will cause you to exceed the maximum number of in-progress wildcard invalidations.",
            );
            aws.plan(Operation::CreateInvalidation, &deployment.id, 1, busy);
        },
        ..GOOD
    },
    Scenario {
        name: "reply-lost",
        about: "CloudFront's reply is lost, and it refuses the same request again: the invalidation is looked for",
        prepare: |aws, deployment| {
            let switches = Switches {
                caller_reference_conflicts: true,
                ..Switches::default()
            };
            aws.switch(&deployment.id, switches);
            let lost = Fault::After(Mishap::Dropped);
            aws.plan(Operation::CreateInvalidation, &deployment.id, 1, lost);
        },
        ..GOOD
    },
    Scenario {
        name: "unavailable",
        about: "CloudFront answers with 503 for a while, CodeDeploy is throttled",
        prepare: |aws, deployment| {
            let unavailable = Fault::new("ServiceUnavailable", 503, "CloudFront is busy.");
            aws.plan(
                Operation::CreateInvalidation,
                &deployment.id,
                4,
                unavailable.clone(),
            );
            aws.plan(Operation::GetInvalidation, &deployment.id, 4, unavailable);
            let throttled = Fault::new("ThrottlingException", 400, "Rate exceeded");
            aws.plan(
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
        about: "CodeDeploy delivers the same event three times: one purge, one answer",
        prepare: |aws, deployment| aws.purge_takes(&deployment.id, Some(Duration::from_secs(5))),
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
            aws.plan(Operation::CreateInvalidation, &deployment.id, 1, denied);
        },
        ends: Some((ExecutionStatus::Failed, Some("AccessDenied"))),
        cause: Some(
            "distribution E2QWRUHAPOMQZL … (HTTP 403) … permissions boundary … CodeDeploy was told {answer} for deployment d- … OnPurgeFailed is",
        ),
        decider: Decider::FailedPolicy,
        reports: 2,
        purges: 0,
        ..GOOD
    },
    Scenario {
        name: "not-found",
        about: "the last of three distributions does not exist",
        distributions: THREE,
        prepare: |aws, deployment| {
            let missing = Fault::new(
                "NoSuchDistribution",
                404,
                "The specified distribution does not exist.",
            );
            let last = deployment.caller_reference(2);
            aws.plan(Operation::CreateInvalidation, &last, 1, missing);
        },
        ends: Some((ExecutionStatus::Failed, Some("DistributionNotFound"))),
        cause: Some(
            "distribution E3DOWNLOADS003 does not exist … DistributionIds parameter … CodeDeploy was told {answer} for deployment d-",
        ),
        decider: Decider::FailedPolicy,
        reports: 2,
        purges: 2,
        ..GOOD
    },
    Scenario {
        name: "overdue",
        about: "a purge that never completes, with the longest wait set to 20 seconds",
        parameters: &[("LongestWaitSeconds", "20")],
        prepare: |aws, deployment| aws.purge_takes(&deployment.id, None),
        ends: Some((ExecutionStatus::Failed, Some("PurgeOverdue"))),
        cause: Some(
            "invalidation I0 … of distribution E2QWRUHAPOMQZL is still in progress after … CodeDeploy was told {answer} for deployment d- … OnPurgeOverdue is",
        ),
        decider: Decider::OverduePolicy,
        reports: 2,
        ..GOOD
    },
    Scenario {
        name: "stopped",
        about: "an engineer stops the execution: the safety net answers",
        prepare: |aws, deployment| aws.purge_takes(&deployment.id, None),
        incident: Incident::Stop,
        ends: Some((ExecutionStatus::Aborted, Some("StoppedByHand"))),
        cause: Some("An engineer pressed Stop"),
        decider: Decider::FailedPolicy,
        ..GOOD
    },
    Scenario {
        name: "not-told",
        about: "CodeDeploy refuses the answer of a completed purge: the safety net repeats it",
        prepare: |aws, deployment| {
            let refused = Fault::new(
                "DeploymentDoesNotExistException",
                400,
                "The deployment does not exist.",
            );
            aws.plan(
                Operation::PutLifecycleEventHookExecutionStatus,
                &deployment.id,
                1,
                refused,
            );
        },
        ends: Some((ExecutionStatus::Failed, Some("PurgedButNotTold"))),
        cause: Some(
            "The purge is completed, but CodeDeploy refuses Succeeded for deployment d- … put-lifecycle-event-hook",
        ),
        reports: 2,
        ..GOOD
    },
    Scenario {
        name: "by-hand",
        about: "an engineer starts the purge in the console: no deployment waits for it",
        prepare: |_, _| {},
        incident: Incident::StartedByHand("/*"),
        decider: Decider::Nobody,
        reports: 0,
        ..GOOD
    },
    Scenario {
        name: "bad-input",
        about: "an engineer starts the purge in the console with a wrong path",
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
        about: "the state machine is gone: the entry function answers by itself",
        prepare: |_, _| {},
        incident: Incident::NoStateMachine,
        ends: None,
        decider: Decider::FailedPolicy,
        purges: 0,
        ..GOOD
    },
    Scenario {
        name: "bad-settings",
        about: "the stack has one wildcard path too many: the entry function answers by itself",
        parameters: &[("Paths", SIXTEEN_WILDCARDS)],
        prepare: |_, _| {},
        ends: None,
        decider: Decider::FailedPolicy,
        purges: 0,
        ..GOOD
    },
    Scenario {
        name: "entry-fails",
        about: "the entry function can neither start nor answer: its failure destination answers",
        prepare: |aws, deployment| {
            let internal = Fault::new("InternalFailure", 500, "Try again later.");
            // Lambda makes two attempts, and the SDK three calls in each.
            aws.plan(
                Operation::PutLifecycleEventHookExecutionStatus,
                &deployment.id,
                6,
                internal,
            );
        },
        incident: Incident::NoStateMachineAsynchronous,
        ends: None,
        decider: Decider::FailedPolicy,
        reports: 7,
        purges: 0,
        ..GOOD
    },
];
