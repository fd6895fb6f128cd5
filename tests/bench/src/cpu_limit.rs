//! The share of a processor that Lambda gives a function.

use std::{fs, io, path::PathBuf, thread, time::Duration};

/// "At 1,769 MB, a function has the equivalent of one vCPU", and less in proportion (Lambda Developer Guide, "Configure
/// Lambda function memory").
const MEGABYTES_PER_PROCESSOR: u32 = 1769;
/// How often a function gets its share anew, in microseconds (measured on Lambda by arXiv:2506.01283).
const PERIOD: u32 = 20_000;

/// A function's memory in MB.
pub type Memory = u32;

/// A control group with the share that comes with the memory. It is removed when this is dropped.
pub struct CpuLimit(PathBuf);

impl CpuLimit {
    /// Fails if this user isn't authorized to create control groups.
    pub fn new(memory: Memory) -> io::Result<Self> {
        let quota = PERIOD * memory / MEGABYTES_PER_PROCESSOR;
        let root = PathBuf::from("/sys/fs/cgroup");
        let is_version_2 = root.join("cgroup.controllers").exists();
        let (parent, settings) = if is_version_2 {
            (root, vec![("cpu.max", format!("{quota} {PERIOD}"))])
        } else {
            let period = ("cpu.cfs_period_us", PERIOD.to_string());
            let quota = ("cpu.cfs_quota_us", quota.to_string());
            (root.join("cpu"), vec![period, quota])
        };
        let group = parent.join(format!("bench-{}-{}", std::process::id(), memory));
        fs::create_dir(&group)?;
        let limit = Self(group);
        for (file, value) in settings {
            fs::write(limit.0.join(file), value)?;
        }
        Ok(limit)
    }

    pub fn apply_to(&self, process: u32) -> io::Result<()> {
        fs::write(self.0.join("cgroup.procs"), process.to_string())
    }
}

impl Drop for CpuLimit {
    fn drop(&mut self) {
        // A process that was just killed is in it for a moment.
        for _ in 0..100 {
            if fs::remove_dir(&self.0).is_ok() {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}
