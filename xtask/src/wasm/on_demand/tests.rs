//! Modules before and after, as text: equal to the byte.

#![expect(clippy::unwrap_used, reason = "a test may stop where it fails")]

use super::*;

const O200K: Table = Table { name: "o200k", mark: b"##o200k#" };

/// Its tables are `TABLE` and `TAFEL`; the marks are the numbers in the first and the last function.
fn module(data: &str) -> Vec<u8> {
    let loaders =
        ["(drop (i64.const 0x23_6b_30_30_31_6c_63_23))", "(drop (i64.const 0x23_6b_30_30_32_6f_23_23))"];
    with(loaders, data)
}

fn with([cl100k, o200k]: [&str; 2], data: &str) -> Vec<u8> {
    let text = format!(
        r#"(module
            (import "env" "host" (func (param i32)))
            (memory (export "memory") 1)
            (func {cl100k})
            (func (export "count") (param i64) (result i64) (call 1) (local.get 0))
            (func {o200k})
            {data}
            (@custom "last" "kept"))"#
    );
    wat::parse_str(text).unwrap()
}

/// `memory.init` of each: address, length, segment.
fn loaded([cl100k, o200k]: [(i32, usize, u32); 2], data: &str) -> Vec<u8> {
    let copy = |(address, len, segment)| {
        format!("(memory.init {segment} (i32.const {address}) (i32.const 0) (i32.const {len}))")
    };
    with([&copy(cl100k), &copy(o200k)], data)
}

fn tables() -> Vec<(Table, Vec<u8>)> {
    vec![(CL100K, b"TABLE".to_vec()), (O200K, b"TAFEL".to_vec())]
}

#[test]
fn tables_leave_the_data_wherever_they_lie_in_it() {
    let passive = r#"(data "TABLE") (data "TAFEL")"#;
    let cases = [
        (
            "in the middle, one behind the other, in another order",
            r#"(data (i32.const 16) "abTAFELTABLEcd")"#,
            r#"(data (i32.const 16) "ab") (data (i32.const 28) "cd")"#,
            [(23, 5, 2), (18, 5, 3)],
        ),
        (
            "at the start and at the end",
            r#"(data (i32.const 16) "TABLEabTAFEL")"#,
            r#"(data (i32.const 21) "ab")"#,
            [(16, 5, 1), (23, 5, 2)],
        ),
        (
            "in segments of their own, beside others",
            r#"(data (i32.const 8) "ab") (data (i32.const 16) "TABLE") (data (i32.const 32) "TAFEL")"#,
            r#"(data (i32.const 8) "ab")"#,
            [(16, 5, 1), (32, 5, 2)],
        ),
        (
            "above 2 GB",
            r#"(data (i32.const 0x80000000) "TABLE.TAFEL")"#,
            r#"(data (i32.const 0x80000005) ".")"#,
            [(i32::MIN, 5, 1), (i32::MIN + 6, 5, 2)],
        ),
    ];
    for (what, before, rest, copies) in cases {
        let after = rewrite(&module(before), &tables()).unwrap();
        assert!(after == loaded(copies, &format!("{rest} {passive}")), "{what}: {after:x?}");
    }
}

/// An unrewritten module would be right and slow, so nobody would see that it is not rewritten.
#[test]
fn what_is_not_found_is_an_error() {
    let one = r#"(data (i32.const 0) "TABLE")"#;
    let both = r#"(data (i32.const 0) "TABLETAFEL")"#;
    let twice = r#"(data (i32.const 0) "TABLETAFEL") (data (i32.const 16) "TABLE")"#;
    let mark = "(drop (i64.const 0x23_6b_30_30_31_6c_63_23))";
    let done = rewrite(&module(both), &tables()).unwrap();
    let cases = [
        (module(one), "the table of o200k: its bytes are nowhere in the data that is copied at start"),
        (module(twice), "the table of cl100k: it is in the data twice"),
        (with([mark, ""], both), "what loads o200k: no function has the mark"),
        (with([mark, mark], both), "what loads cl100k: the mark stands at 2 places"),
        (done, "was this done before?"),
    ];
    for (module, expected) in cases {
        let error = format!("{:#}", rewrite(&module, &tables()).unwrap_err());
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn the_error_names_the_way_out() {
    let error = load_on_demand(&module(""), TABLES).unwrap_err();
    assert!(error.to_string().contains("`tokens/src/tables.rs`"), "{error:#}");
}
