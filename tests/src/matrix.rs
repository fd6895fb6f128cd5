//! The fault matrix: every fault that AWS can show, at every call of a run, and situations that a single fault does not describe.
//! `tests/tests/fault_matrix.rs` runs these cases on both engines.

mod calls;

use serde_json::json;

use crate::{
    case::{Case, EACH_WAY, StatusFrom, text_of},
    catalogue,
};

const SITUATIONS: &str = include_str!("../cases/situations.yaml");

/// Every case but the load.
pub fn all() -> Vec<Case> {
    let cases = calls::all().into_iter();
    let cases = cases.chain(catalogue::read(SITUATIONS)).enumerate();
    cases
        .flat_map(|(number, case)| with_failure_actions(number, &case))
        .collect()
}

/// The cases of `make test`. The engines take turns, so that these take half the time.
pub fn quick() -> Vec<Case> {
    let quick = all().into_iter().filter(|case| case.quick).enumerate();
    let on_one_engine = quick.map(|(number, mut case)| {
        case.engines = vec![case.engines[number % case.engines.len()]];
        case
    });
    on_one_engine.collect()
}

/// Two hundred hooks at once, five of each deployment, every fourth of them delivered twice.
pub fn load() -> Vec<Case> {
    let defaults = catalogue::parse(SITUATIONS).defaults;
    let hook = |number: usize| -> Case {
        let times = 1 + usize::from(number.is_multiple_of(4));
        let fields = json!({
            "name": format!("load, hook {number}"),
            "deployment": number / 5,
            "trigger": { "HookEvent": ["Asynchronous", times] },
        });
        catalogue::layered(fields, &[&defaults])
    };
    (0..200)
        .flat_map(|number| with_failure_actions(number, &hook(number)))
        .collect()
}

/// A case whose status depends on the failure actions is two cases. The others take turns on the stacks of both.
fn with_failure_actions(number: usize, case: &Case) -> Vec<Case> {
    let decides = matches!(
        case.expected.status,
        StatusFrom::OnInvalidationFailure | StatusFrom::OnInvalidationTimeout
    );
    let actions = if decides {
        &EACH_WAY[..]
    } else {
        &EACH_WAY[number % 2..][..1]
    };
    let cases = actions.iter().map(|&actions| Case {
        name: format!("{} [{}]", case.name, text_of(actions)),
        actions,
        ..case.clone()
    });
    cases.collect()
}
