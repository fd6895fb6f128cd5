//! What a deployment costs, counted in the histories of executions.
//!
//! The real state machine runs on moto, with the functions' real handlers and the stand-in for CloudFront and CodeDeploy.
//! An invalidation of 50 minutes takes two and a half here: all clocks run faster, and waits are as much shorter.

mod executions;

use std::{collections::BTreeMap, path::Path};

use anyhow::Result;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;

/// The numbers of distributions that are invalidated.
pub const DISTRIBUTIONS: [u32; 3] = [1, 5, 50];
/// The interval of the alternatives: that of `aws cloudfront wait invalidation-completed` and of boto3's waiter.
pub const POLL_SECONDS: u32 = 20;
/// How many times faster clocks run, and how many seconds invalidations take by them.
pub const CLOCKS: [(u32, &[u32]); 3] = [(1, &[10, 20, 60]), (10, &[600]), (20, &[3000])];

/// The files of the state machines.
pub const PRODUCT: &str = "statemachine/invalidate.asl.json";
pub const POLLER: &str = "tests/bench/peers/poller.asl.json";

/// A deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Case {
    pub machine: &'static str,
    /// How long its invalidations take.
    pub seconds: u32,
    pub distributions: u32,
}

impl Case {
    /// The one with a target.
    pub const USUAL: Self = Self {
        machine: PRODUCT,
        seconds: 20,
        distributions: 1,
    };

    /// AWS ends an execution at 25,000 events. The poller has nine for each status check of each distribution.
    fn is_possible(&self) -> bool {
        let events = 9 * (self.seconds / POLL_SECONDS) * self.distributions;
        self.machine == PRODUCT || events < 25_000
    }
}

/// What a deployment uses, the hook function included.
#[derive(Debug, Clone, Serialize)]
pub struct Usage {
    /// States entered, which is what Step Functions charges for.
    pub transitions: u32,
    /// By the names of the functions.
    pub invocations: BTreeMap<String, u32>,
    pub api_calls: u32,
    pub history_events: u32,
}

/// Runs all cases; few machines and clocks at a time, with many distributions only one: with more, status checks are seconds
/// late.
pub async fn count(folder: &Path) -> Result<BTreeMap<Case, Usage>> {
    let mut usage = BTreeMap::new();
    for distributions in DISTRIBUTIONS {
        let machines = [PRODUCT, POLLER].into_iter();
        let groups = machines.flat_map(|machine| CLOCKS.map(|clock| (machine, clock)));
        let runs = groups.map(|(machine, (speed, times))| {
            let cases = times.iter().map(|&seconds| Case {
                machine,
                seconds,
                distributions,
            });
            let cases = cases.filter(Case::is_possible).collect();
            executions::run(machine, speed, cases, folder)
        });
        let at_a_time = if distributions > 5 { 1 } else { 3 };
        let counted: Vec<_> = stream::iter(runs)
            .buffer_unordered(at_a_time)
            .try_collect()
            .await?;
        usage.extend(counted.into_iter().flatten());
    }
    Ok(usage)
}
