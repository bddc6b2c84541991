//! Voyage's other embeddings.

use super::*;

const HOST: &str = "api.voyageai.com";

#[test]
fn its_other_embeddings_are_recognised() {
    for path in ["/v1/multimodalembeddings", "/v1/contextualizedembeddings"] {
        let route = metered(HOST, path);
        assert_eq!((route.dialect.name, route.provider), ("openai-embeddings", Some("voyageai")), "{path}");
        let facts = route.read(br#"{"model":"voyage-context-3","inputs":[]}"#).unwrap();
        assert_eq!((facts.model.as_str(), facts.output_bound), ("voyage-context-3", Some(0)));
        assert_eq!(bounded(&route, r#"{"model":"m","inputs":[]}"#), None);
        assert!(is_unknown("GET", HOST, path));
    }
    assert_eq!(metered("api.perplexity.ai", "/v1/contextualizedembeddings").provider, Some("perplexity"));
    assert!(is_unknown("POST", HOST, "/v1/xembeddings"));
}

#[test]
fn chunks_and_images_are_counted() {
    let chunks = metered(HOST, "/v1/contextualizedembeddings");
    assert_eq!(part(&chunks, r#"{"model":"gpt-4o","inputs":[["hi","hi"],["hi"]]}"#, "text"), 3);
    assert_eq!(part(&chunks, r#"{"model":"gpt-4o","input":[["hi","hi"],["hi"]]}"#, "text"), 3);
    let images = metered(HOST, "/v1/multimodalembeddings");
    let body =
        |content: &str| format!(r#"{{"model":"voyage-multimodal-3","inputs":[{{"content":[{content}]}}]}}"#);
    let (found, is_partial) = parts(
        &images,
        &body(r#"{"type":"text","text":"hi"},{"type":"image_url","image_url":"https://x/y.png"}"#),
    );
    assert!(is_partial && found.contains(&("unseen_images", 1)), "{found:?}");
    // A PNG of 280 x 200 pixels: its signature, and the head that states them.
    let png = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAARgAAADICAIAAAA=";
    let text = body(&format!(r#"{{"type":"image_base64","image_base64":"{png}"}}"#));
    assert_eq!(part(&images, &text, "images"), 100);
}

#[test]
fn their_total_is_input() {
    let images = metered(HOST, "/v1/multimodalembeddings");
    let answer = r#"{"object":"list","data":[],"model":"voyage-multimodal-3","usage":{"text_tokens":5,"image_pixels":2000000,"total_tokens":3576}}"#;
    assert_eq!(stated(&images, JSON, answer), Some((3_576, 0)));
    let chunks = r#"{"object":"list","data":[{"object":"list","data":[]}],"model":"voyage-context-3","usage":{"total_tokens":14}}"#;
    assert_eq!(stated(&metered(HOST, "/v1/contextualizedembeddings"), JSON, chunks), Some((14, 0)));
}
