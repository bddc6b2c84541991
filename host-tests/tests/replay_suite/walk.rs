//! The walk-through in docs/replay.md, taken.

#[path = "../walk_support/mod.rs"]
mod walk_support;

use std::path::{Path, PathBuf};
use walk_support::walk;

#[test]
fn the_walk_through_goes_as_it_is_written() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("walk");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::copy(root.join("examples/replay/week.log.gz"), folder.join("week.log.gz")).unwrap();
    assert_eq!(walk(&root.join("docs/replay.md"), &folder, &[]).len(), 10);
}
