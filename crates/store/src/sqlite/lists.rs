//! Lists as they were last read: clients ask for them all the time, and they change seldom.
//!
//! A copy counts as long as the stamp under which it was made is the present one (see [`crate::Store::list_stamp`]).

use crate::{Listed, Owned};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// Lists kept; when there are more, all are dropped.
const LISTS: usize = 64;
/// Rows of a list that is kept; a longer one is an administrator's, and rare.
const ROWS: usize = 1_000;

/// Whose list: names, or `None` for everybody's.
type Whose = Option<Vec<String>>;

/// Rows, and the stamp under which they were read.
type Copied = (u64, Arc<[Listed]>);

/// The lists that are kept.
#[derive(Default)]
pub(super) struct Lists(Mutex<HashMap<Whose, Copied>>);

fn key(owned: &Owned) -> Whose {
    match owned {
        Owned::All => None,
        Owned::By(names) => Some(names.clone()),
    }
}

impl Lists {
    pub(super) fn get(&self, owned: &Owned, stamp: u64) -> Option<Arc<[Listed]>> {
        let lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, rows) = lists.get(&key(owned))?;
        (*at == stamp).then(|| rows.clone())
    }

    pub(super) fn put(&self, owned: &Owned, stamp: u64, rows: &Arc<[Listed]>) {
        if rows.len() > ROWS {
            return;
        }
        let mut lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lists.len() >= LISTS {
            lists.clear();
        }
        lists.insert(key(owned), (stamp, rows.clone()));
    }
}
