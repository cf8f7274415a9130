//! `imsmanifest.xml`: what a package holds, as SCORM 1.2 and SCORM 2004 4th Edition have it. One item a lesson, all of
//! them the same page with the lesson's name behind `?`.

use crate::xml::escaped as xml;
use lessons::catalog::Catalog;
use std::fmt::Write;

/// A version of SCORM.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Edition {
    /// SCORM 1.2.
    Scorm12,
    /// SCORM 2004, 4th Edition.
    Scorm2004,
}

/// The text of the manifest.
pub fn write(edition: Edition, catalog: &Catalog, files: &[String]) -> String {
    let title = xml(if catalog.course.title.is_empty() { "Ringside" } else { &catalog.course.title });
    let (head, version, kind) = match edition {
        Edition::Scorm12 => (
            "xmlns=\"http://www.imsproject.org/xsd/imscp_rootv1p1p2\" xmlns:adlcp=\"http://www.adlnet.org/xsd/adlcp_rootv1p2\"",
            "1.2",
            "adlcp:scormtype",
        ),
        Edition::Scorm2004 => (
            "xmlns=\"http://www.imsglobal.org/xsd/imscp_v1p1\" xmlns:adlcp=\"http://www.adlnet.org/xsd/adlcp_v1p3\" \
             xmlns:imsss=\"http://www.imsglobal.org/xsd/imsss\"",
            "2004 4th Edition",
            "adlcp:scormType",
        ),
    };
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<manifest identifier=\"ringside\" version=\"1\" {head}>\n  <metadata>\n    \
         <schema>ADL SCORM</schema>\n    <schemaversion>{version}</schemaversion>\n  </metadata>\n  \
         <organizations default=\"course\">\n    <organization identifier=\"course\">\n      <title>{title}</title>\n"
    );
    for entry in &catalog.entries {
        let (id, title) = (xml(&entry.lesson.id), xml(&entry.lesson.title));
        let _ = writeln!(
            out,
            "      <item identifier=\"item-{id}\" identifierref=\"page\" parameters=\"?lesson={id}\"><title>{title}</title></item>"
        );
    }
    if edition == Edition::Scorm2004 {
        // Any lesson may be chosen at any time, and one may be followed by the next.
        out.push_str("      <imsss:sequencing><imsss:controlMode choice=\"true\" flow=\"true\"/></imsss:sequencing>\n");
    }
    let _ = write!(
        out,
        "    </organization>\n  </organizations>\n  <resources>\n    \
         <resource identifier=\"page\" type=\"webcontent\" {kind}=\"sco\" href=\"index.html\">\n"
    );
    for file in files {
        let _ = writeln!(out, "      <file href=\"{}\"/>", xml(file));
    }
    out.push_str("    </resource>\n  </resources>\n</manifest>\n");
    out
}
