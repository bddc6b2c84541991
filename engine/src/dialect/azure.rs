//! Azure's ways to say whose model it is: the deployment in the path (`/openai/deployments/D/…`), or in the
//! body (`/openai/v1/…`, `/models/…`).
//!
//! <https://learn.microsoft.com/azure/ai-foundry/openai/reference>

use super::{Found, PathModel, Target};

/// What the target of an OpenAI-like call says.
pub(super) fn found(target: &Target) -> Found {
    let deployment =
        target.path.contains("/openai/deployments/").then(|| target.segment_after("deployments"));
    let model = deployment
        .flatten()
        .map(|segment| PathModel { name: segment.text.clone(), span: segment.span.clone() });
    let is_azure = model.is_some() || target.host.ends_with(".azure.com");
    Found { provider: is_azure.then_some("azure"), model, ..Found::default() }
}
