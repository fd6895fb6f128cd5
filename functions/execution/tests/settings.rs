//! The settings that say what is invalidated.

use execution::settings::{InvalidSettings, InvalidationSettings};
use serde_json::json;

const DISTRIBUTION: &str = "E2QWRUHAPOMQZL";

fn parse(variables: &[(&str, &str)]) -> Result<InvalidationSettings, InvalidSettings> {
    InvalidationSettings::parse(|name| {
        let machine = ("STATE_MACHINE_ARN", "arn");
        let mut variables = variables.iter().chain([&machine]);
        let found = variables.find(|(variable, _)| *variable == name);
        found.map(|(_, value)| (*value).to_owned())
    })
}

fn of(
    distributions: &str,
    paths: &str,
    tags: &str,
) -> Result<InvalidationSettings, InvalidSettings> {
    parse(&[
        ("DISTRIBUTION_IDS", distributions),
        ("PATHS", paths),
        ("CACHE_TAGS", tags),
    ])
}

#[test]
fn invalid_settings_are_named_with_their_problem() {
    for (distributions, paths, tags, problem) in [
        (
            "",
            "/*",
            "",
            "DISTRIBUTION_IDS and DISTRIBUTION_TENANT_IDS are",
        ),
        (DISTRIBUTION, " ", "", "PATHS and CACHE_TAGS are missing"),
        (DISTRIBUTION, "/a,,/b", "", "PATHS: the path \"\""),
        // A cache tag is written without the hash sign, and none is empty.
        (DISTRIBUTION, "", "#blog", "CACHE_TAGS: "),
        (DISTRIBUTION, "", "blog,", "CACHE_TAGS: "),
        (DISTRIBUTION, "", ",blog", "CACHE_TAGS: "),
        (DISTRIBUTION, "", "a b", "CACHE_TAGS: "),
    ] {
        let error = of(distributions, paths, tags).unwrap_err().to_string();
        assert!(error.starts_with(problem), "{error}");
    }
}

#[test]
fn cache_tags_are_invalidated_with_the_paths_or_without() {
    for (paths, tags, expected) in [
        ("/b,/a,/b", "Product-42,blog", "/a /b #blog #product-42"),
        ("", "blog", "#blog"),
        ("/*,/images/*", "", "/*"),
    ] {
        let settings = of(DISTRIBUTION, paths, tags).unwrap();
        let batches = settings.targets.of_all().unwrap();
        let found = batches[0].paths.iter();
        assert!(found.eq(expected.split(' ')), "{settings:?}");
    }
}

#[test]
fn every_mistake_in_the_targets_is_named() {
    let check = |targets: &str, parts: &[&str]| {
        let variables = [
            ("DISTRIBUTION_IDS", DISTRIBUTION),
            ("DISTRIBUTION_TENANT_IDS", "dt_1"),
            ("TARGETS", targets),
        ];
        let error = parse(&variables).unwrap_err().to_string();
        for part in parts {
            assert!(error.contains(part), "{part:?} is not in {error:?}");
        }
    };
    let targets = json!({
        "web": [{ "distributionId": DISTRIBUTION, "paths": ["/*"] }],
        "shop/empty": [],
        "shop/api": [
            { "distributionId": "E1ANOTHER00001", "paths": ["/*"] },
            { "distributionId": DISTRIBUTION, "paths": ["/ok", "index.html"] },
            { "distributionTenantId": "dt_1", "paths": ["/*"] },
            { "distributionTenantId": "dt_1", "paths": ["/a"] },
        ],
    });
    let expected = [
        "\"web\": the key must be application/deploymentGroup or cluster/service, without wildcards",
        "\"shop/empty\": it must be a list with at least one item",
        "\"shop/api\": [0]: distribution E1ANOTHER00001 is not in the stack's DistributionIds",
        "\"shop/api\": [1]: the item is invalid at `paths[1]`",
        "\"shop/api\": [3]: distribution tenant dt_1 is in the list twice",
    ];
    check(&targets.to_string(), &expected);
    check("[]", &["TARGETS is not a JSON object"]);
    check("{", &["EOF while parsing"]);
    check("{}", &["TARGETS has no entry"]);
    let twice = r#"{"shop/*": [], "*": [], "*": []}"#;
    let expected = [
        "\"shop/*\": the key must be",
        "\"*\": the key is there twice",
    ];
    check(twice, &expected);
}
