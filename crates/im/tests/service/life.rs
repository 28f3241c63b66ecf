//! The life of an infrastructure, from the first request to the last.

use crate::support::{Home, Im, SOON, radl, told};
use futures::StreamExt as _;
use serde_json::{Value, json};

#[tokio::test]
async fn from_create_to_destroy() {
    let home = Home::new("");
    let im = home.start();
    assert_eq!(
        im.text("GET", "/infrastructures").await,
        (200.try_into().unwrap(), String::new())
    );

    let id = im.create(2).await;
    let inf = format!("/infrastructures/{id}");
    im.until(&id, "configured").await;
    let uri = format!("{}{inf}", im.url);
    assert_eq!(im.text("GET", "/infrastructures").await.1, uri);
    assert_eq!(im.json("/infrastructures").await, json!({"uri-list": [{"uri": uri}]}));
    assert_eq!(im.text("GET", &inf).await.1, format!("{uri}/vms/0\n{uri}/vms/1"));
    assert_eq!(
        im.json(&format!("{inf}/state")).await,
        json!({"state": {"state": "configured", "vm_states": {"0": "configured", "1": "configured"}}})
    );
    assert_eq!(
        im.text("GET", &format!("{inf}/contmsg")).await.1,
        "Contextualization disabled by the RADL/TOSCA template.\n\n"
    );
    let document = im.text("GET", &format!("{inf}/radl")).await.1;
    assert!(
        document.contains("deploy front 2") && document.contains("name = 'test'"),
        "{document}"
    );
    let filter = |regex: &str| format!("/infrastructures?filter={regex}");
    assert_eq!(
        im.text("GET", &filter("description%5Cs.*name%20%3D%20%27test%27"))
            .await
            .1,
        uri
    );
    assert_eq!(im.text("GET", &filter("name%20%3D%20%27other%27")).await.1, "");
    assert_eq!(im.text("GET", &filter("%28")).await.0, 400);

    let vm = im.text("GET", &format!("{inf}/vms/0")).await.1;
    assert!(
        vm.contains("system front (") && vm.contains("state = 'configured'"),
        "{vm}"
    );
    let vm = im.json(&format!("{inf}/vms/0")).await;
    assert_eq!(vm["radl"][0]["class"], "network");
    assert_eq!(vm["radl"][1]["state"], "configured");
    assert_eq!(im.text("GET", &format!("{inf}/vms/0/state")).await.1, "configured");
    assert_eq!(
        im.json(&format!("{inf}/vms/0/cpu.count")).await,
        json!({"cpu.count": 1})
    );
    assert_eq!(
        im.text("GET", &format!("{inf}/vms/0/no.such")).await,
        (
            404.try_into().unwrap(),
            "Incorrect property no.such for VM ID 0".to_owned()
        )
    );
    assert_eq!(im.text("GET", &format!("{inf}/vms/0/contmsg")).await.0, 200);

    let added = told(im.ask("POST", &inf).body(radl(2))).await;
    assert_eq!(added, (200.try_into().unwrap(), format!("{uri}/vms/2\n{uri}/vms/3")));
    assert_eq!(im.text("DELETE", &format!("{inf}/vms/0,9")).await.0, 404);
    assert_eq!(im.text("DELETE", &format!("{inf}/vms/0,2")).await.0, 200);
    assert_eq!(im.text("GET", &inf).await.1, format!("{uri}/vms/1\n{uri}/vms/3"));
    assert_eq!(
        im.text("GET", &format!("{inf}/vms/0")).await,
        (
            404.try_into().unwrap(),
            "Error Getting VM. info: Deleted VM.".to_owned()
        )
    );

    changes(&im, &id).await;

    assert_eq!(im.text("DELETE", &inf).await, (200.try_into().unwrap(), String::new()));
    assert_eq!(im.text("GET", "/infrastructures").await.1, "");
    assert_eq!(
        im.text("GET", &inf).await,
        (
            404.try_into().unwrap(),
            "Error Getting Inf. info: Invalid infrastructure ID or access not granted.".to_owned()
        )
    );
    let last = im.stop("TERM");
    assert_eq!(last, "IM service stopped.");
    for secret in ["s3cret-of-bob", "s3cret-of-vm"] {
        assert!(!home.log().contains(secret), "the log holds {secret}");
    }
}

