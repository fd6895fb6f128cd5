//! Parts of the documentation that tests generate.

use std::fs;

use anyhow::{Context, Result, ensure};

use crate::command::repository;

/// Checks that a file of the repository has this text between `<!-- generated: NAME -->` and `<!-- end of NAME -->`. With
/// `UPDATE_DOCS=1` in the environment, it writes the text there instead.
pub fn check_generated(file: &str, name: &str, text: &str) -> Result<()> {
    let path = repository().join(file);
    let document = fs::read_to_string(&path).with_context(|| format!("cannot read {file}"))?;
    let [start, end] = ["generated:", "end of"].map(|marker| format!("<!-- {marker} {name} -->"));
    let parts = document.split_once(&start).and_then(|(before, rest)| {
        let (found, after) = rest.split_once(&end)?;
        Some((before, found, after))
    });
    let (before, found, after) =
        parts.with_context(|| format!("{file} needs a line {start} and then a line {end}"))?;
    let expected = format!("\n{}\n", text.trim_end());
    if std::env::var("UPDATE_DOCS").is_ok_and(|value| value == "1") {
        fs::write(path, [before, &start, &expected, &end, after].concat())?;
        return Ok(());
    }
    ensure!(
        found == expected,
        "the part `{name}` of {file} is out of date. Run this test again with UPDATE_DOCS=1, then review and commit \
         the file. The part must be:\n{expected}"
    );
    Ok(())
}
