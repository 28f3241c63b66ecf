//! Whatever comes in, there is an answer, and it is never ours to blame.

mod support;

use axum::{
    body::{Body, to_bytes},
    http::{HeaderValue, Request},
};
use im_api::Options;
use proptest::{collection::vec, prelude::*};
use support::{AUTH, api};

fn method() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"])
}

fn path() -> impl Strategy<Value = String> {
    let segment = prop_oneof![
        Just("infrastructures".to_owned()),
        Just("inf".to_owned()),
        Just("vms".to_owned()),
        Just("0".to_owned()),
        Just("contmsg".to_owned()),
        Just("reconfigure".to_owned()),
        Just("state".to_owned()),
        "[%a-f0-9,._~-]{0,12}",
        "(%[0-9a-f]{2}){1,3}",
    ];
    let query = prop_oneof![
        Just(String::new()),
        "\\?[a-z_=&%0-9+]{0,20}",
        "\\?(async|force|context|headeronly|vm_list|filter)=[a-z0-9%,]{0,6}",
    ];
    (vec(segment, 0..8), query).prop_map(|(segments, query)| format!("/{}{query}", segments.join("/")))
}

/// Any bytes that a header can hold.
fn value() -> impl Strategy<Value = HeaderValue> {
    let any = vec(prop_oneof![32u8..127, 128u8..=255, Just(9u8)], 0..200)
        .prop_filter_map("a header value", |bytes| HeaderValue::from_bytes(&bytes).ok());
    let known = prop::sample::select(vec![
        "application/json",
        "text/plain, text/html",
        "text/yaml",
        "*/*",
        "application/x-www-form-urlencoded",
        "Basic x",
        "Bearer x.y.z",
        "[{}]",
        "{\"type\": 1}",
        "type = InfrastructureManager; username = bob; password = 'x\\nid = 1",
    ]);
    prop_oneof![any, known.prop_map(HeaderValue::from_static)]
}

fn headers() -> impl Strategy<Value = Vec<(&'static str, HeaderValue)>> {
    let name = prop::sample::select(vec![
        "accept",
        "content-type",
        "authorization",
        "host",
        "origin",
        "last-event-id",
        "x-forwarded-host",
        "x-forwarded-port",
        "x-forwarded-prefix",
        "x-forwarded-proto",
        "access-control-request-method",
    ]);
    vec((name, value()), 0..6)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_request_has_an_answer(
        method in method(),
        path in path(),
        headers in headers(),
        let_in in any::<bool>(),
        body in vec(any::<u8>(), 0..300),
        cors in any::<bool>(),
    ) {
        let Ok(mut request) = Request::builder().method(method).uri(&path).body(Body::from(body)) else {
            return Ok(());
        };
        for (name, value) in headers {
            request.headers_mut().append(name, value);
        }
        if let_in {
            request.headers_mut().insert("authorization", HeaderValue::from_static(AUTH));
        }
        let options = Options {
            root_path: "/inf".to_owned(),
            cors: cors.then(|| "*".to_owned()),
            ..Options::default()
        };
        let api = api(options).from("127.0.0.1");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let response = api.send(request).await;
            let status = response.status();
            prop_assert!(status.as_u16() != 500, "{method} {path}: {status}");
            let json = response.headers().get("content-type").is_some_and(|t| t == "application/json");
            let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
            let text = std::str::from_utf8(&body);
            prop_assert!(text.is_ok(), "{method} {path}");
            if json {
                prop_assert!(serde_json::from_slice::<serde_json::Value>(&body).is_ok(), "{method} {path}: {text:?}");
            }
            Ok(())
        })?;
    }
}
