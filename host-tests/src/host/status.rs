//! Owns the numbers that host calls answer with. Used by every host call; it must not know what they do.

/// What a host call answers: any number, since hosts and injected faults are not bound to the known ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Status(pub u32);

#[allow(missing_docs, reason = "the names are those of the proxy-wasm ABI")]
impl Status {
    pub const OK: Status = Status(0);
    pub const NOT_FOUND: Status = Status(1);
    pub const BAD_ARGUMENT: Status = Status(2);
    pub const SERIALIZATION_FAILURE: Status = Status(3);
    pub const PARSE_FAILURE: Status = Status(4);
    pub const BAD_EXPRESSION: Status = Status(5);
    pub const INVALID_MEMORY_ACCESS: Status = Status(6);
    pub const EMPTY: Status = Status(7);
    pub const CAS_MISMATCH: Status = Status(8);
    pub const RESULT_MISMATCH: Status = Status(9);
    pub const INTERNAL_FAILURE: Status = Status(10);
    pub const BROKEN_CONNECTION: Status = Status(11);
    pub const UNIMPLEMENTED: Status = Status(12);
}
