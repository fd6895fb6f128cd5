//! The names of executions.

use std::collections::BTreeSet;

use execution::name;
use proptest::{prelude::*, sample::Index};
use shared::hook::Hook;

fn of_hook(deployment_id: &str, hook_id: &str) -> String {
    name::of_hook(&Hook {
        deployment_id: deployment_id.to_owned(),
        lifecycle_event_hook_execution_id: hook_id.to_owned().into(),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Two hooks share no caller reference either: it is the execution's name, the index in the Map and the start in
    /// milliseconds, with hyphens between them.
    #[test]
    fn every_hook_has_one_execution_name_and_shares_it_with_no_other(
        deployment_id in ".{1,40}",
        hook_id in ".{1,40}",
        other in ".{1,40}",
        cut in any::<Index>(),
    ) {
        let name = of_hook(&deployment_id, &hook_id);
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        prop_assert!(name.len() <= 80 && name.chars().all(is_allowed), "{name}");
        prop_assert_eq!(&name, &of_hook(&deployment_id, &hook_id));
        // The same letters, divided elsewhere into the two ids, are another hook.
        let letters: Vec<_> = deployment_id.chars().chain(hook_id.chars()).collect();
        let (front, back) = letters.split_at(1 + cut.index(letters.len() - 1));
        let (front, back): (String, String) = (front.iter().collect(), back.iter().collect());
        let hooks = [
            (&deployment_id, &hook_id),
            (&front, &back),
            (&other, &hook_id),
            (&deployment_id, &other),
            (&hook_id, &deployment_id),
        ];
        let names: BTreeSet<_> = hooks.map(|(deployment, hook)| of_hook(deployment, hook)).into();
        prop_assert_eq!(names.len(), BTreeSet::from(hooks).len());
    }
}
