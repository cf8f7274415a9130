//! Variants: names and numbers in a lesson that differ from student to student, so that two honest students do not
//! hand in the same.
//!
//! A lesson says `{{box}}` and lists what it may be; a student's seed decides which. The same seed always gives the same.

use serde::{Deserialize, Serialize};

use super::text::{each_text, each_text_of_blocks};
use super::{Condition, Lesson, Part, Question, step::Step};

/// A name of which there are several variants.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Variant {
    /// What stands between the braces.
    pub name: String,
    /// What it may be.
    pub values: Vec<String>,
}

impl Variant {
    /// What it is for this seed.
    pub fn value(&self, seed: &str) -> &str {
        let number = hash(&[seed, &self.name]);
        let index = number.checked_rem(self.values.len() as u64).unwrap_or(0);
        self.values.get(index as usize).map_or("", String::as_str)
    }
}

/// FNV-1a over some texts, then mixed so that its low bits depend on all of them (the last step of splitmix64).
pub(crate) fn hash(texts: &[&str]) -> u64 {
    let bytes = texts.iter().flat_map(|text| text.bytes().chain([0]));
    let fnv = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    let mixed = (fnv ^ (fnv >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

impl Lesson {
    /// The lesson as the student with this seed gets it.
    #[must_use]
    pub fn for_seed(&self, seed: &str) -> Lesson {
        let mut lesson = self.clone();
        if self.variants.is_empty() {
            return lesson;
        }
        let values: Vec<_> =
            self.variants.iter().map(|v| (format!("{{{{{}}}}}", v.name), v.value(seed).to_owned())).collect();
        lesson.each_text(&mut |text| {
            if text.contains("{{") {
                values.iter().for_each(|(name, value)| *text = text.replace(name, value));
            }
        });
        lesson
    }

    /// Gives every text of the lesson in which a variant may stand to `change`.
    pub(crate) fn each_text(&mut self, change: &mut dyn FnMut(&mut String)) {
        for part in &mut self.body {
            if let Part::Text(blocks) = part {
                each_text_of_blocks(blocks, change);
            }
        }
        for slide in &mut self.slides {
            each_text_of_blocks(&mut slide.text, change);
            each_text_of_blocks(&mut slide.notes, change);
        }
        steps(&mut self.start.steps, change);
        for scene in &mut self.scenes {
            steps(&mut scene.steps, change);
            scene.at.iter_mut().for_each(&mut *change);
        }
        for task in &mut self.tasks {
            each_text(&mut task.ask, change);
            condition(&mut task.condition, change);
            for hint in &mut task.hints {
                each_text(&mut hint.say, change);
                condition(&mut hint.condition, change);
            }
        }
        for question in self.predictions.iter_mut().chain(&mut self.quiz) {
            let Question { ask, choices, why, .. } = question;
            [ask, why].into_iter().chain(choices).for_each(|line| each_text(line, change));
        }
    }
}

/// Gives every text of some steps to `change`.
pub(crate) fn steps(steps: &mut [Step], change: &mut dyn FnMut(&mut String)) {
    for step in steps {
        if let Step::Line { text, .. } = step {
            change(text);
        }
    }
}

fn condition(condition: &mut Condition, change: &mut dyn FnMut(&mut String)) {
    let Condition { check, sometimes, always, never, on: _ } = condition;
    check.iter_mut().chain(sometimes).chain(always).chain(never).for_each(change);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_always_gives_the_same_and_seeds_differ() {
        let variant = Variant { name: "box".to_owned(), values: ["a", "b", "c", "d"].map(str::to_owned).to_vec() };
        let values: Vec<_> = (0..40).map(|seed| variant.value(&seed.to_string()).to_owned()).collect();
        let again: Vec<_> = (0..40).map(|seed| variant.value(&seed.to_string()).to_owned()).collect();
        assert_eq!(values, again);
        for value in &variant.values {
            assert!(values.iter().filter(|v| *v == value).count() > 2, "{value} hardly occurs: {values:?}");
        }
    }

    #[test]
    fn a_seed_is_put_in_everywhere() {
        let mut lesson = Lesson {
            variants: vec![Variant { name: "box".to_owned(), values: vec!["red".to_owned()] }],
            ..Lesson::default()
        };
        lesson.start.steps.push(Step::line("hostname {{box}}"));
        let mine = lesson.for_seed("1");
        assert_eq!(mine.start.steps, [Step::line("hostname red")]);
    }
}
