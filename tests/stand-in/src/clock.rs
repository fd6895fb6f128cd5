use std::time::{Instant, SystemTime};

/// The time of day, or a clock that starts at the time of day and runs faster.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started: Instant,
    started_at: SystemTime,
    speed: u32,
}

impl Clock {
    /// A clock that shows the time of day now and then advances by `speed` seconds each second.
    pub fn at_speed(speed: u32) -> Self {
        Self {
            started: Instant::now(),
            started_at: SystemTime::now(),
            speed,
        }
    }

    /// The time that it shows.
    pub fn now(&self) -> SystemTime {
        self.started_at + self.started.elapsed() * self.speed
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::at_speed(1)
    }
}
