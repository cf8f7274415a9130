//! Recordings of exits, and their comparison with the model.

use super::machine::{Column, Counts, run};
use super::sequence::{Unknown, find};
use super::{Assembled, Mode};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// A file of recordings.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Recording {
    /// A sequence each.
    pub rows: Vec<Row>,
}

/// A sequence with what was counted.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Row {
    /// What the recording calls it.
    #[serde(default)]
    pub probe: String,
    /// In which mode it starts.
    #[serde(default)]
    pub guest_mode: String,
    /// The sequence in words.
    #[serde(default)]
    pub what: String,
    /// AMD-V with nested paging.
    pub svm_npt: Option<Counted>,
    /// AMD-V with shadow tables.
    pub svm_shadow: Option<Counted>,
    /// VT-x with EPT.
    pub vmx_ept: Option<Counted>,
    /// VT-x with shadow tables.
    pub vmx_shadow: Option<Counted>,
}

/// What was counted in one column.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
pub struct Counted {
    /// Exits by reason.
    #[serde(default)]
    pub exits: BTreeMap<String, u32>,
    /// Returns to user space by reason.
    #[serde(default)]
    pub to_user_space: BTreeMap<String, u32>,
}

impl Row {
    /// What was counted in a column, if it was recorded.
    #[must_use]
    pub fn column(&self, column: Column) -> Option<&Counted> {
        match column {
            Column::SvmNpt => self.svm_npt.as_ref(),
            Column::SvmShadow => self.svm_shadow.as_ref(),
            Column::VmxEpt => self.vmx_ept.as_ref(),
            Column::VmxShadow => self.vmx_shadow.as_ref(),
        }
    }
}

/// A column of a row, recorded and modelled.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Comparison {
    /// What the recording calls the sequence.
    pub probe: String,
    /// The sequence in words.
    pub what: String,
    /// `svm_npt` and its kin.
    pub column: &'static str,
    /// What was recorded.
    pub recorded: Cost,
    /// What the model counts; nothing if it does not know the sequence or cannot run it.
    pub model: Option<Cost>,
    /// Why there is nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_modelled: Option<String>,
    /// Whether they agree by reason, count and returns to user space.
    pub agrees: bool,
}

/// What a sequence costs.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Cost {
    /// Exits by reason.
    pub exits: BTreeMap<String, u32>,
    /// Returns to user space by reason.
    pub to_user_space: BTreeMap<String, u32>,
}

/// `io=16 -> user io=16`, `none`.
impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |counts: &BTreeMap<String, u32>| {
            counts.iter().map(|(reason, count)| format!("{reason}={count}")).collect::<Vec<_>>().join(" ")
        };
        if self.exits.is_empty() {
            f.write_str("none")?;
        } else {
            f.write_str(&list(&self.exits))?;
        }
        if self.to_user_space.is_empty() { Ok(()) } else { write!(f, " -> user {}", list(&self.to_user_space)) }
    }
}

fn cost(exits: &BTreeMap<String, u32>, to_user_space: &BTreeMap<String, u32>) -> Cost {
    let counted = |counts: &BTreeMap<String, u32>| {
        counts.iter().filter(|(_, count)| **count > 0).map(|(reason, count)| (reason.clone(), *count)).collect()
    };
    Cost { exits: counted(exits), to_user_space: counted(to_user_space) }
}

/// Runs a row of a recording in every column that was recorded, and compares.
#[must_use]
pub fn compare(row: &Row, guest: &Assembled) -> Vec<Comparison> {
    let found = Mode::from_recording(&row.guest_mode)
        .ok_or_else(|| Unknown(format!("there is no mode '{}'", row.guest_mode)))
        .and_then(|mode| find(guest, mode, &row.what));
    let mut comparisons = Vec::new();
    for column in Column::ALL {
        let Some(recorded) = row.column(column) else { continue };
        let result = match &found {
            Ok((guest, sequence)) => run(guest, sequence, column).map_err(|halt| halt.to_string()),
            Err(unknown) => Err(unknown.to_string()),
        };
        comparisons.push(comparison(row, column, recorded, result));
    }
    comparisons
}

fn comparison(row: &Row, column: Column, recorded: &Counted, result: Result<Counts, String>) -> Comparison {
    let recorded = cost(&recorded.exits, &recorded.to_user_space);
    let (model, not_modelled) = match result {
        Ok(counts) => (Some(cost(&counts.exits, &counts.to_user_space)), None),
        Err(why) => (None, Some(why)),
    };
    let agrees = model.as_ref() == Some(&recorded);
    let (probe, what, column) = (row.probe.clone(), row.what.clone(), column.name());
    Comparison { probe, what, column, recorded, model, not_modelled, agrees }
}
