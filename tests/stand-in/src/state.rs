//! What the stand-in knows: the services' resources, what tests configured, and the calls so far.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, SystemTime},
};

use tokio::sync::mpsc::UnboundedSender;

use crate::{AcceptedStatus, Behavior, Call, Fault, Invalidation, Operation};

#[derive(Debug, Default)]
pub struct State {
    /// If it doesn't pass by itself.
    pub time: Option<SystemTime>,
    pub calls: Vec<Call>,
    pub faults: Vec<InjectedFault>,
    /// All invalidations, oldest first.
    pub invalidations: Vec<Invalidation>,
    /// Gets each invalidation that is created.
    pub edge: Option<UnboundedSender<Invalidation>>,
    pub accepted_statuses: Vec<AcceptedStatus>,
    pub lambda_and_sqs_url: Option<String>,
    pub step_functions_urls: Settings<String>,
    pub behaviors: Settings<Behavior>,
    pub durations: Settings<Option<Duration>>,
    /// The `application/deploymentGroup` and the creator of each.
    pub deployments: Settings<(String, String)>,
}

/// Values with what each is about. The last one set wins.
pub type Settings<T> = Vec<(String, T)>;

#[derive(Debug)]
pub struct InjectedFault {
    pub operation: Operation,
    pub about: String,
    pub remaining: usize,
    pub fault: Fault,
}

impl State {
    pub fn now(&self) -> SystemTime {
        self.time.unwrap_or_else(SystemTime::now)
    }

    /// The fault that is next for this call, used up once.
    pub fn take_fault(&mut self, call: &Call) -> Option<Fault> {
        let next = self.faults.iter_mut().find(|injected| {
            injected.remaining > 0
                && injected.operation == call.operation
                && call.is_about(&injected.about)
        })?;
        next.remaining -= 1;
        Some(next.fault.clone())
    }

    pub fn find(
        &self,
        target_id: &str,
        matches: impl Fn(&Invalidation) -> bool,
    ) -> Option<Invalidation> {
        let mut invalidations = self.invalidations.iter();
        let found = invalidations.find(|i| i.target_id == target_id && matches(i));
        found.cloned()
    }

    pub fn invalidation_status(&self, invalidation: &Invalidation) -> &'static str {
        let duration = latest(&self.durations, |about| invalidation.is_about(about));
        let age = self.now().duration_since(invalidation.created);
        match duration.unwrap_or(Some(Duration::ZERO)) {
            Some(duration) if age.unwrap_or_default() >= duration => "Completed",
            _ => "InProgress",
        }
    }
}

/// The last value that was set for something that the predicate accepts.
pub fn latest<T: Clone>(settings: &Settings<T>, is_about: impl Fn(&str) -> bool) -> Option<T> {
    let mut newest_first = settings.iter().rev();
    let found = newest_first.find(|(about, _)| is_about(about));
    found.map(|(_, value)| value.clone())
}

#[derive(Clone, Default)]
pub struct Shared(Arc<Mutex<State>>);

impl Shared {
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no holder of the lock panics")
    }
}
