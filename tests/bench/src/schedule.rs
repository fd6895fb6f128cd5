//! When to look again: the product's schedule against every fixed interval, and against the best there can be.
//!
//! How long a purge takes is not known before it is done, and looking is the only way to know that it is. More looks cost
//! state transitions; fewer cost the deployment time between `Completed` and the look that sees it.

use std::time::Duration;

use shared::schedule::{next_look, whole_seconds};

/// The longest wait of the template's default, in seconds: whatever is not done is looked at for the last time.
const DEADLINE: usize = 3000;
/// Steps of a second in which areas are measured.
const STEPS: usize = 10;
/// Prices of a look, in seconds of delay, that the bound is found with.
const PRICES: usize = 32;

/// How long purges take: nearly all of them seconds, a few of them minutes or most of an hour.
///
/// AWS states that 95 % are done within 25 seconds, and users tell of 5, 10 and 40 minutes. What lies between is assumed
/// here: about half are done in 10 seconds, log-logistically; one in 25 comes from a tail whose rate falls with its age
/// (Pareto's, from 20 seconds on), so that one in 75 takes over a minute, and one in 750 over ten.
#[derive(Debug, Clone, Copy)]
pub struct Purges {
    /// How many times slower they are than all that.
    pub slower: f64,
}

/// What the schedules are compared for: the model, and what the truth may be instead.
pub const SUPPOSED: [(&str, Purges); 3] = [
    ("as modelled", Purges { slower: 1.0 }),
    ("twice as fast", Purges { slower: 0.5 }),
    ("five times slower", Purges { slower: 5.0 }),
];

const MEDIAN: f64 = 10.0;
const P95: f64 = 25.0;
const TAIL_SHARE: f64 = 0.04;
const TAIL_FROM: f64 = 20.0;

impl Purges {
    /// The share that is not done after so many seconds.
    fn left(self, seconds: f64) -> f64 {
        let seconds = seconds / self.slower;
        let tail = (TAIL_FROM / seconds).min(1.0);
        let body = 1.0 / (1.0 + (seconds / MEDIAN).powf(shape()));
        (1.0 - TAIL_SHARE) * body + TAIL_SHARE * tail
    }
}

/// The log-logistic body's, such that 5 % of all are left after [`P95`].
fn shape() -> f64 {
    let body = (0.05 - TAIL_SHARE * TAIL_FROM / P95) / (1.0 - TAIL_SHARE);
    (1.0 / body - 1.0).ln() / (P95 / MEDIAN).ln()
}

/// What a schedule costs on average.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cost {
    /// From the purge's completion to the look that sees it, in seconds.
    pub delay: f64,
    /// Looks.
    pub looks: f64,
}

impl Cost {
    /// Whether it is better than another in both.
    pub fn beats(self, other: Self) -> bool {
        self.delay < other.delay && self.looks < other.looks
    }
}

/// The purges, second by second.
pub struct Model {
    /// Left after each second.
    left: Vec<f64>,
    /// The area under that, up to each second.
    area: Vec<f64>,
}

impl Model {
    /// Of purges.
    pub fn new(purges: Purges) -> Self {
        let fine: Vec<_> = (0..=DEADLINE * STEPS)
            .map(|step| purges.left(step as f64 / STEPS as f64))
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

    /// The delay of what is done between two looks, until the second of them, times its share of all purges.
    fn delay(&self, last: usize, next: usize) -> f64 {
        (next - last) as f64 * self.left[last] - (self.area[next] - self.area[last])
    }

    /// What it costs to look whenever `next` says, at whole seconds of a purge's age, until the deadline.
    pub fn cost(&self, next: impl Fn(usize) -> usize) -> Cost {
        let mut cost = Cost {
            delay: 0.0,
            looks: 0.0,
        };
        let mut last = 0;
        while last < DEADLINE {
            let look = (last + next(last)).min(DEADLINE);
            cost.looks += self.left[last];
            cost.delay += self.delay(last, look);
            last = look;
        }
        cost
    }

    /// What the product's schedule costs.
    pub fn ours(&self) -> Cost {
        self.cost(ours)
    }

    /// What it costs to look every so many seconds.
    pub fn every(&self, seconds: usize) -> Cost {
        self.cost(|_| seconds)
    }

    /// The bound below which no schedule is.
    pub fn bound(&self) -> Bound {
        let prices = (0..PRICES).map(|step| 0.1 * 1.2_f64.powf(step as f64));
        Bound(prices.map(|price| (price, self.least(price))).collect())
    }

    /// The least that delay and looks can cost together, at this price of a look: backwards from the deadline, over all
    /// times of the next look.
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

/// The least cost at each price of a look.
pub struct Bound(Vec<(f64, f64)>);

impl Bound {
    /// The delay that no schedule with so many looks is below (Lagrange: whatever the price, it costs no less).
    pub fn delay(&self, looks: f64) -> f64 {
        let at_prices = self.0.iter().map(|(price, least)| least - price * looks);
        at_prices.fold(0.0, f64::max)
    }
}

/// How long the product waits at this age, in seconds.
pub fn ours(age: usize) -> usize {
    let wait = whole_seconds(next_look(Duration::from_secs(age as u64)));
    wait.try_into().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_has_the_stated_quantiles() {
        let purges = Purges { slower: 1.0 };
        assert!((purges.left(25.0) - 0.05).abs() < 1e-9);
        assert!((0.49..0.53).contains(&purges.left(10.0)));
        assert!((purges.left(600.0) - 1.0 / 750.0).abs() < 1e-4);
    }

    #[test]
    fn a_purge_costs_the_looks_that_find_it_in_progress_and_one_more() {
        let model = Model::new(Purges { slower: 1.0 });
        let half = DEADLINE / 2;
        let [once, twice] = [model.every(DEADLINE), model.every(half)];
        assert!((once.looks - 1.0).abs() < 1e-9);
        assert!((twice.looks - 1.0 - model.left[half]).abs() < 1e-9);
        assert!((once.delay - (DEADLINE as f64 - model.area[DEADLINE])).abs() < 1e-9);
    }

    #[test]
    fn looking_every_second_is_half_a_second_late() {
        // Looked at every second, what is done in between waits for half of it.
        let cost = Model::new(Purges { slower: 5.0 }).every(1);
        assert!((cost.delay - 0.5).abs() < 0.01, "{cost:?}");
    }

    #[test]
    fn the_schedule_is_near_the_best_there_can_be_and_no_fixed_interval_beats_it() {
        let model = Model::new(Purges { slower: 1.0 });
        let ours = model.ours();
        assert!(ours.delay <= 2.5 && ours.looks <= 3.0, "{ours:?}");
        for seconds in 1..=60 {
            let fixed = model.every(seconds);
            assert!(!fixed.beats(ours), "every {seconds} s: {fixed:?}");
        }
        let bound = model.bound().delay(ours.looks);
        assert!(ours.delay <= 1.2 * bound, "{ours:?} against {bound}");
    }

    #[test]
    fn no_schedule_is_below_the_bound() {
        let model = Model::new(Purges { slower: 1.0 });
        let bound = model.bound();
        for cost in (1..=60).map(|seconds| model.every(seconds)) {
            assert!(cost.delay >= bound.delay(cost.looks), "{cost:?}");
        }
    }
}
