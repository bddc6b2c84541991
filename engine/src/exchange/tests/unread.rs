//! Bodies that are not read, or cannot be.

use super::*;

#[test]
fn what_is_unread_or_opaque_is_refused_where_the_policy_says_so() {
    let shop = Shop::new(|policy| {
        policy["unread"] = json!("deny");
        policy["opaque"] = json!("deny");
    });
    assert!(matches!(
        shop.call().unread("too long", Some(0), true, NOON),
        Next::Reply(Reply { status: 413, .. })
    ));
    assert!(matches!(shop.call().body(b"{", false, NOON), Next::Reply(Reply { status: 400, .. })));
    assert!(matches!(
        shop.call().body(body("gpt-4o").as_bytes(), true, NOON),
        Next::Reply(Reply { status: 400, .. })
    ));
}

/// Its answer states no usage: it is held and charged as what cannot be read is, or refused in words of its own.
#[test]
fn a_batch_is_no_way_around_a_budget() {
    let batch = br#"{"requests":[{"custom_id":"a","params":{"model":"claude-opus-4-5","max_tokens":9,"messages":[]}}]}"#;
    let made = br#"{"id":"msgbatch_1","type":"message_batch","processing_status":"in_progress","request_counts":{"processing":1}}"#;
    let call = |shop: &Shop| {
        let route = recognise(b"POST", b"api.anthropic.com", b"/v1/messages/batches").metered().unwrap();
        Exchange::new(shop.policy.clone(), route, Identity::of(&shop.policy, Head::default()), NOON)
    };
    let mut shop = Shop::new(|_| {});
    let mut allowed = call(&shop);
    assert_eq!(allowed.body(batch, false, NOON), Next::Reserve);
    assert_eq!(shop.reserve(&mut allowed), Next::Forward(Edits::default()));
    let held = 100 + (batch.len() as u64).div_ceil(4);
    assert_eq!(shop.stands(), (0, held));
    let _ = allowed.answer_head(200, JSON, false, &[], NOON);
    let _ = allowed.answer_chunk(made, true);
    let settlement = allowed.end(true, NOON).unwrap();
    assert_eq!(settlement.usage.total(), held);
    assert_eq!(settlement.record.unread.as_deref(), Some(Opaque::BATCH));
    shop.book(&mut allowed);
    assert_eq!(shop.stands(), (held, 0));

    let shop = Shop::new(|policy| policy["opaque"] = json!("deny"));
    let Next::Reply(reply) = call(&shop).body(batch, false, NOON) else { panic!("it is refused") };
    let text = String::from_utf8(reply.body.clone()).unwrap();
    assert!(reply.status == 400 && text.contains("a batch holds many calls"), "{text}");
    assert!(text.contains("Send its calls one by one.") && !text.contains("plain JSON"), "{text}");
}
