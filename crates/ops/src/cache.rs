//! Rows of idle infrastructures, for readers. Can be dropped at any time.

use im_model::InfraId;
use im_store::InfraState;
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

/// Bounded by the number of rows; what was put in first goes first, unless it was read since.
pub(crate) struct Cache {
    limit: usize,
    rows: usize,
    entries: HashMap<InfraId, Entry>,
    /// May name what was replaced since: only the entry's own ticket counts.
    order: VecDeque<(u64, InfraId)>,
    tickets: u64,
}

struct Entry {
    state: Arc<InfraState>,
    ticket: u64,
    read: bool,
}

fn weight(state: &InfraState) -> usize {
    1 + state.vms.len() + state.resources.len()
}

impl Cache {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            rows: 0,
            entries: HashMap::new(),
            order: VecDeque::new(),
            tickets: 0,
        }
    }

    pub(crate) fn get(&mut self, infra: &InfraId) -> Option<Arc<InfraState>> {
        let entry = self.entries.get_mut(infra)?;
        entry.read = true;
        Some(Arc::clone(&entry.state))
    }

    pub(crate) fn put(&mut self, state: Arc<InfraState>) {
        let weight = weight(&state);
        self.remove(&state.infra.id);
        if weight > self.limit {
            return;
        }
        self.rows += weight;
        self.tickets += 1;
        let (id, ticket) = (state.infra.id.clone(), self.tickets);
        self.order.push_back((ticket, id.clone()));
        self.entries.insert(
            id,
            Entry {
                state,
                ticket,
                read: false,
            },
        );
        while self.rows > self.limit {
            let Some((ticket, oldest)) = self.order.pop_front() else {
                return;
            };
            match self.entries.get_mut(&oldest) {
                Some(entry) if entry.ticket == ticket && entry.read => {
                    entry.read = false;
                    self.order.push_back((ticket, oldest));
                }
                Some(entry) if entry.ticket == ticket => self.remove(&oldest),
                _ => {}
            }
        }
        if self.order.len() > 2 * self.entries.len() + 64 {
            let entries = &self.entries;
            self.order
                .retain(|(ticket, id)| entries.get(id).is_some_and(|e| e.ticket == *ticket));
        }
    }

    pub(crate) fn remove(&mut self, infra: &InfraId) {
        if let Some(entry) = self.entries.remove(infra) {
            self.rows -= weight(&entry.state);
        }
    }
}
