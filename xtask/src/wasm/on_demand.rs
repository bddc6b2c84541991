//! Takes the tables of the encodings out of what a VM copies when it starts: each becomes a passive segment, which a marked
//! function of the module copies when it is called.
//!
//! Called by [`crate::wasm`] and the token benchmark after linking, since lld makes passive segments only for memory that
//! threads share. `tokens/src/tables.rs` has the other half: it calls these functions, and says why. Knows WebAssembly's
//! sections; of a table it knows the bytes, of a function the number that stands in it.

#[cfg(test)]
mod tests;

use std::{fs, ops::Range};

use anyhow::{Context, Result, bail};
use wasm_encoder::{
    CodeSection, ConstExpr, DataCountSection, DataSection, Function, Module, RawSection, SectionId,
};
use wasmparser::{ConstExpr as Offset, DataKind, FunctionBody, Operator, Parser, Payload};

use crate::{root, sh};

/// A table of `tokens/tables`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    /// Its encoding.
    name: &'static str,
    /// What stands in the function that loads it, and in no other.
    mark: &'static [u8; 8],
}

/// All of them.
pub(crate) const TABLES: &[Table] = &[CL100K, Table { name: "o200k", mark: b"##o200k#" }];
/// One of them, for a module that has no other.
pub(crate) const CL100K: Table = Table { name: "cl100k", mark: b"#cl100k#" };

/// The module with `tables` loaded on demand; without any, as it is.
///
/// # Errors
///
/// A table or its function is not there exactly once: the module would be right, and slow to start.
pub(crate) fn load_on_demand(module: &[u8], tables: &[Table]) -> Result<Vec<u8>> {
    if tables.is_empty() {
        return Ok(module.to_vec());
    }
    let with_bytes = tables.iter().map(|table| Ok((*table, table.bytes()?)));
    rewrite(module, &with_bytes.collect::<Result<Vec<_>>>()?).context(
        "cannot make the tables of `tokens/tables` load on demand; what `tokens/src/tables.rs` compiles to and what \
         `xtask/src/wasm/on_demand.rs` looks for must be the same",
    )
}

impl Table {
    fn bytes(self) -> Result<Vec<u8>> {
        let file = root().join(format!("tokens/tables/{}.units", self.name));
        fs::read(&file).with_context(|| format!("cannot read `{}`", sh::pretty(&file)))
    }
}

fn rewrite(module: &[u8], tables: &[(Table, Vec<u8>)]) -> Result<Vec<u8>> {
    let parts = Parts::read(module)?;
    let mut places = Vec::new();
    for (table, bytes) in tables {
        let place = parts.find(bytes).with_context(|| format!("looking for the table of {}", table.name))?;
        let function =
            parts.marked(table.mark).with_context(|| format!("looking for what loads {}", table.name))?;
        places.push((place, function));
    }
    let mut data = DataSection::new();
    for (at, segment) in parts.segments.iter().enumerate() {
        let mut taken: Vec<_> = places
            .iter()
            .filter(|(place, _)| place.segment == at)
            .map(|(place, _)| place.bytes.clone())
            .collect();
        taken.sort_by_key(|bytes| bytes.start);
        for rest in rests(segment.bytes.len(), &taken) {
            let bytes = segment.bytes.get(rest.clone()).unwrap_or_default();
            data.active(0, &ConstExpr::i32_const(segment.address(rest.start)?), bytes.iter().copied());
        }
    }
    let mut loaders = Vec::new();
    for (place, function) in &places {
        let index = data.len();
        let segment = parts.segments.get(place.segment).context("a segment that was found")?;
        let bytes = segment.bytes.get(place.bytes.clone()).unwrap_or_default();
        data.passive(bytes.iter().copied());
        loaders.push((*function, loader(segment.address(place.bytes.start)?, bytes.len(), index)?));
    }
    Ok(parts.write(&loaders, &data))
}

/// Copies a whole segment to its address. It is not dropped: no engine gives memory back for that, and a second call
/// would trap.
fn loader(address: i32, len: usize, segment: u32) -> Result<Function> {
    let mut function = Function::new([]);
    let mut instructions = function.instructions();
    instructions.i32_const(address).i32_const(0).i32_const(i32::try_from(len)?).memory_init(0, segment).end();
    Ok(function)
}

