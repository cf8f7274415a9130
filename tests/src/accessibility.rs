//! What axe has to say about the page.

use crate::page::Page;
use anyhow::{Result, bail};
use serde::Deserialize;
use serde_json::Value;

/// One rule of accessibility that the page breaks.
#[derive(Clone, Debug, Deserialize)]
pub struct Violation {
    /// axe's name of the rule.
    pub id: String,
    /// What the rule asks for.
    pub help: String,
    /// Selectors of the elements that break it.
    pub targets: Vec<String>,
}

impl Page {
    /// What axe finds against WCAG 2.0 to 2.2, levels A and AA, in the page as it is now.
    pub fn accessibility_violations(&self) -> Result<Vec<Violation>> {
        const AXE: &str = include_str!("../fixtures/axe-core/axe.min.js");
        if !self.evaluate::<bool>("typeof axe === 'object'")? {
            self.evaluate::<Value>(&format!("{AXE}; null"))?;
        }
        self.evaluate(
            "axe.run(document, { resultTypes: ['violations'], runOnly: \
               ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] }) \
             .then(found => found.violations.map(v => ({ id: v.id, help: v.help, \
               targets: v.nodes.map(node => node.target.flat().join(' ')) })))",
        )
    }

    /// Fails when axe finds something.
    pub fn must_be_accessible(&self, what: &str) -> Result<()> {
        let violations = self.accessibility_violations()?;
        if violations.is_empty() {
            return Ok(());
        }
        let lines: Vec<String> = violations
            .iter()
            .map(|violation| format!("{} ({}): {}", violation.id, violation.help, violation.targets.join(", ")))
            .collect();
        bail!("{what} is not accessible:\n{}", lines.join("\n"))
    }
}
