//! Outputs from machines that run.

use crate::{
    rules::case,
    support::{Case, fetch_shared, folder},
};
use im_radl::{Features, System};
use im_tosca::{Embedded, Files, FunctionAccess, Live, LiveVm, OutputContext, OutputValue, ansible_output, outputs};
use indexmap::IndexMap;
use serde_json::{Value, json};
use std::{fs, sync::Arc};

#[derive(Default)]
struct Machines {
    vms: Vec<LiveVm>,
    log: Option<String>,
    function: Option<FunctionAccess>,
}

impl Live for Machines {
    fn vms(&self) -> &[LiveVm] {
        &self.vms
    }

    fn log(&self, _: usize) -> Option<String> {
        self.log.clone()
    }

    fn function(&self, _: usize) -> Option<FunctionAccess> {
        self.function.clone()
    }
}

fn vm(system: &str, id: &str, public: Option<&str>, private: Option<&str>, features: &[(&str, &str)]) -> LiveVm {
    let mut known = Features::new();
    for (name, value) in features {
        known.set_text(*name, *value);
    }
    LiveVm {
        system: system.to_owned(),
        cloud_id: Some(id.to_owned()),
        public_ip: public.map(str::to_owned),
        private_ip: private.map(str::to_owned),
        info: Arc::new(System {
            name: system.to_owned(),
            features: known,
            ..System::default()
        }),
    }
}

fn computed(case: &Case, live: &Machines) -> IndexMap<String, OutputValue> {
    let context = OutputContext {
        inputs: &case.inputs,
        container_ids: &case.container_ids,
    };
    outputs(&case.template, &context, live)
}

const NODES: &str = "inputs: {nothing: {type: string, required: false}, one: {type: integer, default: 1}}
node_templates:
  n: {type: tosca.nodes.indigo.Compute}
  plain: {type: tosca.nodes.Compute}
  net: {type: tosca.nodes.network.Network}
  p: {type: tosca.nodes.network.Port, properties: {order: 1}, requirements: [{binding: plain}, {link: net}]}
  app: {type: tosca.nodes.SoftwareComponent, requirements: [{host: n}]}
";

fn two() -> Machines {
    Machines {
        vms: vec![
            vm(
                "n",
                "vm-0",
                Some("8.8.8.8"),
                Some("10.0.0.1"),
                &[
                    ("disk.0.os.credentials.username", "user"),
                    ("disk.0.os.credentials.password", "pass"),
                    ("net_interface.1.dns.0.name", "a.example.com"),
                    ("net_interface.1.dns.0.tls.certificate", "CERT"),
                    ("net_interface.1.dns.0.tls.private_key", "KEY"),
                ],
            ),
            vm(
                "n",
                "vm-1",
                Some("8.8.4.4"),
                None,
                &[
                    ("disk.0.os.credentials.username", "user"),
                    ("disk.0.os.credentials.password", "pass"),
                    ("disk.0.os.credentials.private_key", "PK"),
                ],
            ),
            vm(
                "plain",
                "vm-2",
                None,
                Some("10.0.0.3"),
                &[("net_interface.1.ip", "10.1.0.3")],
            ),
        ],
        log: Some("Launch task: main_n\nTASK [say] ***\nok: [a_0] => {\"msg\": \"hello\"}\n".to_owned()),
        function: None,
    }
}

fn one(value: &str, live: &Machines) -> OutputValue {
    let case = case(&format!("{NODES}outputs: {{o: {{value: {value}}}}}\n")).unwrap_or_else(|e| panic!("{value}: {e}"));
    computed(&case, live).swap_remove("o").unwrap()
}

#[test]
fn attributes_of_machines() {
    let live = two();
    for (value, expected) in [
        ("{get_attribute: [n, tosca_id]}", json!("vm-0")),
        ("{get_attribute: [n, tosca_name]}", json!("n")),
        ("{get_attribute: [n, public_address]}", json!(["8.8.8.8", "8.8.4.4"])),
        ("{get_attribute: [n, public_address, 0]}", json!("8.8.8.8")),
        ("{get_attribute: [n, public_address, 1]}", json!("8.8.4.4")),
        // The last one stands for those that are not there.
        ("{get_attribute: [n, public_address, 2]}", json!("8.8.4.4")),
        ("{get_attribute: [n, public_address, 7]}", json!("8.8.4.4")),
        (
            "{get_attribute: [n, public_address, {get_input: one}]}",
            json!("8.8.4.4"),
        ),
        ("{get_attribute: [n, private_address]}", json!(["10.0.0.1", null])),
        ("{get_attribute: [plain, private_address]}", json!("10.0.0.3")),
        ("{get_attribute: [n, endpoint, ip_address]}", json!("8.8.8.8")),
        ("{get_attribute: [p, ip_address]}", json!("10.1.0.3")),
        (
            "{get_attribute: [n, endpoint, credential, 0]}",
            json!({"user": "user", "token_type": "password", "token": "pass"}),
        ),
        ("{get_attribute: [n, endpoint, credential, 1, token]}", json!("PK")),
        (
            "{get_attribute: [n, endpoint, tls_certificates]}",
            json!({"a.example.com": {"cert": "CERT", "key": "KEY"}}),
        ),
        (
            "{get_attribute: [n, endpoint, tls_certificates, a.example.com, cert]}",
            json!("CERT"),
        ),
        (
            "{get_attribute: [n, ansible_output, main_n, tasks, say, output]}",
            json!("hello"),
        ),
        (
            "{get_attribute: [n, ansible_output, main_n, tasks, say, state]}",
            json!("ok"),
        ),
        (
            "{concat: ['https://', {get_attribute: [n, public_address, 0]}, ':8080']}",
            json!("https://8.8.8.8:8080"),
        ),
        ("{token: [{get_attribute: [n, public_address, 0]}, '.', 0]}", json!("8")),
        (
            "[{get_input: one}, {a: {get_attribute: [n, tosca_name]}}]",
            json!([1, {"a": "n"}]),
        ),
        ("just text", json!("just text")),
    ] {
        let output = one(value, &live);
        assert_eq!((output.value, output.error), (expected, None), "{value}");
    }
    let log = one("{get_attribute: [n, ctxt_log]}", &live);
    assert_eq!(log.value, json!(live.log.unwrap()));
}

