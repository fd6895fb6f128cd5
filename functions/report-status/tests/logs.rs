//! What the function logs when it fails: the real binary, with Lambda's runtime API and a CodeDeploy on 127.0.0.1.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, TcpListener},
    process::Command,
    thread,
};

use serde_json::{Value, json};
use stand_in::{Fault, Operation, StandIn};

const DEPLOYMENT: &str = "d-A1B2C3D4E";
const EXECUTION: &str = "d-A1B2C3D4E-316c0c394144f9c31e834654";
const HOOK: &str = "eyJlbmNyeXB0ZWQ=";

/// Lambda's runtime API for one invocation. When the function asks for another event, the connection is closed, and the function
/// exits. <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>
fn serve_runtime_api(listener: &TcpListener, event: &Value) {
    let event = event.to_string();
    let next_event = format!(
        "200 OK\r\n\
         connection: close\r\n\
         lambda-runtime-aws-request-id: 8476a536\r\n\
         lambda-runtime-deadline-ms: 4102444800000\r\n\
         lambda-runtime-invoked-function-arn: arn\r\n\
         content-length: {}\r\n\r\n{event}",
        event.len()
    );
    let accepted = "202 Accepted\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".to_owned();
    let invocation = "/2018-06-01/runtime/invocation";
    for (request, response) in [
        (format!("GET {invocation}/next "), next_event),
        (format!("POST {invocation}/8476a536/error "), accepted),
    ] {
        let (mut connection, _) = listener.accept().unwrap();
        let mut head = BufReader::new(&connection).lines().map(Result::unwrap);
        let first = head.next().unwrap();
        assert!(first.starts_with(&request), "{first}");
        assert!(head.any(|line| line.is_empty()));
        write!(connection, "HTTP/1.1 {response}").unwrap();
    }
}

/// The lines that the function logs when it is invoked with this event, for which it reports an error.
fn log_of_failed_invocation(aws_url: &str, event: Value) -> Vec<Value> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let runtime_api = listener.local_addr().unwrap().to_string();
    thread::spawn(move || serve_runtime_api(&listener, &event));
    let output = Command::new(env!("CARGO_BIN_EXE_report-status"))
        .env_clear()
        .envs([
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_ENDPOINT_URL", aws_url),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
            ("AWS_LAMBDA_FUNCTION_NAME", "report-status"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
            ("AWS_LAMBDA_RUNTIME_API", &runtime_api),
            ("AWS_REGION", "us-east-1"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("ON_INVALIDATION_FAILURE", "FailDeployment"),
            ("ON_INVALIDATION_TIMEOUT", "FailDeployment"),
        ])
        .output()
        .unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    let lines = lines.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test]
async fn an_error_is_logged_once_with_its_execution_and_deployment_and_without_the_hook_id() {
    let aws = StandIn::start().await.unwrap();
    let missing = Fault::new("DeploymentDoesNotExistException", 400, "No.");
    let report = Operation::PutLifecycleEventHookExecutionStatus;
    aws.inject(report, DEPLOYMENT, 1, missing);
    let event = json!({
        "executionName": EXECUTION,
        "hook": { "deploymentId": DEPLOYMENT, "lifecycleEventHookExecutionId": HOOK },
        "result": "Completed",
    });

    let url = aws.url();
    let log = tokio::task::spawn_blocking(move || log_of_failed_invocation(&url, event));
    let log = log.await.unwrap();

    let [start, line] = &log[..] else {
        panic!("{log:#?}");
    };
    assert_eq!(start["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(line["level"], "ERROR");
    assert_eq!(line["execution_name"], EXECUTION);
    assert_eq!(line["deployment_id"], DEPLOYMENT);
    assert_eq!(line["error_name"], "CodeDeployRejected");
    assert_eq!(line["span"]["requestId"], "8476a536");
    let message = line["message"].as_str().unwrap();
    assert!(
        message.contains("DeploymentDoesNotExistException: No. (HTTP 400)"),
        "{message}"
    );
    assert!(!line.to_string().contains(HOOK), "{line}");
}
