//! A token bucket per cloud.

use im_model::CloudRef;
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// How many calls a cloud gets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Calls per second in the long run.
    pub per_second: f64,
    /// Calls at once after a pause.
    pub burst: u32,
}

/// Where one cloud stands: when the calls let through so far are paid for.
type Paid = HashMap<(String, String, Option<u16>), Instant>;

/// Lets calls through at the rate of their cloud. Clouds of one host and port share one budget, whoever calls.
#[derive(Default)]
pub(super) struct Limiter(Mutex<Paid>);

impl Limiter {
    /// Waits until the next call may go.
    pub(super) async fn pass(&self, cloud: &CloudRef, rate: Rate) {
        let now = Instant::now();
        let until = {
            // A panic elsewhere leaves the table whole: each entry is written in one go.
            let mut paid = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let cost = Duration::try_from_secs_f64(1.0 / rate.per_second).unwrap_or(Duration::ZERO);
            // A cloud whose calls are all paid for is as good as new: the table holds only busy ones.
            paid.retain(|_, until| *until > now);
            let until = paid
                .entry((cloud.kind.clone(), cloud.server.clone(), cloud.port))
                .or_insert(now);
            let start = *until;
            *until = start + cost;
            let credit = cost * rate.burst.saturating_sub(1);
            start.checked_sub(credit).unwrap_or(now)
        };
        tokio::time::sleep_until(until).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_passes_at_once_and_the_rest_at_the_rate() {
        let limiter = Limiter::default();
        let cloud = CloudRef {
            id: "c".into(),
            kind: "T".into(),
            server: "s".into(),
            port: None,
            protocol: String::new(),
            path: String::new(),
            extra: std::collections::BTreeMap::new(),
        };
        let rate = Rate {
            per_second: 10.0,
            burst: 3,
        };
        let start = Instant::now();
        for _ in 0..3 {
            limiter.pass(&cloud, rate).await;
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
        for _ in 0..5 {
            limiter.pass(&cloud, rate).await;
        }
        let took = start.elapsed().as_millis();
        assert!((490..=510).contains(&took), "{took} ms of simulated time");

        let other = CloudRef {
            server: "t".into(),
            ..cloud
        };
        let start = Instant::now();
        limiter.pass(&other, rate).await;
        assert_eq!(start.elapsed(), Duration::ZERO);
    }
}
