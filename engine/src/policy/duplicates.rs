//! Keys that stand twice in a policy: JSON parsers keep one of them, and half a policy is lost.

use super::PolicyErrors;
use crate::json::{Container, Event, Key, Reader, Visitor};

/// One open object or array.
#[derive(Default)]
struct Frame {
    keys: Vec<Vec<u8>>,
    /// The element at hand, for arrays.
    index: Option<usize>,
}

struct Finder<'e> {
    open: Vec<Frame>,
    errors: &'e mut PolicyErrors,
}

/// Adds an error for each key that stands twice in its object. What is not JSON is left to the parser.
pub(super) fn find(json: &[u8], errors: &mut PolicyErrors) {
    let mut finder = Finder { open: Vec::new(), errors };
    let _ = Reader::new().feed(json, &mut finder);
}

impl Finder<'_> {
    fn path(&self) -> String {
        let step = |path: String, frame: &Frame| match (frame.index, frame.keys.last()) {
            (Some(index), _) => format!("{path}[{index}]"),
            (None, Some(key)) if path.is_empty() => String::from_utf8_lossy(key).into_owned(),
            (None, Some(key)) => format!("{path}.{}", String::from_utf8_lossy(key)),
            (None, None) => path,
        };
        self.open.iter().fold(String::new(), step)
    }

    fn element(&mut self) {
        if let Some(Frame { index: Some(index), .. }) = self.open.last_mut() {
            *index = index.wrapping_add(1);
        }
    }
}

impl Visitor for Finder<'_> {
    fn key(&mut self, _: &[Key], name: &[u8]) {
        let Some(frame) = self.open.last_mut() else { return };
        let twice = frame.keys.iter().any(|key| key == name);
        frame.keys.push(name.to_vec());
        if twice {
            let path = self.path();
            self.errors.add(path, "this key stands twice in its object; only one of them would count");
        }
    }

    fn event(&mut self, _: &[Key], event: Event<'_>) {
        match event {
            Event::Begin(container) => {
                self.element();
                let index = (container == Container::Array).then_some(usize::MAX);
                self.open.push(Frame { keys: Vec::new(), index });
            }
            Event::End => {
                self.open.pop();
            }
            Event::TextBegin { .. } | Event::Number(_) | Event::Bool(_) | Event::Null => self.element(),
            Event::Text(_) | Event::TextEnd { .. } => {}
        }
    }
}
