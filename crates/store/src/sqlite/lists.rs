//! Lists as they were last read: clients ask for them all the time, and they change seldom.
//!
//! A copy counts as long as the stamp under which it was made is the present one (see [`crate::Store::list_stamp`]).

use crate::{Listed, Owned};
use im_model::Credentials;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// Lists kept; when there are more, all are dropped.
const LISTS: usize = 64;
/// Rows of all lists that are kept: some 10 MB. A longer list is read anew each time.
const ROWS: usize = 20_000;

/// Whose list: names, or `None` for everybody's.
type Whose = Option<Vec<String>>;

/// Rows, and the stamp under which they were read.
type Copied = (u64, Arc<[Listed]>);

/// The lists that are kept.
#[derive(Default)]
pub(super) struct Lists(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    lists: HashMap<Whose, Copied>,
    /// Rows of all of them.
    rows: usize,
}

fn key(owned: &Owned) -> Whose {
    match owned {
        Owned::All => None,
        Owned::By(names) => Some(names.clone()),
    }
}

impl Lists {
    pub(super) fn get(&self, owned: &Owned, stamp: u64) -> Option<Arc<[Listed]>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, rows) = kept.lists.get(&key(owned))?;
        (*at == stamp).then(|| rows.clone())
    }

    pub(super) fn put(&self, owned: &Owned, stamp: u64, rows: &Arc<[Listed]>) {
        if rows.len() > ROWS {
            return;
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.lists.len() >= LISTS || kept.rows + rows.len() > ROWS {
            *kept = Kept::default();
        }
        kept.rows += rows.len();
        if let Some((_, old)) = kept.lists.insert(key(owned), (stamp, rows.clone())) {
            kept.rows -= old.len();
        }
    }
}

/// Owners that are kept opened; when there are more, all are dropped.
const OWNERS: usize = 10_000;

/// Owners of infrastructures as they were opened last, by what stands for them in the rows.
///
/// A list is good to look at, no more: what counts for access is the sealed row of the one infrastructure.
#[derive(Default)]
pub(super) struct OpenedOwners(Mutex<HashMap<Vec<u8>, Arc<Credentials>>>);

impl OpenedOwners {
    /// Those of each tag, in the order given.
    pub(super) fn get<'t>(&self, tags: impl Iterator<Item = Option<&'t [u8]>>) -> Vec<Option<Arc<Credentials>>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tags.map(|tag| kept.get(tag?).cloned()).collect()
    }

    pub(super) fn put(&self, opened: HashMap<Vec<u8>, Arc<Credentials>>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() + opened.len() > OWNERS {
            kept.clear();
        }
        kept.extend(opened.into_iter().take(OWNERS));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use im_model::InfraId;

    fn rows(n: usize) -> Arc<[Listed]> {
        let row = |n| Listed {
            id: InfraId::from(format!("i-{n}")),
            owners: Arc::default(),
            saved: 0,
            deleted: false,
        };
        (0..n).map(row).collect()
    }

    #[test]
    fn lists_count_while_their_stamp_does_and_their_rows_are_bounded() {
        let lists = Lists::default();
        let of = |name: &str| Owned::By(vec![name.to_owned()]);
        lists.put(&of("a"), 1, &rows(10_000));
        assert_eq!(lists.get(&of("a"), 1).map(|r| r.len()), Some(10_000));
        assert_eq!(lists.get(&of("a"), 2), None);
        lists.put(&of("a"), 2, &rows(9_000));
        lists.put(&Owned::All, 2, &rows(11_000));
        assert!(lists.get(&of("a"), 2).is_some() && lists.get(&Owned::All, 2).is_some());
        lists.put(&of("b"), 2, &rows(1));
        assert!(lists.get(&of("a"), 2).is_none() && lists.get(&of("b"), 2).is_some());
        lists.put(&of("c"), 2, &rows(ROWS + 1));
        assert!(lists.get(&of("c"), 2).is_none());
    }
}
