//! Indexed arrays: what their elements are, and assignments to them.
//!
//! An array is a variable ([`Var`]) whose elements are kept beside its value, which is the element 0: so whoever knows
//! nothing of arrays sees that one, as in bash. Associative arrays are not modelled.

use std::sync::Arc;

use imbl::OrdMap;

use super::ast::{Assigned, Assignment, Word};
use super::state::{Frame, ReadOnly, ShellState, Var};
use super::{Run, Shell};

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

    /// One element; a negative index counts from the end.
    pub fn element(&self, name: &str, index: i64) -> Option<Arc<str>> {
        let elements = self.elements(name);
        let index = if index < 0 { elements.last().map_or(0, |(last, _)| last + 1) + index } else { index };
        elements.into_iter().find(|(i, _)| *i == index).map(|(_, value)| value)
    }

    /// Sets an element; a variable that was no array becomes one. `Err` when it is read-only.
    pub(super) fn set_element(&mut self, name: &str, index: i64, value: &str) -> Result<(), ReadOnly> {
        let elements = self.elements(name);
        let index = if index < 0 { elements.last().map_or(0, |(last, _)| last + 1) + index } else { index };
        let mut array: OrdMap<i64, Arc<str>> = elements.into_iter().collect();
        array.insert(index, value.into());
        self.set_array(name, array)
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

    /// Takes one element out of an array.
    pub(super) fn unset_element(&mut self, name: &str, index: i64) {
        let mut array: OrdMap<i64, Arc<str>> = self.elements(name).into_iter().collect();
        array.remove(&index);
        // A read-only one is refused before this is asked.
        let _ = self.set_array(name, array);
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
                self.st.set_element(name, index, &value)
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

    async fn expand_elements(
        &mut self,
        elements: &[(Option<Word>, Word)],
        array: &mut OrdMap<i64, Arc<str>>,
    ) -> Run<()> {
        let mut next = array.get_max().map_or(0, |(last, _)| last + 1);
        for (index, word) in elements {
            match index {
                Some(index) => {
                    next = self.arithmetic(index).await?;
                    let value = self.expand_text(word).await?;
                    array.insert(next, value.into());
                    next += 1;
                }
                None => {
                    for value in self.expand_words(std::slice::from_ref(word)).await? {
                        array.insert(next, value.into());
                        next += 1;
                    }
                }
            }
        }
        Ok(())
    }
}
