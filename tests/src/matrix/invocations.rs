//! Each fault of the state machine's invocations of its functions, so many times:
//! <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>

use stand_in::{ConnectionFault, Fault, Function, Operation};

use super::{FEW, base, failed, rejected};
use crate::case::{Case, StatusFrom};

/// What the execution says of an invocation that never works.
const NOT_INVOKED: &[&str] = &[
    "Lambda.TooManyRequestsException",
    "Lambda.ServiceException",
    "Lambda.ServiceUnavailableException",
    "Lambda.AccessDeniedException",
    "Lambda.ResourceNotFoundException",
    "Lambda.SdkClientException",
    "Lambda.Unknown",
    "Timeout",
];

pub(super) fn all() -> Vec<Case> {
    let out_of_concurrency = Fault::new(
        "TooManyRequestsException",
        429,
        "Rate Exceeded: ReservedFunctionConcurrentInvocationLimitExceeded",
    );
    let faults = [
        ("Throttled", rejected("TooManyRequestsException", 429)),
        ("OutOfConcurrency", out_of_concurrency),
        ("InternalError", rejected("ServiceException", 500)),
        ("Unavailable", rejected("ServiceUnavailableException", 503)),
        ("Denied", rejected("AccessDeniedException", 403)),
        ("NotFound", rejected("ResourceNotFoundException", 404)),
        ("ConnectionClosed", Fault::Before(ConnectionFault::Closed)),
        ("ResponseLost", Fault::After(ConnectionFault::Closed)),
        ("TooSlow", Fault::After(ConnectionFault::NoResponse)),
    ];
    let mut cases = Vec::new();
    for function in [
        Function::Create,
        Function::Check,
        Function::Verify,
        Function::Report,
    ] {
        for (name, fault) in &faults {
            for (times, count) in [("Once", Some(1)), ("AFew", FEW), ("Always", None)] {
                let mut case = base(format!("Invoke {function:?}, {name}, {times}"));
                if function == Function::Verify {
                    case.stack.verified = vec!["/without-age".to_owned()];
                    case.invalidations_take.truncate(1);
                    case.expected.completed = vec![0];
                }
                case.long = *name == "TooSlow" || times != "Once";
                case.quick = !case.long;
                let case = case.fault(Operation::Invoke(function), count, fault.clone());
                cases.push(match function {
                    _ if times != "Always" => case,
                    // It proves nothing then, and the invalidations are completed.
                    Function::Verify => {
                        let mut case = case;
                        case.expected.edge = Some("NotVerified".to_owned());
                        case
                    }
                    Function::Create | Function::Check => case.failing(NOT_INVOKED),
                    // The queue of pending reports invokes the function otherwise.
                    Function::Report => {
                        let end = failed(&["InvalidatedButNotReported"]);
                        case.ending(end, StatusFrom::Completion)
                    }
                });
            }
        }
    }
    cases
}
