//! `cmi5.xml`: the course structure of a cmi5 package. One block a part of the course, one assignable unit a lesson, all of
//! them the same page with the lesson's name behind `?`.

use crate::xml::escaped as xml;
use lessons::catalog::{Catalog, Entry};
use std::fmt::Write;

/// The text of the course structure.
pub fn write(catalog: &Catalog) -> String {
    let course = if catalog.course.title.is_empty() { "Ringside" } else { &catalog.course.title };
    let language = catalog.course.language.as_deref().unwrap_or("en");
    let text = |text: &str| format!("<langstring lang=\"{}\">{}</langstring>", xml(language), xml(text));
    let named = |title: &str, about: &str| {
        let about = if about.is_empty() { title } else { about };
        format!("<title>{}</title><description>{}</description>", text(title), text(about))
    };
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <courseStructure xmlns=\"https://w3id.org/xapi/profiles/cmi5/v1/CourseStructure.xsd\">\n  \
         <course id=\"urn:ringside:course\">{}</course>\n",
        named(course, "")
    );
    let unit = |out: &mut String, entry: &Entry| {
        let lesson = &entry.lesson;
        let id = xml(&lesson.id);
        let _ = writeln!(
            out,
            "    <au id=\"urn:ringside:lesson:{id}\" launchMethod=\"AnyWindow\" moveOn=\"Completed\">{}<url>index.html?lesson={id}</url></au>",
            named(&lesson.title, &lesson.summary)
        );
    };
    let of = |part: &str| catalog.entries.iter().filter(|e| e.lesson.part == part).collect::<Vec<_>>();
    for (number, part) in catalog.course.parts.iter().enumerate() {
        let entries = of(part);
        if !entries.is_empty() {
            let _ = writeln!(out, "  <block id=\"urn:ringside:part:{}\">{}", number + 1, named(part, ""));
            entries.into_iter().for_each(|entry| unit(&mut out, entry));
            out.push_str("  </block>\n");
        }
    }
    let rest = catalog.entries.iter().filter(|entry| !catalog.course.parts.contains(&entry.lesson.part));
    rest.for_each(|entry| unit(&mut out, entry));
    out.push_str("</courseStructure>\n");
    out
}
