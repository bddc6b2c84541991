//! The engine's edits of a request, carried out on the host: all of them, or none.

use super::Stream;
use super::request::remove_length;
use crate::host::{self, Buffer, Map};
use tokenstile_engine::dialect::{self, Edits};

impl Stream {
    /// Carries out the edits, or leaves everything as it was.
    pub(super) fn apply(&mut self, edits: &Edits) -> Result<(), String> {
        let mut before = Vec::new();
        let mut done = self.set_headers(edits, &mut before);
        if done.is_ok() && !edits.body.is_empty() {
            done = self.replace_body(edits);
        }
        if done.is_err() {
            for (name, value) in before {
                let _ = match value {
                    Some(value) => host::set_header(Map::RequestHeaders, name, &value),
                    None => host::remove_header(Map::RequestHeaders, name),
                };
            }
        }
        done
    }

    /// Sets the path and the headers; `before` gets what each was.
    fn set_headers<'e>(
        &self,
        edits: &'e Edits,
        before: &mut Vec<(&'e str, Option<Vec<u8>>)>,
    ) -> Result<(), String> {
        if !edits.path.is_empty() {
            let path = dialect::splice(&self.path, &edits.path);
            host::set_header(Map::RequestHeaders, ":path", &path)
                .map_err(|status| format!("replacing the path answered status {status}"))?;
            before.push((":path", Some(self.path.clone())));
        }
        for (name, value) in &edits.headers {
            let old = host::header(Map::RequestHeaders, name).ok().filter(|old| !old.is_empty());
            host::set_header(Map::RequestHeaders, name, value.as_bytes())
                .map_err(|status| format!("setting `{name}` answered status {status}"))?;
            before.push((name, old));
        }
        Ok(())
    }

    fn replace_body(&mut self, edits: &Edits) -> Result<(), String> {
        if self.length_stays {
            return Err("the request's length is on its way already".to_owned());
        }
        // A stale length would cut the body, or smuggle its end into the next request: it goes before the
        // body changes, so that no failure in between leaves the two apart.
        if self.headers_held {
            remove_length()
                .map_err(|status| format!("removing the request's length answered status {status}"))?;
        }
        let edited = dialect::splice(&self.body, &edits.body);
        let replaced = host::set_buffer(Buffer::RequestBody, &edited).map_err(|status| {
            self.root.borrow_mut().bodies_read_only |= status == host::UNIMPLEMENTED;
            format!("replacing the request body answered status {status}")
        });
        if self.headers_held {
            let sent = if replaced.is_ok() { &edited } else { &self.body };
            // Without it the body goes in chunks.
            let _ =
                host::set_header(Map::RequestHeaders, "content-length", sent.len().to_string().as_bytes());
        }
        replaced
    }
}
