//! What a deployment costs, counted in the histories of executions that ran.
//!
//! The real state machine on moto, its functions' real handlers, CloudFront and CodeDeploy played by the stand-in. A purge of
//! 50 minutes takes two and a half here: waits are shortened, and all clocks, the functions' and CloudFront's, run as much faster.

mod timeline;

use std::{collections::BTreeMap, path::Path, time::Duration};

use anyhow::Result;

use self::timeline::Timeline;
use crate::candidate::Function;

/// How many distributions are purged.
pub const DISTRIBUTIONS: [u32; 3] = [1, 5, 50];
/// Between two looks of the others: what `aws cloudfront wait invalidation-completed` and boto3's waiter wait.
pub const PEERS_LOOK_EVERY: Duration = Duration::from_secs(20);
/// The purge of the target for transitions.
const USUAL_PURGE: Duration = Duration::from_secs(20);
/// How long each of them takes, and how much faster than that the clocks run.
pub const PURGES: [(Duration, u32); 5] = [
    (Duration::from_secs(10), 1),
    (USUAL_PURGE, 1),
    (Duration::from_mins(1), 1),
    (Duration::from_mins(10), 10),
    (Duration::from_mins(50), 20),
];

/// Which state machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Machine {
    /// `statemachine/invalidate.asl.json`
    Product,
    /// `tests/bench/peers/poller.asl.json`
    Poller,
}

/// A deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Case {
    /// What takes care of it.
    pub machine: Machine,
    /// How long CloudFront needs.
    pub purge: Duration,
    /// How many distributions are purged.
    pub distributions: u32,
}

impl Case {
    /// The one that has a target of its own.
    pub const USUAL: Self = Self {
        machine: Machine::Product,
        purge: USUAL_PURGE,
        distributions: 1,
    };

    /// Whether its history stays below the 25,000 events with which AWS ends an execution. The poller's has nine for each
    /// look at each distribution.
    fn is_possible(&self) -> bool {
        let looks = self.purge.as_secs() / PEERS_LOOK_EVERY.as_secs();
        self.machine == Machine::Product || 9 * looks * u64::from(self.distributions) < 25_000
    }
}

/// What a deployment uses.
#[derive(Debug, Clone)]
pub struct Use {
    /// States entered, which is what Step Functions charges for.
    pub transitions: usize,
    /// Invocations, the hook function's included.
    pub invocations: BTreeMap<Function, usize>,
    /// Calls of AWS APIs by the functions, the hook function's included.
    pub calls: usize,
    /// Events in its history. AWS ends an execution that has 25,000.
    pub events: usize,
}

/// Lets all cases happen, side by side.
///
/// # Errors
/// When an execution does not succeed.
pub async fn count(folder: &Path) -> Result<BTreeMap<Case, Use>> {
    let mut timelines = Vec::new();
    for machine in [Machine::Product, Machine::Poller] {
        let mut by_speed: BTreeMap<u32, Vec<Case>> = BTreeMap::new();
        for (purge, speed) in PURGES {
            let cases = DISTRIBUTIONS.map(|distributions| Case {
                machine,
                purge,
                distributions,
            });
            let possible = cases.into_iter().filter(Case::is_possible);
            by_speed.entry(speed).or_default().extend(possible);
        }
        // The fastest clocks first, so that they run out while the slower ones do.
        for (speed, cases) in by_speed.into_iter().rev() {
            timelines.push(Timeline::start(machine, speed, &cases, folder).await?);
        }
    }
    let mut used = BTreeMap::new();
    for timeline in timelines {
        used.extend(timeline.end().await?);
    }
    Ok(used)
}