/// What is done to an infrastructure whose VM 1 lives.
async fn changes(im: &Im, id: &str) {
    let inf = format!("/infrastructures/{id}");
    assert_eq!(
        im.text("PUT", &format!("{inf}/stop")).await,
        (200.try_into().unwrap(), String::new())
    );
    im.until(id, "stopped").await;
    assert_eq!(im.text("PUT", &format!("{inf}/start")).await.0, 200);
    im.until(id, "configured").await;
    assert_eq!(im.text("PUT", &format!("{inf}/vms/1/stop")).await.0, 200);
    assert_eq!(im.text("GET", &format!("{inf}/vms/1/state")).await.1, "stopped");
    assert_eq!(im.text("PUT", &format!("{inf}/vms/1/start")).await.0, 200);
    assert_eq!(im.text("PUT", &format!("{inf}/vms/1/reboot")).await.0, 200);
    let altered = told(
        im.ask("PUT", &format!("{inf}/vms/1"))
            .body("system front (cpu.count = 2)"),
    )
    .await;
    assert_eq!(altered.0, 200, "{}", altered.1);
    assert_eq!(
        im.json(&format!("{inf}/vms/1/cpu.count")).await,
        json!({"cpu.count": 2})
    );
    let reconfigured = im.ask("PUT", &format!("{inf}/reconfigure")).send().await.unwrap();
    assert_eq!(reconfigured.status(), 200);
    assert_eq!(reconfigured.headers()["infid"].to_str().unwrap(), id);
}

#[tokio::test]
async fn asynchronous_calls_can_be_followed() {
    let home = Home::new("");
    let im = home.start();
    let answer = im
        .ask("POST", "/infrastructures?async=1")
        .body(radl(3))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    let (id, operation) = (header("infid"), header("operation-id"));
    im.until(&id, "configured").await;
    let view = im.json(&format!("/operations/{operation}")).await;
    assert_eq!((&view["kind"], &view["state"]), (&json!("create"), &json!("done")));

    let path = format!("/infrastructures/{id}/events");
    let events = im.ask("GET", &path).send().await.unwrap();
    assert_eq!(events.headers()["content-type"], "text/event-stream");
    let mut events = Events::new(events);
    let mut seen = Vec::new();
    while !seen
        .iter()
        .any(|e: &Value| e["type"] == "operation" && e["state"] == "done")
    {
        seen.push(events.next().await.expect("an event"));
    }
    let numbers: Vec<_> = seen.iter().map(|e| e["seq"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    assert!(seen.iter().any(|e| e["type"] == "state"));

    // Taken up where it broke off; ends with the infrastructure.
    let last = numbers.len() as u64;
    let resumed = im.ask("GET", &path).header("last-event-id", last.to_string());
    let mut resumed = Events::new(resumed.send().await.unwrap());
    assert_eq!(
        im.text("DELETE", &format!("/infrastructures/{id}?async=yes")).await.0,
        200
    );
    let mut after = Vec::new();
    while let Some(event) = resumed.next().await {
        after.push(event);
    }
    assert_eq!(after[0]["seq"], last + 1);
    assert!(
        after.iter().any(|e| e["kind"] == "destroy" && e["state"] == "done"),
        "{after:?}"
    );
    assert_eq!(im.text("GET", &path).await.0, 404);
}

#[tokio::test]
async fn many_callers_at_once() {
    let home = Home::new("");
    let im = home.start();
    let created = futures::future::join_all((0..8).map(|n| im.create(n % 3))).await;
    let list = im.text("GET", "/infrastructures").await.1;
    for id in &created {
        assert!(list.contains(id));
    }
    assert_eq!(list.lines().count(), 8);
    let gone = futures::future::join_all(created.iter().map(|id| {
        let path = format!("/infrastructures/{id}");
        let im = &im;
        async move { im.text("DELETE", &path).await }
    }));
    assert!(gone.await.iter().all(|(status, _)| *status == 200));
    assert_eq!(im.text("GET", "/infrastructures").await.1, "");
}

/// The data of server-sent events.
struct Events {
    bytes: futures::stream::BoxStream<'static, Vec<u8>>,
    text: String,
}

impl Events {
    fn new(answer: reqwest::Response) -> Self {
        assert_eq!(answer.status(), 200);
        Self {
            bytes: answer.bytes_stream().map(|chunk| chunk.unwrap().to_vec()).boxed(),
            text: String::new(),
        }
    }

    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let message: String = self.text.drain(..end + 2).collect();
                let data = message.lines().find_map(|line| line.strip_prefix("data: "));
                if let Some(data) = data {
                    return Some(serde_json::from_str(data).unwrap());
                }
                continue;
            }
            let chunk = tokio::time::timeout(SOON, self.bytes.next()).await.unwrap()?;
            self.text.push_str(&String::from_utf8(chunk).unwrap());
        }
    }
}
