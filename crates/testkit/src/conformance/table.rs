//! Which case checks which promise of the [`im_cloud::Connector`] trait, and which cases are not for a subject.
//!
//! The numbers are those of the trait's documentation; a test compares both.

use super::Subject;
use im_model::{Idempotence, Supports};

/// A case of the suite.
#[derive(Clone, Copy)]
pub struct Case {
    /// Its name, which is that of its function.
    pub name: &'static str,
    /// The promises that it checks.
    pub promises: &'static [u32],
    /// What a subject must have for it.
    needs: Need,
}

/// What a case needs.
#[derive(Clone, Copy)]
enum Need {
    Nothing,
    /// Objects outside the service.
    Outside,
    /// A cloud where nobody answers.
    Unreachable,
    /// Something that makes calls go wrong.
    Faults,
    /// The same, at a cloud whose VMs can be switched or changed.
    FaultsOfChanges,
    Power,
    Alter,
}

const fn case(name: &'static str, promises: &'static [u32], needs: Need) -> Case {
    Case { name, promises, needs }
}

/// All cases.
pub const CASES: &[Case] = &[
    case("plans_are_pure", &[1, 11], Need::Nothing),
    case("plans_are_sound", &[12], Need::Nothing),
    case("shared_ones_are_not_planned_again", &[12], Need::Nothing),
    case("never_makes_a_second", &[2], Need::Nothing),
    case("foreign_objects_stay", &[3, 6], Need::Outside),
    case("answers_in_order", &[4, 5], Need::Nothing),
    case("absence_is_final", &[6], Need::Nothing),
    case("finds_everything", &[7], Need::Nothing),
    case("finds_the_whole_account", &[7], Need::Nothing),
    case("observes_everything", &[8], Need::Nothing),
    case("accounts_are_not_confused", &[9], Need::Nothing),
    case("contains_no_secrets", &[10], Need::Nothing),
    case("passing_faults_are_errors", &[5, 8, 9], Need::Unreachable),
    case("powers", &[13], Need::Power),
    case("alters", &[13], Need::Alter),
    case("refuses_what_it_cannot", &[14], Need::Nothing),
    case("asks_nobody_before_it_must", &[15], Need::Nothing),
    case("reads_survive_faults", &[7, 8, 9, 11], Need::Faults),
    case("creates_survive_faults", &[2, 5], Need::Faults),
    case("removals_survive_faults", &[6], Need::Faults),
    case("changes_survive_faults", &[13], Need::FaultsOfChanges),
    case("observes_in_few_calls", &[8], Need::Faults),
    case("one_lost_answer_stops_no_other", &[4, 5], Need::Faults),
];

impl Case {
    /// The case of a name.
    pub fn named(name: &str) -> Self {
        *CASES
            .iter()
            .find(|case| case.name == name)
            .unwrap_or_else(|| panic!("{name} is not in the table of cases"))
    }

    /// Why it is not for this subject, if it is not.
    pub fn excluded(&self, subject: &Subject) -> Option<String> {
        let capability = subject.connector.capability();
        let outside = capability
            .creates
            .values()
            .any(|how| *how != Idempotence::NothingOutside);
        let no = |why: &str| Some(why.to_owned());
        let supported = |supports: Supports, what: &str| match supports {
            Supports::Yes => None,
            Supports::No(_) => Some(format!("it cannot {what}")),
        };
        match self.needs {
            Need::Outside | Need::Unreachable | Need::Faults | Need::FaultsOfChanges if !outside => {
                no("it has nothing outside the service")
            }
            Need::Unreachable if subject.unreachable.is_none() => no("it has no other place where nobody answers"),
            Need::Faults | Need::FaultsOfChanges if subject.faults.is_none() => {
                no("nothing between it and its cloud can be made to go wrong")
            }
            Need::FaultsOfChanges => match (capability.power, capability.alter) {
                (Supports::No(_), Supports::No(_)) => no("it can neither switch nor change VMs"),
                _ => None,
            },
            Need::Power => supported(capability.power, "switch VMs"),
            Need::Alter => supported(capability.alter, "change VMs"),
            Need::Nothing | Need::Outside | Need::Unreachable | Need::Faults => None,
        }
    }
}

/// What of the suite is not for this subject: `case: why`, and `case, fault: why`.
pub fn exclusions(subject: &Subject) -> Vec<String> {
    let mut all = Vec::new();
    for case in CASES {
        if let Some(why) = case.excluded(subject) {
            all.push(format!("{}: {why}", case.name));
        } else if case.name == "creates_survive_faults" {
            let kinds = [(super::Fault::Repeat, "Repeat"), (super::Fault::Late, "Late")];
            for (fault, name) in kinds {
                all.extend(
                    fault
                        .excluded(subject)
                        .map(|why| format!("{}, {name}: {why}", case.name)),
                );
            }
        }
    }
    all
}