#[test]
fn what_is_not_there_yet_is_null_and_says_why() {
    let none = Machines::default();
    for (value, why) in [
        ("{get_attribute: [n, public_address]}", "there is no machine of `n` yet"),
        (
            "{get_attribute: [n, public_address, 0]}",
            "there is no machine of `n` yet",
        ),
        (
            "{concat: ['https://', {get_attribute: [n, public_address, 0]}]}",
            "there is no machine of `n` yet",
        ),
        (
            "{get_attribute: [n, endpoint, credential, 0]}",
            "there is no machine of `n` yet",
        ),
    ] {
        let output = one(value, &none);
        assert_eq!(
            (output.value, output.error.as_deref()),
            (Value::Null, Some(why)),
            "{value}"
        );
    }
    for (value, why) in [
        (
            "{get_attribute: [plain, public_address]}",
            "the machine of `plain` has no public address yet",
        ),
        (
            "{get_attribute: [n, ansible_output, other, tasks, x, output]}",
            "`ansible_output` of `n` has no `other/tasks/x/output` (yet)",
        ),
        (
            "{get_attribute: [n, endpoint, tls_certificates, b, cert]}",
            "`tls_certificates` of `n` has no `b/cert` (yet)",
        ),
    ] {
        let output = one(value, &two());
        assert_eq!(
            (output.value, output.error.as_deref()),
            (Value::Null, Some(why)),
            "{value}"
        );
    }
    // No text is made of what is not there.
    assert_eq!(
        one("{concat: ['https://', {get_input: nothing}]}", &two()).value,
        Value::Null
    );
}

#[test]
fn one_that_fails_leaves_the_others_and_nothing_is_kept() {
    let case = case(&format!(
        "{NODES}outputs:\n  bad: {{value: {{get_attribute: [plain, public_address]}}}}\n  mixed: {{value: [{{get_attribute: [n, tosca_id]}}, {{get_attribute: [plain, public_address]}}]}}\n  good: {{value: {{get_attribute: [n, public_address, 0]}}}}\n"
    ))
    .unwrap_or_else(|e| panic!("{e}"));
    let mut live = two();
    let before = computed(&case, &live);
    assert_eq!(before.keys().collect::<Vec<_>>(), ["bad", "mixed", "good"]);
    assert_eq!(before["bad"].value, Value::Null);
    assert_eq!(before["mixed"].value, json!(["vm-0", null]));
    assert!(before["mixed"].error.is_some());
    assert_eq!(before["good"].value, json!("8.8.8.8"));
    live.vms[2].public_ip = Some("9.9.9.9".to_owned());
    live.vms[0].public_ip = Some("7.7.7.7".to_owned());
    let after = computed(&case, &live);
    assert_eq!(after["bad"].value, json!("9.9.9.9"));
    assert_eq!(after["good"].value, json!("7.7.7.7"));
}

#[test]
fn secrets_do_not_show_in_debug_output() {
    assert!(!format!("{:?}", two().vms).contains("pass"));
    let access = FunctionAccess {
        token: Some("hidden".to_owned()),
        ..FunctionAccess::default()
    };
    assert!(!format!("{access:?}").contains("hidden"));
}

