//! Changes of many objects at once over the control API: which ones, spread over all there are, the same ones every time.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::control::ControlError;

/// How many objects are to be changed, and how.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Bulk {
    #[serde(default)]
    update: usize,
    #[serde(default)]
    pub(crate) delete: usize,
    #[serde(default)]
    pub(crate) void: usize,
}

/// The ids of the objects that were changed, each in one way.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Touched {
    pub(crate) updated: Vec<String>,
    pub(crate) deleted: Vec<String>,
    pub(crate) voided: Vec<String>,
}

impl Bulk {
    /// Chooses among the objects that are there.
    pub(crate) fn choose(self, mut ids: Vec<String>) -> Result<Touched, ControlError> {
        let Self { update, delete, void } = self;
        let wanted = update.saturating_add(delete).saturating_add(void);
        if wanted > ids.len() {
            let there = ids.len();
            return Err(ControlError::Invalid(format!("there are only {there} objects to choose from")));
        }
        let [deleted, voided, updated] = [delete, void, update].map(|count| spread(&mut ids, count));
        Ok(Touched { updated, deleted, voided })
    }
}

/// Takes out so many, at even distances.
fn spread(ids: &mut Vec<String>, count: usize) -> Vec<String> {
    let total = ids.len();
    let places: HashSet<usize> = (0..count).map(|nth| nth * total / count).collect();
    let (chosen, rest): (Vec<_>, Vec<_>) =
        std::mem::take(ids).into_iter().enumerate().partition(|(place, _)| places.contains(place));
    let without_places = |ids: Vec<(usize, String)>| ids.into_iter().map(|(_, id)| id).collect();
    *ids = without_places(rest);
    without_places(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_object_is_chosen_once_and_they_are_spread_over_all() {
        let ids = || (0..100).map(|id| id.to_string()).collect::<Vec<_>>();
        let bulk = Bulk { update: 90, delete: 4, void: 3 };

        let touched = bulk.choose(ids()).unwrap();

        assert_eq!(touched.deleted, ["0", "25", "50", "75"]);
        assert_eq!((touched.voided.len(), touched.updated.len()), (3, 90));
        let all = [&touched.deleted[..], &touched.voided, &touched.updated].concat();
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), 97);
        assert_eq!(bulk.choose(ids()).unwrap(), touched);
        assert!(Bulk { update: 101, ..Bulk::default() }.choose(ids()).is_err());
        assert_eq!(Bulk::default().choose(Vec::new()).unwrap(), Touched::default());
    }
}
