//! The stand-in's wire format, checked by boto3 and the API models that botocore contains.

use std::{path::Path, process::Stdio};

use stand_in::StandIn;

/// It has no `CacheTagConfig`.
const UNTAGGED: &str = "EUNTAGGED00001";

#[tokio::test(flavor = "multi_thread")]
async fn boto3_parses_every_response_and_its_models_have_every_error() {
    let aws = StandIn::start().await.unwrap();
    aws.set_behavior(UNTAGGED, |behavior| behavior.lacks_cache_tags = true);
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = here.join("../../.tools/ministack/bin/python");
    let output = tokio::process::Command::new(&python)
        .arg(here.join("tests/wire_format.py"))
        .args([&aws.url(), UNTAGGED])
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap_or_else(|error| panic!("{}: {error}; `make tools` installs it", python.display()));
    let printed = [output.stdout, output.stderr].concat();
    let printed = String::from_utf8_lossy(&printed);
    assert!(output.status.success(), "{printed}");
    assert_eq!(printed.trim(), "all checked");
}