#[test]
fn functions_and_containers() {
    let function = "node_templates:\n  f:\n    type: tosca.nodes.aisprint.FaaS.Function\n    properties: {name: fn, memory: 1 GB, image: a, script: b}\n";
    let oscar = "    requirements: [{host: o}]\n  o: {type: tosca.nodes.indigo.OSCAR, properties: {password: pw-of-oscar}, requirements: [{host: n}]}\n  n: {type: tosca.nodes.indigo.Compute}\n";
    let asked = "outputs: {e: {value: {get_attribute: [f, endpoint]}}, c: {value: {get_attribute: [f, credential]}}, t: {value: {get_attribute: [f, credential, token]}}}\n";
    let values = |topology: &str, live: &Machines| {
        let case = case(topology).unwrap_or_else(|e| panic!("{e}"));
        let all = computed(&case, live);
        all.into_values().map(|output| output.value).collect::<Vec<_>>()
    };
    let mut live = two();
    let on_host = format!("{function}{oscar}{asked}");
    let credential = json!({"user": "oscar", "token_type": "password", "token": "pw-of-oscar"});
    assert_eq!(
        values(&on_host, &live),
        [json!("http://8.8.8.8"), credential.clone(), json!("pw-of-oscar")]
    );
    let named = on_host.replace(
        "password: pw-of-oscar",
        "password: pw-of-oscar, dns_host: o.example.com",
    );
    assert_eq!(values(&named, &live)[0], json!("https://o.example.com"));
    let alone = format!("{function}{asked}");
    assert_eq!(values(&alone, &live), [Value::Null, Value::Null, Value::Null]);
    live.vms = vec![vm("f", "fn", None, None, &[])];
    let untold = case(&alone).unwrap_or_else(|e| panic!("{e}"));
    let untold = computed(&untold, &live);
    assert_eq!(
        untold["e"].error.as_deref(),
        Some("the cloud of function `f` does not tell how it is called")
    );
    live.function = Some(FunctionAccess {
        endpoint: Some("https://url.of.function".to_owned()),
        user: None,
        token: Some("bearer-token".to_owned()),
    });
    let bearer = json!({"user": "", "token_type": "bearer", "token": "bearer-token"});
    assert_eq!(
        values(&alone, &live),
        [json!("https://url.of.function"), bearer, json!("bearer-token")]
    );

    let container = |ports: &str| {
        format!(
            "node_templates:\n  my_app:\n    type: tosca.nodes.Container.Application.Docker\n    artifacts: {{i: {{file: x, type: tosca.artifacts.Deployment.Image.Container.Docker}}}}\n    requirements: [{{host: run}}]\n  run: {{type: tosca.nodes.Container.Runtime.Docker, capabilities: {{host: {{properties: {{{ports}}}}}}}}}\noutputs: {{all: {{value: {{get_attribute: [my_app, endpoints]}}}}, first: {{value: {{get_attribute: [my_app, endpoints, 0]}}}}}}\n"
        )
    };
    live.vms = vec![vm("my-app-abcdefgh", "x", Some("8.8.8.8"), None, &[])];
    assert_eq!(
        values(
            &container("publish_ports: [{source: 30080, target: 80}], expose_ports: [{target: 3306}]"),
            &live
        ),
        [json!(["8.8.8.8:30080", "my-app-abcdefgh:3306"]), json!("8.8.8.8:30080")]
    );
    assert_eq!(
        values(
            &container("publish_ports: [{source: 1, target: 80, endpoint: 'https://a.b/c'}, {source: 2, target: 81}]"),
            &live
        ),
        [json!(["https://a.b/c", "8.8.8.8:2"]), json!("https://a.b/c")]
    );
}

#[test]
fn samples() {
    let Some(folder) = folder() else {
        println!("not run: the documents are not beside the repository");
        return;
    };
    let tests = folder.join("tosca").join("im-tests");
    let read = |name: &str| fs::read_to_string(tests.join(name)).unwrap();
    let fetch = |url: &str| fetch_shared(&folder, url).ok_or_else(|| "404".to_owned());
    let log = read("vm_cont_out.txt");
    let all = ansible_output(&log);
    assert_eq!(
        all["main_front"]["tasks"]["debug"]["output"],
        "Install user requested apps"
    );
    assert_eq!(
        all["front_front"]["tasks"].as_object().map(serde_json::Map::is_empty),
        Some(false)
    );

    let mut live = two();
    live.vms[0].system = "web_server".to_owned();
    live.log = Some(log);
    let case = Case::load(&read("tosca_create.yml"), Files::new(Embedded::Prefer), &fetch).unwrap();
    let outputs = computed(&case, &live);
    assert_eq!(outputs["server_url"].value, json!(["8.8.8.8"]));
    assert_eq!(
        outputs["server_creds"].value,
        json!({"user": "user", "token_type": "password", "token": "pass"})
    );
    assert_eq!(outputs["server_creds_password"].value, json!("pass"));
    assert_eq!(outputs["ansible_output"].value, json!("Install user requested apps"));

    let case = Case::load(&read("tosca_input_funcs.yml"), Files::new(Embedded::Prefer), &fetch).unwrap();
    let outputs = computed(&case, &live);
    assert_eq!(outputs["some_pass"].value, json!("abcdefgh"));
    assert_eq!(outputs["user_token"].value, json!("the-token"));

    let case = Case::load(&read("tosca_k8s.yml"), Files::new(Embedded::Prefer), &fetch).unwrap();
    live.vms = vec![
        vm("im-container-abcdefgh", "a", Some("8.8.8.8"), None, &[]),
        vm("mysql-container-abcdefgh", "b", None, None, &[]),
    ];
    let outputs = computed(&case, &live);
    assert_eq!(outputs["im_service_endpoint"].value, json!("https://im.domain.com/im"));
    assert_eq!(
        outputs["mysql_service_endpoint"].value,
        json!("mysql-container-abcdefgh:3306")
    );
}
