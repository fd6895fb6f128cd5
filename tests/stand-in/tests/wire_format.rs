//! The stand-in's wire format, held against boto3 and the API models it carries: a client we did not write.

use std::{path::Path, process::Stdio};

use stand_in::{Fault, Operation, StandIn};

/// Answered to the calls about it, in order: what boto3 makes of each must be the exception its model has for it.
const FAULTY: &str = "EFAULTS0000001";

/// Every error that the models have for the operations the product calls.
const CREATE_FAULTS: &[(&str, u16)] = &[
    ("AccessDenied", 403),
    ("BatchTooLarge", 413),
    ("InconsistentQuantities", 400),
    ("InvalidArgument", 400),
    ("MissingBody", 400),
    ("NoSuchDistribution", 404),
    ("TooManyInvalidationsInProgress", 400),
];

#[tokio::test(flavor = "multi_thread")]
async fn boto3_understands_every_answer_and_its_models_know_every_error() {
    let aws = StandIn::start().await.unwrap();
    for (code, status) in CREATE_FAULTS {
        let fault = Fault::new(code, *status, "As planned.");
        aws.inject(Operation::CreateInvalidation, FAULTY, 1, fault);
    }
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = here.join("../../.tools/ministack/bin/python");
    let codes: Vec<_> = CREATE_FAULTS.iter().map(|(code, _)| *code).collect();
    let output = tokio::process::Command::new(&python)
        .arg(here.join("tests/wire_format.py"))
        .args([&aws.url(), FAULTY, &codes.join(",")])
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap_or_else(|error| panic!("{}: {error}; `make tools` installs it", python.display()));
    let printed = [output.stdout, output.stderr].concat();
    let printed = String::from_utf8_lossy(&printed);
    assert!(output.status.success(), "{printed}");
    assert_eq!(printed.trim(), "all checked");
}
