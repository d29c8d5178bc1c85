//! What the document (OpenAPI) says of refusals: which statuses requests have in common. All are `application/problem+json`.

use std::collections::BTreeMap;
use utoipa::IntoResponses;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::{ContentBuilder, ObjectBuilder, Ref, RefOr, Response, ResponseBuilder, Type};

/// The media type of problems.
pub(super) const MEDIA_TYPE: &str = "application/problem+json";

/// Of every request that somebody proves who they are for.
pub(super) struct Refusals;
/// Of every such request with a body.
pub(super) struct BodyRefusals;
/// Of one that names a thing.
pub(super) struct NotFound;
/// Of one that contradicts how a thing is.
pub(super) struct Conflict;
/// Of one with a condition.
pub(super) struct Changed;
/// Of one without a body whose query can be read, and means nothing.
pub(super) struct Unusable;
/// Of one that may meet a limit.
pub(super) struct Limited;

type Documented = BTreeMap<String, RefOr<Response>>;

impl IntoResponses for Refusals {
    fn responses() -> Documented {
        [
            refusal("400", "The request is malformed.", &[]),
            refusal("401", "The credentials are missing or wrong.", &[("WWW-Authenticate", "What to send")]),
            refusal("403", "The credentials are not for this, or were sent where they may not be.", &[]),
            refusal("500", "Our own trouble; `x-correlation-id` tells our logs which.", &[]),
            refusal("503", "Over capacity: the same request may be sent again.", &[("Retry-After", "Seconds")]),
        ]
        .into()
    }
}

impl IntoResponses for BodyRefusals {
    fn responses() -> Documented {
        let own = [
            refusal("408", "The body did not arrive in time.", &[]),
            refusal("413", "The body is too large.", &[]),
            refusal("415", "The body is not JSON, or is compressed.", &[]),
            refusal("422", "Fields are not as they must be: `errors` has them all. Or the `Idempotency-Key` was used otherwise.", &[]),
        ];
        Refusals::responses().into_iter().chain(own).collect()
    }
}

impl IntoResponses for NotFound {
    fn responses() -> Documented {
        [refusal("404", "There is none that this caller may see.", &[])].into()
    }
}

impl IntoResponses for Conflict {
    fn responses() -> Documented {
        [refusal("409", "It can't be done as things stand; `type` says why.", &[])].into()
    }
}

impl IntoResponses for Changed {
    fn responses() -> Documented {
        [refusal("412", "It is not as the condition says.", &[])].into()
    }
}

impl IntoResponses for Unusable {
    fn responses() -> Documented {
        [refusal("422", "What is asked for can't be; `detail` says why.", &[])].into()
    }
}

impl IntoResponses for Limited {
    fn responses() -> Documented {
        let after = ("Retry-After", "Seconds; absent where a person must act first");
        [refusal("429", "A limit is reached; `reason` says which.", &[after])].into()
    }
}

fn refusal(status: &str, description: &str, headers: &[(&str, &str)]) -> (String, RefOr<Response>) {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let response = ResponseBuilder::new().description(description).content(MEDIA_TYPE, content);
    let response = headers.iter().fold(response, |it, (name, says)| {
        let text = ObjectBuilder::new().schema_type(Type::String);
        it.header(*name, HeaderBuilder::new().schema(Some(text)).description(Some(*says)).build())
    });
    (status.to_owned(), response.build().into())
}
