//! Callers who may not, and documents that cannot be.

use crate::support::{BOB, EVE, Home, radl, told};
use serde_json::Value;

#[tokio::test]
async fn others_see_and_touch_nothing() {
    let home = Home::new(r#"ADMIN_USER = {"username": "root", "password": "r"}"#);
    let im = home.start();
    let id = im.create(1).await;
    let inf = format!("/infrastructures/{id}");
    assert_eq!(told(im.ask_as(EVE, "GET", "/infrastructures")).await.1, "");
    for (method, path) in [
        ("GET", inf.clone()),
        ("GET", format!("{inf}/state")),
        ("GET", format!("{inf}/contmsg")),
        ("GET", format!("{inf}/radl")),
        ("GET", format!("{inf}/tosca")),
        ("GET", format!("{inf}/events")),
        ("GET", format!("{inf}/vms/0")),
        ("GET", format!("{inf}/vms/0/state")),
        ("GET", format!("{inf}/vms/0/contmsg")),
        ("POST", inf.clone()),
        ("PUT", format!("{inf}/stop")),
        ("PUT", format!("{inf}/reconfigure")),
        ("PUT", format!("{inf}/vms/0")),
        ("PUT", format!("{inf}/vms/0/stop")),
        ("DELETE", format!("{inf}/vms/0")),
        ("DELETE", inf.clone()),
    ] {
        let (status, text) = told(im.ask_as(EVE, method, &path)).await;
        assert_eq!(status, 403, "{method} {path}: {text}");
        assert!(text.ends_with(": Access to this infrastructure not granted."), "{text}");
        let (status, text) = told(im.ask_as("", method, &path)).await;
        assert_eq!(
            (status.as_u16(), &*text),
            (401, "No authentication data provided"),
            "{path}"
        );
        let wrong = BOB.replace("s3cret-of-bob", "guess");
        assert_eq!(told(im.ask_as(&wrong, method, &path)).await.0, 403, "{path}");
    }
    let operation = {
        let answer = im.ask("PUT", &format!("{inf}/start")).send().await.unwrap();
        answer.headers()["operation-id"].to_str().unwrap().to_owned()
    };
    let (status, _) = told(im.ask_as(EVE, "GET", &format!("/operations/{operation}"))).await;
    assert!(status == 403 || status == 404, "{status}");
    let admin = "type = InfrastructureManager; username = root; password = r\\nid = d; type = Dummy";
    assert!(told(im.ask_as(admin, "GET", "/infrastructures")).await.1.contains(&id));
    assert_eq!(told(im.ask_as(admin, "DELETE", &inf)).await.0, 200);
}

#[tokio::test]
async fn only_listed_users() {
    let home = Home::new("");
    let users = home.path("users.json");
    home.configure(&format!("USER_DB = {}", users.display()));
    std::fs::write(&users, r#"{"users":[{"username":"bob","password":"s3cret-of-bob"}]}"#).unwrap();
    let im = home.start();
    assert_eq!(told(im.ask("GET", "/infrastructures")).await.0, 200);
    assert_eq!(
        told(im.ask_as(EVE, "GET", "/infrastructures")).await,
        (
            401.try_into().unwrap(),
            "Error Getting Inf. List: Invalid InfrastructureManager credentials".to_owned()
        )
    );
    assert_eq!(
        told(
            im.ask_as("id = d; type = Dummy", "POST", "/infrastructures")
                .body(radl(1))
        )
        .await,
        (
            401.try_into().unwrap(),
            "Error Creating Inf.: No credentials provided for the InfrastructureManager.".to_owned()
        )
    );
    std::fs::write(&users, "{}").unwrap();
    assert_eq!(told(im.ask("GET", "/infrastructures")).await.0, 401);
}

#[tokio::test]
async fn modes_that_change_nothing() {
    let home = Home::new("");
    let im = home.start();
    let id = im.create(1).await;
    im.stop("TERM");
    home.configure("BOOT_MODE = 1");
    let im = home.start();
    im.until(&id, "configured").await;
    let inf = format!("/infrastructures/{id}");
    for (method, path, prefix) in [
        ("POST", "/infrastructures".to_owned(), "Error Creating Inf."),
        ("POST", inf.clone(), "Error Adding resources"),
        ("DELETE", inf.clone(), "Error Destroying Inf"),
        ("PUT", format!("{inf}/vms/0/stop"), "Error in stop op in VM"),
    ] {
        let answer = told(im.ask(method, &path).body(radl(1))).await;
        assert_eq!(
            answer,
            (
                403.try_into().unwrap(),
                format!("{prefix}: Function currently disabled.")
            )
        );
    }
    im.stop("TERM");
    home.configure("BOOT_MODE = 2");
    let im = home.start();
    assert_eq!(told(im.ask("POST", "/infrastructures").body(radl(1))).await.0, 403);
    assert_eq!(told(im.ask("DELETE", &inf)).await.0, 200);
}

#[tokio::test]
async fn documents_that_cannot_be() {
    let home = Home::new("");
    let im = home.start();
    for (content_type, body, part) in [
        ("text/plain", "system front (", "Syntax error: the document ends"),
        ("text/plain", "deploy front 1", "Invalid system id in the deploy."),
        ("text/plain", "network n (\nnetwork n", "Line 2: "),
        ("application/json", "[{\"class\": \"nothing\"}]", "nothing"),
        ("application/json", "{", "JSON"),
    ] {
        let request = im
            .ask("POST", "/infrastructures")
            .header("content-type", content_type)
            .header("accept", "application/json")
            .body(body.to_owned());
        let (status, text) = told(request).await;
        assert_eq!(status, 400, "{body}: {text}");
        let error: Value = serde_json::from_str(&text).unwrap();
        let message = error["message"].as_str().unwrap();
        assert!(
            message.starts_with("Error parsing request body: ") || message.starts_with("Error Creating Inf.: "),
            "{message}"
        );
        assert!(message.contains(part), "{body}: {message}");
        assert!(error["diagnostics"][0]["code"].is_string(), "{text}");
    }
    // No cloud in the credentials.
    let alone = "type = InfrastructureManager; username = bob; password = s3cret-of-bob";
    let (status, text) = told(im.ask_as(alone, "POST", "/infrastructures").body(radl(1))).await;
    assert_eq!(status, 400, "{text}");
    assert!(text.contains("No cloud provider available"), "{text}");
    assert_eq!(im.text("GET", "/infrastructures").await.1, "");
    // An empty document is an infrastructure without machines.
    let id = im.create(0).await;
    let (status, _) = told(im.ask("POST", "/infrastructures").body("")).await;
    assert_eq!(status, 200);
    assert_eq!(im.text("DELETE", &format!("/infrastructures/{id}")).await.0, 200);
}
