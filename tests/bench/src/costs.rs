//! What a deployment costs, counted in the histories of executions.
//!
//! The real state machine runs on moto, with the functions' real handlers and the stand-in for CloudFront and CodeDeploy.
//! An invalidation of 50 minutes takes two and a half here: all clocks run faster, and waits are as much shorter.

mod executions;

use std::{collections::BTreeMap, path::Path};

use anyhow::Result;

use self::executions::Executions;
use crate::candidate::Function;

/// The numbers of distributions that are invalidated.
pub const DISTRIBUTIONS: [u32; 3] = [1, 5, 50];
/// The interval of the alternatives: that of `aws cloudfront wait invalidation-completed` and of boto3's waiter.
pub const POLL_SECONDS: u32 = 20;
/// How many seconds invalidations take, and how many times faster the clocks run.
pub const INVALIDATION_TIMES: [(u32, u32); 5] = [(10, 1), (20, 1), (60, 1), (600, 10), (3000, 20)];

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
#[derive(Debug, Clone)]
pub struct Usage {
    /// States entered, which is what Step Functions charges for.
    pub transitions: usize,
    pub invocations: BTreeMap<Function, usize>,
    pub api_calls: usize,
    pub history_events: usize,
}

/// Runs all cases side by side.
pub async fn count(folder: &Path) -> Result<BTreeMap<Case, Usage>> {
    let mut running = Vec::new();
    for machine in [PRODUCT, POLLER] {
        let by_speed = INVALIDATION_TIMES.chunk_by(|(_, a), (_, b)| a == b);
        // The fastest clocks first, so that these executions end while the slower ones run.
        for times in by_speed.rev() {
            let cases = times.iter().flat_map(|&(seconds, _)| {
                DISTRIBUTIONS.map(|distributions| Case {
                    machine,
                    seconds,
                    distributions,
                })
            });
            let cases = cases.filter(Case::is_possible).collect();
            running.push(Executions::start(machine, times[0].1, cases, folder).await?);
        }
    }
    let mut usage = BTreeMap::new();
    for executions in running {
        usage.extend(executions.usage().await?);
    }
    Ok(usage)
}
