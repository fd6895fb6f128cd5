//! The scenarios of `make demo`, which the end-to-end tests run as well. To add one, describe it here.

use std::time::Duration;

use stand_in::{Behavior, ConnectionFault, Fault, Operation};

use crate::{
    case::{
        Case, Change, DeadLetter, End, Expected, FailureActions, Intervention, Invocation,
        StackConfig, StatusFrom, Trigger,
    },
    environment::Engine,
};

const ONE: &str = "E2QWRUHAPOMQZL";
/// Where an invalidation is searched for, so that no fault of another scenario's invalidations gets in the way.
const SEARCHED: &str = "E5EXAMPLE00005";
const THREE: &str = "E1WEBSITE00001,E2IMAGES000002,E3DOWNLOADS003";
/// More than CloudFront processes at a time, where its quota is still 15.
const SIXTEEN_WILDCARDS: &str = "/a*,/b*,/c*,/d*,/e*,/f*,/g*,/h*,/i*,/j*,/k*,/l*,/m*,/n*,/o*,/p*";
const SHORT_WAIT: (&str, &str) = ("MaxWaitSeconds", "20");

/// A case that the demo can show.
pub struct Scenario {
    /// What it shows, in a line.
    pub about: &'static str,
    pub case: Case,
}

impl Scenario {
    pub fn named(name: &str) -> Option<Self> {
        all()
            .into_iter()
            .find(|scenario| scenario.case.name == name)
    }
}

/// All scenarios. In the first one, nothing goes wrong.
pub fn all() -> Vec<Scenario> {
    [completed(), failed(), timed_out(), without_an_execution()]
        .into_iter()
        .flatten()
        .collect()
}

/// One distribution, invalidated at once.
fn scenario(name: &str, about: &'static str, distributions: &'static str) -> Scenario {
    let stack = StackConfig {
        distributions,
        parameters: &[],
        change: None,
    };
    let count = stack.distribution_ids().count();
    let case = Case {
        name: name.to_owned(),
        stack,
        actions: FailureActions::DEFAULT,
        faults: Vec::new(),
        invalidations_take: vec![Some(Duration::ZERO); count],
        behavior: Behavior::default(),
        trigger: Trigger::HookEvent(Invocation::Synchronous, 1),
        intervention: Intervention::None,
        deployment: None,
        expected: Expected {
            execution: End::Succeeded,
            status: StatusFrom::Completion,
            dead_letter: DeadLetter::No,
            completed: Vec::new(),
            cause: "",
            reports: Some(1),
            invalidations: Some(count),
            call: None,
        },
        engines: &[Engine::Ministack],
        quick: true,
        long: false,
    };
    Scenario { about, case }
}

impl Scenario {
    fn with(self, change: impl FnOnce(Case) -> Case) -> Self {
        Self {
            case: change(self.case),
            ..self
        }
    }

    fn ending(mut self, execution: End, status: StatusFrom, cause: &'static str) -> Self {
        self.case.expected.cause = cause;
        self.with(|case| case.ending(execution, status))
    }

    fn counting(mut self, reports: usize, invalidations: usize) -> Self {
        self.case.expected.reports = Some(reports);
        self.case.expected.invalidations = Some(invalidations);
        self
    }
}

fn too_many() -> Fault {
    Fault::new(
        "TooManyInvalidationsInProgress",
        400,
        "Processing your request will cause you to exceed the maximum number of in-progress wildcard invalidations.",
    )
}

fn unavailable() -> Fault {
    Fault::new("ServiceUnavailable", 503, "CloudFront is busy.")
}

const CREATE: Operation = Operation::CreateInvalidation;
const GET: Operation = Operation::GetInvalidation;
const REPORT: Operation = Operation::PutLifecycleEventHookExecutionStatus;

