//! What attacks on the guarded network module need: name servers that lie.

use async_trait::async_trait;
use im_cloud::net::{AddressClass, NetError, Resolve};
use std::{
    collections::BTreeMap,
    io,
    net::IpAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

/// A name server of the attacker's: each look-up takes the next answer, the last stays. Counts look-ups.
#[derive(Clone, Default)]
pub(crate) struct Names {
    answers: Arc<Mutex<BTreeMap<String, Vec<Vec<IpAddr>>>>>,
    pub(crate) asked: Arc<AtomicUsize>,
}

impl Names {
    pub(crate) fn with(self, name: &str, answers: &[&[&str]]) -> Self {
        let answers = answers
            .iter()
            .map(|a| a.iter().map(|ip| ip.parse().unwrap()).collect())
            .collect();
        self.answers.lock().unwrap().insert(name.to_owned(), answers);
        self
    }
}

#[async_trait]
impl Resolve for Names {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let mut names = self.answers.lock().unwrap();
        let answers = names
            .get_mut(name)
            .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such name"))?;
        Ok(if answers.len() > 1 {
            answers.remove(0)
        } else {
            answers[0].clone()
        })
    }
}

/// Why the policy refused something.
pub(crate) fn class_of(error: &NetError) -> AddressClass {
    match error {
        NetError::Forbidden { class, .. } => *class,
        other => panic!("not refused by the policy: {other}"),
    }
}
