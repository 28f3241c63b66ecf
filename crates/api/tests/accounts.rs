//! Through the API: one endpoint, two accounts, and an operator who deletes with the wrong one.

#![allow(clippy::unwrap_used)] // a test says what it expects

use axum::{
    body::{Body, to_bytes},
    http::Request,
};
use im_api::{Options, Rest};
use im_auth::{Admins, Policy};
use im_cloud::{
    Connector,
    net::{AllowedHosts, Guard},
};
use im_model::InstanceId;
use im_ops::EngineOptions;
use im_service::{Connectors, Service, ServiceOptions};
use im_store::SqliteStore;
use im_testkit::{Life, SimCloud, SimCloudOptions};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

async fn api(cloud: &Arc<SimCloud>) -> Rest {
    let connectors: [Arc<dyn Connector>; 1] = [cloud.connector(&Life::default())];
    let policy = || Policy {
        admins: Admins::from_json(&json!({"username": "root", "password": "p"})).unwrap_or_default(),
        ..Policy::default()
    };
    let options = ServiceOptions {
        policy: Arc::new(policy),
        refresh_after: Duration::from_millis(20),
        ..ServiceOptions::default()
    };
    let mut engine = EngineOptions::new(InstanceId::from("test"));
    engine.retry_delay = Duration::from_millis(10);
    let store = Arc::new(SqliteStore::temporary().await.unwrap());
    let guard = Guard::new(AllowedHosts::default());
    let service = Service::start(store, Connectors::new(connectors), options, engine, guard)
        .await
        .unwrap();
    Rest::new(service, Options::default(), CancellationToken::new())
}

async fn ask(api: &Rest, (user, account): (&str, &str), method: &str, path: &str, body: &str) -> (u16, Value) {
    let auth = format!(
        "type = InfrastructureManager; username = {user}; password = p\\n\
         type = Sim; id = sim; host = https://sim.example:8774; account = {account}"
    );
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", auth)
        .header("accept", "application/json")
        .header("content-type", "text/plain")
        .body(Body::from(body.to_owned()))
        .unwrap();
    let response = api.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

#[tokio::test]
async fn an_operator_is_told_which_account_is_needed() {
    const OWNER: (&str, &str) = ("me", "project users, region north");
    const OPERATOR: (&str, &str) = ("root", "project operators, region north");
    let cloud = SimCloud::new(SimCloudOptions::default(), 1);
    let api = api(&cloud).await;
    let radl = "system s (disk.0.image.url = 'sim://image')\ndeploy s 2";
    let (status, created) = ask(&api, OWNER, "POST", "/infrastructures", radl).await;
    assert_eq!(status, 200, "{created}");
    let uri = created["uri"].as_str().unwrap();
    let infra = uri.rsplit('/').next().unwrap();
    let path = format!("/infrastructures/{infra}");

    // Looking with the other account: what it does not see is not gone.
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(30)).await;
        let (status, state) = ask(&api, OPERATOR, "GET", &format!("{path}/state"), "").await;
        assert_eq!(
            (status, &state["state"]["vm_states"]),
            (200, &json!({"0": "configured", "1": "configured"}))
        );
    }

    let (status, refused) = ask(&api, OPERATOR, "DELETE", &path, "").await;
    assert_eq!(status, 400, "{refused}");
    let message = refused["message"].as_str().unwrap();
    assert!(message.starts_with("Error Destroying Inf: "), "{message}");
    let needed = "Needed are credentials for cloud sim of type Sim at https://sim.example:8774, account project users, \
                  region north.";
    assert!(message.ends_with(needed), "{message}");
    let operation = format!("/operations/{}", refused["operation"].as_str().unwrap());
    let (_, view) = ask(&api, OPERATOR, "GET", &operation, "").await;
    assert_eq!(view["state"], "waiting_credentials");
    assert_eq!(cloud.objects().len(), 2, "nothing went");

    let (status, answer) = ask(&api, OWNER, "DELETE", &path, "").await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(cloud.objects().len(), 0);
    let (_, orphans) = ask(&api, OWNER, "GET", "/orphans", "").await;
    assert_eq!(orphans["orphans"], json!([]));
}