/// All invalidations are completed.
fn completed() -> Vec<Scenario> {
    vec![
        scenario("invalidate", "one distribution, invalidated in 12 seconds", ONE)
            .with(|case| case.taking(12)),
        scenario("several", "three distributions; one takes longer than the others", THREE).with(
            |mut case| {
                case.invalidations_take = [8, 8, 18].map(|s| Some(Duration::from_secs(s))).to_vec();
                case
            },
        ),
        scenario("slow", "an invalidation that takes 40 seconds, checked less and less often", ONE)
            .with(|case| case.taking(40)),
        scenario("busy", "CloudFront has too many invalidations in progress at first", ONE)
            .with(|case| case.fault(CREATE, 1, too_many())),
        scenario(
            "reply-lost",
            "CloudFront's response is lost, and it rejects the same request afterwards: the hook finds the invalidation that was created",
            SEARCHED,
        )
        .with(|mut case| {
            case.behavior.rejects_known_caller_reference = true;
            case.fault(CREATE, 1, Fault::After(ConnectionFault::Closed))
        }),
        scenario("unavailable", "CloudFront responds with 503 for a while, CodeDeploy throttles", ONE)
            .with(|case| {
                let throttled = Fault::new("ThrottlingException", 400, "Rate exceeded");
                case.fault(CREATE, 4, unavailable())
                    .fault(GET, 4, unavailable())
                    .fault(REPORT, 4, throttled)
            })
            .counting(5, 1),
        scenario(
            "twice",
            "CodeDeploy delivers the same event three times: one invalidation, one status",
            ONE,
        )
        .with(|mut case| {
            case.trigger = Trigger::HookEvent(Invocation::Synchronous, 2);
            case.intervention = Intervention::HookEventAgain;
            case.taking(5)
        }),
        started_manually("manual", "an engineer starts an execution in the console, not for a deployment", "/*"),
    ]
}

fn started_manually(name: &str, about: &'static str, path: &str) -> Scenario {
    scenario(name, about, ONE)
        .with(|mut case| {
            let input = format!(
                r#"{{ "invalidations": [{{ "distributionId": "{ONE}", "paths": ["{path}"] }}] }}"#
            );
            case.trigger = Trigger::StartExecution(input);
            case.ending(End::Succeeded, StatusFrom::Nothing)
        })
        .counting(0, 1)
}

/// The execution fails, or is stopped.
fn failed() -> Vec<Scenario> {
    let stop = |mut case: Case| {
        case.intervention = Intervention::StopIn("WaitForInvalidation");
        case.taking(None)
    };
    vec![
        scenario("access-denied", "CloudFront denies access", ONE)
            .with(|case| {
                let message = "User is not authorized to perform: cloudfront:CreateInvalidation";
                case.fault(CREATE, 1, Fault::new("AccessDenied", 403, message))
            })
            .ending(
                End::Failed(&["AccessDenied"]),
                StatusFrom::OnInvalidationFailure,
                "distribution E2QWRUHAPOMQZL … (HTTP 403) … permissions boundary … Reported {status} to CodeDeploy for deployment d- … OnInvalidationFailure is",
            )
            .counting(2, 0),
        scenario(
            "not-found",
            "the last of three distributions does not exist; the others are invalidated all the same",
            THREE,
        )
        .with(|mut case| {
            case.expected.completed = vec![0, 1];
            let message = "The specified distribution does not exist.";
            case.fault_at(2, CREATE, 1, Fault::new("NoSuchDistribution", 404, message))
        })
        .ending(
            End::Failed(&["DistributionNotFound"]),
            StatusFrom::OnInvalidationFailure,
            "1 of 3 distributions … distribution E3DOWNLOADS003 … DistributionIds parameter … Reported {status} to CodeDeploy for deployment d-",
        )
        .counting(2, 2),
        scenario("stopped", "an engineer stops the execution: the queue of pending reports takes over", ONE)
            .with(stop)
            .ending(End::Aborted, StatusFrom::OnInvalidationFailure, ""),
        scenario(
            "not-reported",
            "CodeDeploy rejects the status of a completed invalidation: the queue of pending reports repeats it",
            ONE,
        )
        .with(|case| {
            let code = "DeploymentDoesNotExistException";
            case.fault(REPORT, 1, Fault::new(code, 400, "The deployment does not exist."))
        })
        .ending(
            End::Failed(&["InvalidatedButNotReported"]),
            StatusFrom::Completion,
            "The invalidations are completed, but CodeDeploy rejected status Succeeded for deployment d- … put-lifecycle-event-hook",
        )
        .counting(2, 1),
        started_manually(
            "bad-input",
            "an engineer starts an execution in the console with a wrong path",
            "index.html",
        )
        .ending(
            End::Failed(&["InvalidInput"]),
            StatusFrom::Nothing,
            "`paths[0]` … not start with / … No deployment waits",
        )
        .counting(0, 0),
    ]
}

