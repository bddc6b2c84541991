//! What the documents name exists: half of the paths in another project's guide did not.

use std::path::Path;

const DOCUMENTS: [&str; 4] = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"];

/// What stands between backticks and looks like a file of the repository: a folder and an ending.
fn paths(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2).filter(|code| {
        let plain = code.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-".contains(&b));
        let file = Path::new(code).extension().is_some() && code.contains('/');
        plain && (file || code.ends_with('/')) && !code.starts_with("target/") && !code.starts_with('/')
    })
}

#[test]
fn every_path_in_the_documents_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut seen = 0;
    for document in DOCUMENTS {
        let text = std::fs::read_to_string(root.join(document)).unwrap_or_else(|e| panic!("{document}: {e}"));
        for path in paths(&text) {
            assert!(root.join(path).exists(), "{document} names `{path}`, which does not exist");
            seen += 1;
        }
    }
    assert!(seen >= 10, "the documents name {seen} paths: is the pattern still right?");
}
