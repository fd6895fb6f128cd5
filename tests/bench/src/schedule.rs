//! When to check again: the product's schedule beside every fixed interval, and beside the best there can be.
//!
//! How long an invalidation takes is not known before it is completed, and a status check is the only way to find out. More
//! checks cost state transitions; fewer cost the time between `Completed` and the check that finds it.

use std::time::Duration;

use serde::Serialize;
use shared::schedule::{next_check, whole_seconds};

/// `MaxWaitSeconds` of the template's default: the time of the last check.
const DEADLINE: usize = 3000;
/// Steps of a second in which areas are measured.
const STEPS: usize = 10;
/// Prices of a check, in seconds of delay, that the bound is computed with.
const PRICES: usize = 32;

/// The model and what the truth may be instead, each with how many times slower invalidations are than in the model.
pub const SCENARIOS: [(&str, f64); 3] = [
    ("as modelled", 1.0),
    ("twice as fast", 0.5),
    ("five times slower", 5.0),
];

const MEDIAN: f64 = 10.0;
const P95: f64 = 25.0;
const TAIL_SHARE: f64 = 0.04;
const TAIL_FROM: f64 = 20.0;

/// The share of invalidations that are in progress after so many seconds.
///
/// AWS states that 95 % complete within 25 seconds, and users report 5, 10 and 40 minutes. The rest is assumed: about half
/// complete in 10 seconds, log-logistically; one in 25 comes from a tail whose rate falls with its age (Pareto's, from 20
/// seconds on), so that one in 75 takes over a minute, and one in 750 over ten.
fn in_progress(seconds: f64) -> f64 {
    // The log-logistic body's, such that 5 % of all are left after `P95`.
    let body_at_p95 = (0.05 - TAIL_SHARE * TAIL_FROM / P95) / (1.0 - TAIL_SHARE);
    let shape = (1.0 / body_at_p95 - 1.0).ln() / (P95 / MEDIAN).ln();
    let body = 1.0 / (1.0 + (seconds / MEDIAN).powf(shape));
    (1.0 - TAIL_SHARE) * body + TAIL_SHARE * (TAIL_FROM / seconds).min(1.0)
}

/// The mean cost of a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Cost {
    /// From `Completed` to the check that finds it, in seconds.
    pub delay: f64,
    /// Status checks.
    pub checks: f64,
}

/// Invalidations, second by second.
pub struct Model {
    /// The share in progress after each second.
    left: Vec<f64>,
    /// The area under that, up to each second.
    area: Vec<f64>,
}

impl Model {
    /// Of invalidations that are so many times slower than [`in_progress`] says.
    pub fn new(slower: f64) -> Self {
        let fine: Vec<_> = (0..=DEADLINE * STEPS)
            .map(|step| in_progress(step as f64 / STEPS as f64 / slower))
            .collect();
        let mut area = vec![0.0];
        for second in 0..DEADLINE {
            let steps = fine[second * STEPS..].windows(2).take(STEPS);
            let slice: f64 = steps.map(|pair| f64::midpoint(pair[0], pair[1])).sum();
            area.push(area[second] + slice / STEPS as f64);
        }
        let left = fine.into_iter().step_by(STEPS).collect();
        Self { left, area }
    }

    /// The delay of what completes between two checks, times its share of all invalidations.
    fn delay(&self, last: usize, next: usize) -> f64 {
        (next - last) as f64 * self.left[last] - (self.area[next] - self.area[last])
    }

    /// The cost of a schedule that waits `wait` of the age, in whole seconds, until the deadline.
    fn cost(&self, wait: impl Fn(usize) -> usize) -> Cost {
        let (mut delay, mut checks) = (0.0, 0.0);
        let mut last = 0;
        while last < DEADLINE {
            let next = (last + wait(last)).min(DEADLINE);
            checks += self.left[last];
            delay += self.delay(last, next);
            last = next;
        }
        Cost { delay, checks }
    }

    /// The cost of the product's schedule.
    pub fn ours(&self) -> Cost {
        self.cost(|age| {
            let wait = whole_seconds(next_check(Duration::from_secs(age as u64)));
            wait.try_into().unwrap_or(usize::MAX)
        })
    }

    /// The cost of a fixed interval.
    pub fn every(&self, seconds: usize) -> Cost {
        self.cost(|_| seconds)
    }

    /// The fixed intervals of up to a minute that cost less in both, with their cost.
    pub fn better_intervals(&self) -> Vec<(usize, Cost)> {
        let ours = self.ours();
        let intervals = (1..=60).map(|seconds| (seconds, self.every(seconds)));
        intervals
            .filter(|(_, cost)| cost.delay < ours.delay && cost.checks < ours.checks)
            .collect()
    }

    /// The delay that no schedule with so many checks is below (Lagrange: whatever the price, it costs no less).
    pub fn bound(&self) -> impl Fn(f64) -> f64 + use<> {
        let prices = (0..PRICES).map(|step| 0.1 * 1.2_f64.powf(step as f64));
        let least: Vec<_> = prices.map(|price| (price, self.least(price))).collect();
        move |checks| {
            let at_prices = least.iter().map(|(price, least)| least - price * checks);
            at_prices.fold(0.0, f64::max)
        }
    }

    /// The least that delay and checks can cost together, at this price of a check: backwards from the deadline, over all
    /// times of the next check.
    fn least(&self, price: f64) -> f64 {
        let mut least = vec![0.0; DEADLINE + 1];
        for last in (0..DEADLINE).rev() {
            let next = last + 1..=DEADLINE;
            let rest = next.map(|next| self.delay(last, next) + least[next]);
            least[last] = price * self.left[last] + rest.fold(f64::INFINITY, f64::min);
        }
        least[0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_has_the_stated_quantiles() {
        assert!((in_progress(25.0) - 0.05).abs() < 1e-9);
        assert!((0.49..0.53).contains(&in_progress(10.0)));
        assert!((in_progress(600.0) - 1.0 / 750.0).abs() < 1e-4);
    }

    #[test]
    fn an_invalidation_costs_the_checks_that_find_it_in_progress_and_one_more() {
        let model = Model::new(1.0);
        let half = DEADLINE / 2;
        let [once, twice] = [model.every(DEADLINE), model.every(half)];
        assert!((once.checks - 1.0).abs() < 1e-9);
        assert!((twice.checks - 1.0 - model.left[half]).abs() < 1e-9);
        assert!((once.delay - (DEADLINE as f64 - model.area[DEADLINE])).abs() < 1e-9);
    }

    #[test]
    fn checks_every_second_are_half_a_second_late_on_average() {
        let cost = Model::new(5.0).every(1);
        assert!((cost.delay - 0.5).abs() < 0.01, "{cost:?}");
    }

    #[test]
    fn the_schedule_is_near_the_bound_and_no_fixed_interval_beats_it() {
        let model = Model::new(1.0);
        let ours = model.ours();
        assert!(ours.delay <= 2.5 && ours.checks <= 3.0, "{ours:?}");
        assert_eq!(model.better_intervals(), []);
        let bound = model.bound()(ours.checks);
        assert!(ours.delay <= 1.2 * bound, "{ours:?}, bound {bound}");
    }

    #[test]
    fn no_fixed_interval_is_below_the_bound() {
        let model = Model::new(1.0);
        let bound = model.bound();
        for cost in (1..=60).map(|seconds| model.every(seconds)) {
            assert!(cost.delay >= bound(cost.checks), "{cost:?}");
        }
    }
}
