//! Every route: status, headers, text, and what the manager was asked.

mod support;

use im_api::Options;
use support::{AUTH, Asked, api};

const A: (&str, &str) = ("authorization", AUTH);
const JSON: (&str, &str) = ("accept", "application/json");
const RADL: &str = "system s (cpu.count = 1)\ndeploy s 2";

async fn transcript(asked: &[Asked<'_>]) -> String {
    api(Options::default()).transcript(asked).await
}

macro_rules! snapshot {
    ($name:ident, $($asked:expr),+ $(,)?) => {
        #[tokio::test]
        async fn $name() {
            insta::assert_snapshot!(transcript(&[$($asked),+]).await);
        }
    };
}

snapshot!(
    version,
    ("GET", "/version", &[], ""),
    ("GET", "/version", &[JSON], ""),
    ("GET", "/version", &[("accept", "image/png")], ""),
    ("GET", "/version/", &[], ""),
);

snapshot!(
    list,
    ("GET", "/infrastructures", &[A], ""),
    ("GET", "/infrastructures", &[A, JSON], ""),
    ("GET", "/infrastructures?filter=a%2Bb&x=1", &[A], ""),
    ("GET", "/infrastructures?filter=(", &[A, JSON], ""),
    (
        "GET",
        "/infrastructures",
        &[(
            "authorization",
            "type = InfrastructureManager; username = nobody; password = p"
        )],
        ""
    ),
    ("GET", "/infrastructures", &[A, ("accept", "text/plain")], ""),
    ("GET", "/infrastructures/", &[A], ""),
    ("GET", "/infrastructures/?filter=x", &[A], ""),
);

snapshot!(
    create,
    ("POST", "/infrastructures", &[A], RADL),
    ("POST", "/infrastructures?async=yes", &[A, JSON], RADL),
    (
        "POST",
        "/infrastructures",
        &[A, ("content-type", "application/json")],
        r#"[{"class":"system","id":"s"},{"class":"deploy","system":"s","vm_number":1}]"#
    ),
    ("POST", "/infrastructures", &[A], ""),
    ("POST", "/infrastructures", &[A, ("content-type", "text/yaml")], ""),
    (
        "POST",
        "/infrastructures",
        &[A, JSON],
        "system hopeless (cpu.count = 1)"
    ),
    ("POST", "/infrastructures", &[A, JSON], "system wrong (cpu.count = 1)"),
);

snapshot!(
    create_refused_before_anything_happens,
    ("POST", "/infrastructures", &[A, JSON], "system s (\ncpu.count = \n)"),
    (
        "POST",
        "/infrastructures",
        &[A, ("content-type", "application/json")],
        "{"
    ),
    ("POST", "/infrastructures", &[A, ("accept", "text/plain")], RADL),
    (
        "POST",
        "/infrastructures",
        &[A, ("content-type", "application/x-www-form-urlencoded")],
        RADL
    ),
    ("POST", "/infrastructures?async=maybe", &[A], RADL),
    ("POST", "/infrastructures?dry_run=1", &[A], RADL),
    ("POST", "/infrastructures", &[], RADL),
    // What is wrong with the body is told before what is wrong with the rest.
    ("POST", "/infrastructures?async=maybe", &[("content-type", "a/b")], RADL),
    ("POST", "/infrastructures?async=maybe", &[], RADL),
);

const YAML: (&str, &str) = ("content-type", "text/yaml");

snapshot!(
    tosca,
    ("POST", "/infrastructures", &[A, YAML], "tosca: 1"),
    (
        "POST",
        "/infrastructures?async=1",
        &[A, ("content-type", "application/yaml")],
        "tosca: 1"
    ),
    ("POST", "/infrastructures/inf?context=0", &[A, YAML], "tosca: 1"),
    (
        "POST",
        "/infrastructures/inf?diagnostics=yes",
        &[A, YAML, JSON],
        "tosca: 1"
    ),
    ("POST", "/infrastructures/inf", &[A, YAML], "stays"),
    ("POST", "/infrastructures/none", &[A, YAML], "tosca: 1"),
    ("PUT", "/infrastructures/inf/reconfigure", &[A, YAML], "tosca: 1"),
    ("PUT", "/infrastructures/inf/vms/0", &[A, YAML], "tosca: 1"),
    ("POST", "/infrastructures/inf/plan", &[A, YAML, JSON], "tosca: 1"),
    ("POST", "/infrastructures/inf/plan", &[A, JSON], RADL),
    (
        "POST",
        "/infrastructures/inf/plan",
        &[A, ("accept", "text/plain")],
        RADL
    ),
    ("POST", "/infrastructures/none/plan", &[A, JSON], RADL),
);

snapshot!(
    info,
    ("GET", "/infrastructures/inf", &[A], ""),
    ("GET", "/infrastructures/inf", &[A, JSON], ""),
    ("GET", "/infrastructures/none", &[A], ""),
    ("GET", "/infrastructures/deleted", &[A], ""),
    ("GET", "/infrastructures/foreign", &[A, JSON], ""),
    ("GET", "/infrastructures/disabled", &[A], ""),
    ("GET", "/infrastructures/refused", &[A], ""),
    ("GET", "/infrastructures/stuck", &[A, JSON], ""),
    ("GET", "/infrastructures/internal", &[A], ""),
    (
        "GET",
        "/infrastructures/html",
        &[A, ("accept", "text/*, text/html")],
        ""
    ),
);

snapshot!(
    add,
    ("POST", "/infrastructures/inf", &[A], RADL),
    ("POST", "/infrastructures/inf?context=0", &[A, JSON], RADL),
    ("POST", "/infrastructures/inf", &[A], ""),
    ("POST", "/infrastructures/none", &[A], RADL),
);

snapshot!(
    destroy,
    ("DELETE", "/infrastructures/inf", &[A, ("accept", "image/png")], ""),
    ("DELETE", "/infrastructures/inf?force=yes&async=1", &[A], ""),
    ("DELETE", "/infrastructures/none", &[A], ""),
    ("DELETE", "/infrastructures/stuck", &[A, JSON], ""),
);

snapshot!(
    properties,
    ("GET", "/infrastructures/inf/state", &[A], ""),
    (
        "GET",
        "/infrastructures/inf/state",
        &[A, ("accept", "text/plain, image/png")],
        ""
    ),
    ("GET", "/infrastructures/inf/contmsg", &[A], ""),
    ("GET", "/infrastructures/inf/contmsg?headeronly=true", &[A, JSON], ""),
    ("GET", "/infrastructures/inf/radl", &[A], ""),
    ("GET", "/infrastructures/inf/radl", &[A, JSON], ""),
    ("GET", "/infrastructures/inf/tosca", &[A], ""),
    ("GET", "/infrastructures/inf/tosca", &[A, JSON], ""),
    ("GET", "/infrastructures/other/tosca", &[A], ""),
    ("GET", "/infrastructures/other/outputs", &[A, JSON], ""),
    (
        "GET",
        "/infrastructures/inf/outputs",
        &[A, ("accept", "text/plain")],
        ""
    ),
    ("GET", "/infrastructures/none/tosca", &[A], ""),
    ("GET", "/infrastructures/inf/outputs", &[A, JSON], ""),
    ("GET", "/infrastructures/inf/data", &[A, JSON], ""),
    ("GET", "/infrastructures/inf/authorization", &[A], ""),
    ("GET", "/infrastructures/inf/nothing", &[A], ""),
    ("GET", "/infrastructures/inf/nothing", &[], ""),
);

snapshot!(
    power_and_reconfigure,
    ("PUT", "/infrastructures/inf/start", &[A], ""),
    ("PUT", "/infrastructures/inf/stop", &[A], ""),
    ("PUT", "/infrastructures/refused/stop", &[A], ""),
    ("PUT", "/infrastructures/inf/reboot", &[A], ""),
    ("PUT", "/infrastructures/inf/reconfigure", &[A], ""),
    (
        "PUT",
        "/infrastructures/inf/reconfigure?vm_list=1%2C2",
        &[A, ("content-type", "text/yaml")],
        ""
    ),
    ("PUT", "/infrastructures/inf/reconfigure?vm_list=a", &[A], ""),
    ("PUT", "/infrastructures/none/reconfigure", &[A], ""),
);

snapshot!(
    vms,
    ("GET", "/infrastructures/inf/vms/0", &[A], ""),
    ("GET", "/infrastructures/inf/vms/0", &[A, JSON], ""),
    ("GET", "/infrastructures/inf/vms/9", &[A], ""),
    ("GET", "/infrastructures/inf/vms/7", &[A], ""),
    ("GET", "/infrastructures/inf/vms/x", &[A], ""),
    ("GET", "/infrastructures/refused/vms/0", &[A], ""),
    (
        "PUT",
        "/infrastructures/inf/vms/0",
        &[A],
        "system front (cpu.count = 2)"
    ),
    (
        "PUT",
        "/infrastructures/inf/vms/0",
        &[A, JSON],
        "system front (cpu.count = 2)"
    ),
    ("DELETE", "/infrastructures/inf/vms/0", &[A], ""),
    ("DELETE", "/infrastructures/inf/vms/0,1?context=no", &[A], ""),
    ("DELETE", "/infrastructures/inf/vms/0%2C1", &[A], ""),
    ("DELETE", "/infrastructures/inf/vms/0,x", &[A], ""),
    ("DELETE", "/infrastructures/inf/vms/0,9", &[A], ""),
    ("PUT", "/infrastructures/inf/vms/1/start", &[A], ""),
    ("PUT", "/infrastructures/inf/vms/1/stop", &[A], ""),
    ("PUT", "/infrastructures/inf/vms/1/reboot", &[A], ""),
    ("PUT", "/infrastructures/inf/vms/9/reboot", &[A], ""),
    ("PUT", "/infrastructures/inf/vms/1/fly", &[A], ""),
);

snapshot!(
    vm_properties,
    ("GET", "/infrastructures/inf/vms/0/state", &[A], ""),
    ("GET", "/infrastructures/inf/vms/0/state", &[A, JSON], ""),
    ("GET", "/infrastructures/inf/vms/0/memory.size", &[A], ""),
    ("GET", "/infrastructures/inf/vms/0/memory.size", &[A, JSON], ""),
    (
        "GET",
        "/infrastructures/inf/vms/0/net_interface.0.additional_dns_names",
        &[A],
        ""
    ),
    ("GET", "/infrastructures/inf/vms/0/disk.0.applications", &[A], ""),
    ("GET", "/infrastructures/inf/vms/0/disk.0.applications", &[A, JSON], ""),
    ("GET", "/infrastructures/inf/vms/0/nothing", &[A], ""),
    ("GET", "/infrastructures/inf/vms/0/contmsg", &[A], ""),
    ("GET", "/infrastructures/inf/vms/0/contmsg", &[A, JSON], ""),
    (
        "GET",
        "/infrastructures/inf/vms/0/state",
        &[A, ("accept", "image/png")],
        ""
    ),
    ("GET", "/infrastructures/foreign/vms/0/state", &[A], ""),
    ("GET", "/infrastructures/refused/vms/0/state", &[A], ""),
);

snapshot!(
    events,
    ("GET", "/infrastructures/inf/events", &[A], ""),
    (
        "GET",
        "/infrastructures/inf/events",
        &[A, ("last-event-id", "2"), ("accept", "text/event-stream")],
        ""
    ),
    ("GET", "/infrastructures/inf/events", &[A, ("last-event-id", "x")], ""),
    ("GET", "/infrastructures/inf/events", &[A, JSON], ""),
    ("GET", "/infrastructures/none/events", &[A], ""),
);

snapshot!(
    operations,
    ("GET", "/operations/op-1", &[A], ""),
    ("GET", "/operations/none", &[A, JSON], ""),
    ("GET", "/infrastructures/inf/operations", &[A], ""),
    ("GET", "/infrastructures/foreign/operations", &[A, JSON], ""),
    ("POST", "/operations/op-1/retry", &[A], ""),
    ("POST", "/operations/op-1/cancel?async=yes", &[A, JSON], ""),
    ("POST", "/operations/op-1/abandon", &[A, JSON], ""),
    ("POST", "/operations/op-waiting/retry", &[A, JSON], ""),
    ("POST", "/operations/op-ended/cancel", &[A, JSON], ""),
    ("POST", "/operations/op-1/explode", &[A], ""),
    ("POST", "/operations/op-1/retry", &[A, ("accept", "image/png")], ""),
    ("GET", "/operations/op-1/retry", &[A], ""),
    ("POST", "/operations/op-1/retry", &[], ""),
    ("POST", "/infrastructures/inf/abandon", &[A], ""),
    ("POST", "/infrastructures/none/abandon?async=1", &[A, JSON], ""),
);

snapshot!(
    orphans,
    ("GET", "/orphans", &[A, JSON], ""),
    ("DELETE", "/orphans", &[A], ""),
    ("GET", "/orphans", &[], ""),
    ("GET", "/orphans", &[A, ("accept", "text/plain")], ""),
    ("POST", "/orphans", &[A], ""),
);

snapshot!(
    later,
    ("PUT", "/infrastructures", &[A], "{}"),
    ("POST", "/infrastructures/inf/authorization", &[A], "{}"),
    (
        "PUT",
        "/infrastructures/inf/vms/0/disks/0/snapshot?image_name=x",
        &[A],
        ""
    ),
    ("GET", "/infrastructures/inf/vms/0/command", &[A], ""),
    ("GET", "/clouds/one/images", &[A], ""),
    ("GET", "/clouds/one/nothing", &[A], ""),
    ("GET", "/stats", &[A], ""),
    ("GET", "/stats", &[], ""),
    ("GET", "/oai", &[], ""),
    ("GET", "/static/x.png", &[], ""),
    ("GET", "/", &[], ""),
    ("GET", "/openapi.json", &[], ""),
);

snapshot!(
    paths_and_methods,
    ("GET", "/nothing", &[], ""),
    (
        "GET",
        "/infrastructures/inf/vms/0/a/b",
        &[A, ("accept", "text/html")],
        ""
    ),
    ("GET", "//infrastructures", &[], ""),
    ("PATCH", "/infrastructures", &[], ""),
    ("HEAD", "/version", &[], ""),
    ("OPTIONS", "/version", &[], ""),
    ("POST", "/infrastructures/inf/state", &[A], ""),
);

snapshot!(
    credentials,
    ("GET", "/infrastructures", &[], ""),
    ("GET", "/infrastructures", &[("authorization", " "), JSON], ""),
    ("GET", "/infrastructures", &[("authorization", "Basic !!!")], ""),
    (
        "GET",
        "/infrastructures",
        &[("authorization", "Basic Ym9iOnNlY3JldA==")],
        ""
    ),
    ("GET", "/infrastructures", &[("authorization", "Bearer a.b.c")], ""),
    ("GET", "/infrastructures", &[("authorization", "type = Dummy")], ""),
    (
        "GET",
        "/infrastructures",
        &[("authorization", "id = 1x; type = Dummy")],
        ""
    ),
    (
        "DELETE",
        "/infrastructures/inf",
        &[(
            "authorization",
            "type = InfrastructureManager; username = mallory; password = x"
        )],
        ""
    ),
    (
        "GET",
        "/infrastructures",
        &[(
            "authorization",
            r#"[{"type":"InfrastructureManager","username":"bob","password":"a\nb"}]"#
        )],
        ""
    ),
);

#[tokio::test]
async fn prefixes() {
    let api = api(Options {
        root_path: "/im".to_owned(),
        ..Options::default()
    });
    let asked: &[Asked<'_>] = &[
        ("GET", "/im/infrastructures", &[A], ""),
        ("GET", "/infrastructures", &[A], ""),
        ("GET", "/im/infrastructures/", &[A], ""),
        ("GET", "/imagine", &[A], ""),
        (
            "GET",
            "/infrastructures/inf",
            &[
                A,
                ("x-forwarded-proto", "https"),
                ("x-forwarded-host", "public"),
                ("x-forwarded-prefix", "/x"),
            ],
            "",
        ),
    ];
    insta::assert_snapshot!("prefixes_stranger", api.from("192.0.2.1").transcript(asked).await);
    insta::assert_snapshot!("prefixes_proxy", api.from("127.0.0.1").transcript(asked).await);
}

#[tokio::test]
async fn cross_origin() {
    let preflight = |origin, method, headers| {
        vec![
            ("origin", origin),
            ("access-control-request-method", method),
            ("access-control-request-headers", headers),
        ]
    };
    let good = preflight("https://a.example", "PUT", "authorization, content-type");
    let foreign = preflight("https://b.example", "PUT", "");
    let odd = preflight("https://a.example", "BREW", "x-tea");
    let asked: &[Asked<'_>] = &[
        ("OPTIONS", "/infrastructures", &good, ""),
        ("OPTIONS", "/infrastructures", &foreign, ""),
        ("OPTIONS", "/infrastructures", &odd, ""),
        ("OPTIONS", "/infrastructures", &[], ""),
        ("GET", "/version", &[("origin", "https://a.example")], ""),
        ("GET", "/version", &[("origin", "https://b.example")], ""),
        ("GET", "/version", &[], ""),
        (
            "GET",
            "/infrastructures/internal",
            &[A, ("origin", "https://a.example")],
            "",
        ),
    ];
    for (name, cors) in [("cors_one", "https://a.example"), ("cors_any", "*")] {
        let api = api(Options {
            cors: Some(cors.to_owned()),
            ..Options::default()
        });
        insta::assert_snapshot!(name, api.transcript(asked).await);
    }
}

#[tokio::test]
async fn limits() {
    let api = api(Options {
        max_body: 10,
        call_timeout: Some(std::time::Duration::from_millis(20)),
        oai: true,
        static_files: true,
        ..Options::default()
    });
    let asked: &[Asked<'_>] = &[
        ("POST", "/infrastructures", &[A], RADL),
        ("GET", "/infrastructures/slow", &[A], ""),
        ("GET", "/infrastructures/panic", &[A], ""),
        ("GET", "/oai", &[], ""),
        ("GET", "/static/x", &[], ""),
    ];
    insta::assert_snapshot!(api.transcript(asked).await);
}

/// Warnings are told to those who ask for them; for others nothing changes.
#[tokio::test]
async fn warnings() {
    const ODD: &str = "network n (outbuond = 'yes' and outports = '1:2-3')\nsystem a ()\ndeploy a 1";
    let api = api(Options::default());
    let json = ("accept", "application/json");
    let asked: &[Asked<'_>] = &[
        ("POST", "/infrastructures", &[A, json], ODD),
        ("POST", "/infrastructures?diagnostics=yes", &[A], ODD),
        ("POST", "/infrastructures?diagnostics=yes", &[A, json], ODD),
        (
            "POST",
            "/infrastructures?diagnostics=yes",
            &[A, json],
            "system a ()\ndeploy a 1",
        ),
        ("POST", "/infrastructures/inf?diagnostics=yes", &[A, json], ODD),
        ("POST", "/infrastructures/inf", &[A, json], ODD),
        ("POST", "/infrastructures?diagnostics=perhaps", &[A, json], ODD),
    ];
    insta::assert_snapshot!(api.transcript(asked).await);
}

/// The operator's bounds on documents.
#[tokio::test]
async fn bounds_of_documents() {
    let api = api(Options {
        documents: im_radl::Limits {
            bytes: 200,
            nesting: 2,
            list: 2,
            vms: 5,
            diagnostics: 2,
        },
        ..Options::default()
    });
    let long = format!("# {}", "x".repeat(200));
    let asked: &[Asked<'_>] = &[
        ("POST", "/infrastructures", &[A], &long),
        ("POST", "/infrastructures", &[A], "system a (soft 1 (soft 2 (x = 1)))"),
        ("POST", "/infrastructures", &[A], "system a (x = ['a','b','c'])"),
        ("POST", "/infrastructures", &[A], "system a () deploy a 3 deploy a 3"),
        (
            "POST",
            "/infrastructures",
            &[A, ("accept", "application/json")],
            "network 1 network 2 network 3 network 4",
        ),
        ("POST", "/infrastructures", &[A], "system a () deploy a 5"),
    ];
    insta::assert_snapshot!(api.transcript(asked).await);
}
