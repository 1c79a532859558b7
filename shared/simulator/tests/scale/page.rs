//! The tables of docs/performance.md that these tests count.

use std::path::Path;
use std::sync::Mutex;
use std::{env, fs};

/// One test writes at a time.
static PAGE: Mutex<()> = Mutex::new(());

/// Compares a table of the page with the counts; with `BLESS=1` writes the table.
pub(crate) fn hold(name: &str, header: &[&str], rows: &[String]) {
    let _turn = PAGE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/performance.md");
    let page = fs::read_to_string(&path).unwrap();
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->\n"));
    let (before, rest) = page.split_once(&begin).unwrap_or_else(|| panic!("no table {name} in docs/performance.md"));
    let (known, after) = rest.split_once(&end).unwrap_or_else(|| panic!("the table {name} has no end"));
    let rule = vec!["---"; header.len()].join(" | ");
    let table = format!("| {} |\n| {rule} |\n{}\n", header.join(" | "), rows.join("\n"));
    if env::var_os("BLESS").is_some() {
        fs::write(&path, format!("{before}{begin}{table}{end}{after}")).unwrap();
    } else {
        assert_eq!(known, table, "the table {name} of docs/performance.md is not what is counted");
    }
}