/// CloudFront does not do its part until the deadline.
fn timed_out() -> Vec<Scenario> {
    let short = |mut case: Case| {
        case.stack.parameters = &[SHORT_WAIT];
        case
    };
    vec![
        scenario("timed-out", "an invalidation that never completes, with MaxWaitSeconds=20", ONE)
            .with(short)
            .with(|case| case.taking(None))
            .ending(
                End::Failed(&["InvalidationTimedOut"]),
                StatusFrom::OnInvalidationTimeout,
                "invalidation I0 … of distribution E2QWRUHAPOMQZL is still in progress after … Reported {status} to CodeDeploy for deployment d- … OnInvalidationTimeout is",
            )
            .counting(2, 1),
        scenario(
            "unreachable",
            "CloudFront responds to no status check until the deadline, with MaxWaitSeconds=20: a failure, not a timeout",
            ONE,
        )
        .with(short)
        .with(|case| case.fault(GET, usize::MAX, unavailable()))
        .ending(
            End::Failed(&["InvalidationStatusUnknown"]),
            StatusFrom::OnInvalidationFailure,
            "distribution E2QWRUHAPOMQZL is not known … ServiceUnavailable … Reported {status} to CodeDeploy for deployment d- … OnInvalidationFailure is",
        )
        .counting(2, 1),
        scenario(
            "too-many",
            "sixteen wildcards, and CloudFront never accepts so many, with MaxWaitSeconds=20",
            ONE,
        )
        .with(|mut case| {
            case.stack.parameters = &[SHORT_WAIT, ("Paths", SIXTEEN_WILDCARDS)];
            case.fault(CREATE, usize::MAX, too_many())
        })
        .ending(
            End::Failed(&["InvalidationNotCreated"]),
            StatusFrom::OnInvalidationFailure,
            "distribution E2QWRUHAPOMQZL (paths: 16, of which wildcards: 16) … use fewer paths … Reported {status} to CodeDeploy for deployment d-",
        )
        .counting(2, 0),
    ]
}

/// The hook function cannot start the execution.
fn without_an_execution() -> Vec<Scenario> {
    let changed = |name, about, change| {
        scenario(name, about, ONE)
            .with(|mut case| {
                case.stack.change = Some(change);
                case.ending(End::NotStarted, StatusFrom::OnInvalidationFailure)
            })
            .counting(1, 0)
    };
    vec![
        changed(
            "no-start",
            "the state machine is deleted: the hook function reports the status itself",
            Change::StateMachineDeleted,
        ),
        changed(
            "bad-settings",
            "somebody has edited the hook function's variables: it reports the status itself",
            Change::VariableSet("PATHS", "index.html"),
        ),
        changed(
            "hook-fails",
            "the hook function can neither start nor report: it leaves the event to the queue of pending reports",
            Change::StateMachineDeleted,
        )
        .with(|case| {
            // As often as the SDK tries.
            let internal = Fault::new("InternalFailure", 500, "Try again later.");
            case.fault(REPORT, 3, internal)
        })
        .counting(4, 0),
    ]
}