/// What is left of `len` bytes without those that are taken, which are in order.
fn rests(len: usize, taken: &[Range<usize>]) -> Vec<Range<usize>> {
    let starts = [0].into_iter().chain(taken.iter().map(|bytes| bytes.end));
    let ends = taken.iter().map(|bytes| bytes.start).chain([len]);
    starts.zip(ends).map(|(start, end)| start..end).filter(|rest| !rest.is_empty()).collect()
}

/// A module, as far as it matters here.
#[derive(Default)]
struct Parts<'m> {
    /// Identifier and contents of each section, in their order.
    sections: Vec<(u8, &'m [u8])>,
    segments: Vec<Segment<'m>>,
    functions: Vec<FunctionBody<'m>>,
    module: &'m [u8],
}

/// A part of the data that is copied at start.
struct Segment<'m> {
    address: i32,
    bytes: &'m [u8],
}

/// Where a table lies.
struct Place {
    segment: usize,
    bytes: Range<usize>,
}

impl<'m> Parts<'m> {
    fn read(module: &'m [u8]) -> Result<Self> {
        let mut parts = Self { module, ..Self::default() };
        for payload in Parser::new(0).parse_all(module) {
            let payload = payload?;
            if let Some((id, range)) = payload.as_section() {
                parts.sections.push((id, module.get(range).unwrap_or_default()));
            }
            match payload {
                Payload::DataSection(all) => {
                    for data in all {
                        parts.segments.push(Segment::read(data?)?);
                    }
                }
                Payload::CodeSectionEntry(body) => parts.functions.push(body),
                _ => {}
            }
        }
        Ok(parts)
    }

    fn find(&self, table: &[u8]) -> Result<Place> {
        let mut found = self.segments.iter().enumerate().flat_map(|(segment, Segment { bytes, .. })| {
            let all = bytes.windows(table.len()).enumerate().filter(|(_, bytes)| *bytes == table);
            all.map(move |(start, _)| Place { segment, bytes: start..start.saturating_add(table.len()) })
        });
        match (found.next(), found.next()) {
            (Some(place), None) => Ok(place),
            (Some(_), Some(_)) => bail!("it is in the data twice"),
            (None, _) => bail!("its bytes are nowhere in the data that is copied at start"),
        }
    }

    /// The function in which the mark stands: its place among those that have code.
    fn marked(&self, mark: &[u8; 8]) -> Result<usize> {
        let mark = i64::from_le_bytes(*mark);
        let mut found = Vec::new();
        for (at, body) in self.functions.iter().enumerate() {
            for operator in body.get_operators_reader()? {
                if matches!(operator?, Operator::I64Const { value } if value == mark) {
                    found.push(at);
                }
            }
        }
        match found.as_slice() {
            [one] => Ok(*one),
            [] => bail!("no function has the mark"),
            _ => bail!("the mark stands at {} places", found.len()),
        }
    }

    fn write(&self, loaders: &[(usize, Function)], data: &DataSection) -> Vec<u8> {
        let mut module = Module::new();
        for (id, contents) in &self.sections {
            if *id == SectionId::Code as u8 {
                module.section(&DataCountSection { count: data.len() });
                module.section(&self.code(loaders));
            } else if *id == SectionId::Data as u8 {
                module.section(data);
            } else if *id != SectionId::DataCount as u8 {
                module.section(&RawSection { id: *id, data: contents });
            }
        }
        module.finish()
    }

    fn code(&self, loaders: &[(usize, Function)]) -> CodeSection {
        let mut code = CodeSection::new();
        for (at, body) in self.functions.iter().enumerate() {
            match loaders.iter().find(|(loader, _)| *loader == at) {
                Some((_, loader)) => code.function(loader),
                None => code.raw(self.module.get(body.range()).unwrap_or_default()),
            };
        }
        code
    }
}

impl<'m> Segment<'m> {
    fn read(data: wasmparser::Data<'m>) -> Result<Self> {
        let DataKind::Active { memory_index: 0, offset_expr } = data.kind else {
            bail!("a part of it is not copied at start; was this done before?");
        };
        Ok(Self { address: constant(&offset_expr)?, bytes: data.data })
    }

    /// Of its byte at `at`.
    fn address(&self, at: usize) -> Result<i32> {
        // An address above 2 GB is written as a negative number.
        Ok(self.address.wrapping_add_unsigned(u32::try_from(at)?))
    }
}

fn constant(offset: &Offset<'_>) -> Result<i32> {
    match offset.get_operators_reader().read()? {
        Operator::I32Const { value } => Ok(value),
        other => bail!("data at an address that is no constant: {other:?}"),
    }
}
