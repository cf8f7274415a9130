//! Indexed arrays: what their elements are, and assignments to them.
//!
//! An array is a variable ([`Var`]) whose elements are kept beside its value, which is the element 0: so whoever knows
//! nothing of arrays sees that one, as in bash. Associative arrays are not modelled.

use std::fmt;
use std::sync::Arc;

use imbl::OrdMap;

use super::ast::{Assigned, Assignment, Word};
use super::state::{Frame, ReadOnly, ShellState, Var};
use super::{Run, Shell};

/// A variable, or an element of an array.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) name: &'a str,
    pub(super) index: Option<i64>,
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.index {
            Some(index) => write!(f, "{}[{index}]", self.name),
            None => f.write_str(self.name),
        }
    }
}

/// The index that a subscript means among these: a negative one is counted from behind the last one
/// (`array_expand_index`). `None` when that is before the first one.
fn counted<T>(mut elements: impl DoubleEndedIterator<Item = (i64, T)>, index: i64) -> Option<i64> {
    if index >= 0 {
        return Some(index);
    }
    let last = elements.next_back().map_or(-1, |(last, _)| last);
    last.checked_add(index + 1).filter(|index| *index >= 0)
}

impl ShellState {
    /// The elements of an array with their indices; a variable that is none counts as one with a single element.
    pub fn elements(&self, name: &str) -> Vec<(i64, Arc<str>)> {
        let numbered = |values: Vec<Arc<str>>| values.into_iter().enumerate().map(|(i, v)| (i as i64, v)).collect();
        match name {
            "PIPESTATUS" => numbered(self.pipe_status.iter().map(|s| s.to_string().into()).collect()),
            "FUNCNAME" => {
                let names = self.frames.iter().rev().filter_map(|frame| match frame {
                    Frame::Function { name, .. } => Some(Arc::clone(name)),
                    _ => None,
                });
                numbered(names.collect())
            }
            "DIRSTACK" => {
                let below = self.directories.iter().cloned();
                numbered(std::iter::once(Arc::from(self.cwd.as_str())).chain(below).collect())
            }
            _ => match self.vars.get(name) {
                Some(Var { array: Some(array), .. }) => array.iter().map(|(i, v)| (*i, Arc::clone(v))).collect(),
                Some(Var { value: Some(value), .. }) => vec![(0, Arc::clone(value))],
                _ => Vec::new(),
            },
        }
    }

    /// The index that a subscript means (see [`counted`]); only arrays have negative ones.
    pub(super) fn index_in(&self, name: &str, index: i64) -> Option<i64> {
        let scalar = self.vars.get(name).is_some_and(|var| var.array.is_none());
        if index < 0 && scalar { None } else { counted(self.elements(name).into_iter(), index) }
    }

    /// One element; a negative index counts from the end.
    pub fn element(&self, name: &str, index: i64) -> Option<Arc<str>> {
        let index = self.index_in(name, index)?;
        self.elements(name).into_iter().find(|(i, _)| *i == index).map(|(_, value)| value)
    }

    /// Sets an element; a variable that was no array becomes one. `Err` with the message when that cannot be.
    pub(super) fn set_element(&mut self, name: &str, index: i64, value: &str) -> Result<(), String> {
        let place = Place { name, index: Some(index) };
        let index = self.index_in(name, index).ok_or_else(|| format!("{place}: bad array subscript"))?;
        let mut array: OrdMap<i64, Arc<str>> = self.elements(name).into_iter().collect();
        array.insert(index, value.into());
        self.set_array(name, array).map_err(|ReadOnly| format!("{name}: readonly variable"))
    }

    /// Gives an array all of its elements. `Err` when it is read-only.
    pub(super) fn set_array(&mut self, name: &str, array: OrdMap<i64, Arc<str>>) -> Result<(), ReadOnly> {
        let mut var = self.vars.get(name).cloned().unwrap_or_default();
        if var.readonly {
            return Err(ReadOnly);
        }
        var.value = array.get(&0).cloned();
        var.array = Some(array);
        self.vars.insert(name.into(), var);
        Ok(())
    }

    /// Takes one element out of an array, or with `None` all of them. `Err` with the message when that cannot be.
    pub(super) fn unset_element(&mut self, name: &str, index: Option<i64>) -> Result<(), String> {
        let Some(var) = self.vars.get(name) else { return Ok(()) };
        if var.readonly {
            return Err(format!("{name}: cannot unset: readonly variable"));
        }
        let Some(mut array) = var.array.clone() else {
            // The value is the element 0.
            return match index {
                Some(0) => {
                    self.vars.remove(name);
                    Ok(())
                }
                _ => Err(format!("{name}: not an array variable")),
            };
        };
        match index {
            Some(index) => {
                let there = self.index_in(name, index).ok_or_else(|| format!("[{index}]: bad array subscript"))?;
                array.remove(&there);
            }
            None => array = OrdMap::new(),
        }
        self.set_array(name, array).map_err(|ReadOnly| format!("{name}: readonly variable"))
    }
}

impl Shell {
    /// Carries out an assignment to an array or an element of one.
    pub(super) async fn assign_array(&mut self, assignment: &Assignment) -> Run<()> {
        let name = &assignment.name;
        let set = match &assignment.value {
            Assigned::Scalar(value) => {
                let value = self.expand_text(value).await?;
                return self.assign(name, &value).await;
            }
            Assigned::Element(index, value) => {
                let index = self.arithmetic(index).await?;
                let mut value = self.expand_text(value).await?;
                if assignment.append {
                    value.insert_str(0, &self.st.element(name, index).unwrap_or_default());
                }
                return self.assign_element(name, index, &value).await;
            }
            Assigned::Elements(elements) => {
                let mut array = match assignment.append {
                    true => self.st.elements(name).into_iter().collect(),
                    false => OrdMap::new(),
                };
                self.expand_elements(elements, &mut array).await?;
                self.st.set_array(name, array)
            }
        };
        if set.is_err() {
            self.complain(&format!("{name}: readonly variable")).await;
            return Err(self.expansion_failed());
        }
        Ok(())
    }

    /// Sets an element; a message and the end of the command when that cannot be.
    pub(super) async fn assign_element(&mut self, name: &str, index: i64, value: &str) -> Run<()> {
        if let Err(message) = self.st.set_element(name, index, value) {
            self.complain(&message).await;
            return Err(self.expansion_failed());
        }
        Ok(())
    }

    async fn expand_elements(
        &mut self,
        elements: &[(Option<Word>, Word)],
        array: &mut OrdMap<i64, Arc<str>>,
    ) -> Run<()> {
        // Behind the largest index comes the smallest, as in bash.
        let mut next = array.get_max().map_or(0, |(last, _)| last.wrapping_add(1));
        for (index, word) in elements {
            match index {
                Some(index) => {
                    let index = self.arithmetic(index).await?;
                    let value = self.expand_text(word).await?;
                    let Some(there) = counted(array.iter().map(|(i, v)| (*i, v)), index) else {
                        self.complain(&format!("[{index}]={value}: bad array subscript")).await;
                        continue;
                    };
                    array.insert(there, value.into());
                    next = there.wrapping_add(1);
                }
                None => {
                    for value in self.expand_words(std::slice::from_ref(word)).await? {
                        array.insert(next, value.into());
                        next = next.wrapping_add(1);
                    }
                }
            }
        }
        Ok(())
    }
}
