//! What is there after a restart, orderly or not.

use crate::support::{Home, radl};

#[tokio::test]
async fn everything_is_there_again() {
    let home = Home::new("");
    let im = home.start();
    let id = im.create(2).await;
    im.until(&id, "configured").await;
    let inf = format!("/infrastructures/{id}");
    let vm = im.json(&format!("{inf}/vms/1")).await;
    let radl = im.text("GET", &format!("{inf}/radl")).await;
    assert_eq!(im.stop("HUP"), "IM service stopped.");

    let im = home.start();
    im.until(&id, "configured").await;
    assert_eq!(im.json(&format!("{inf}/vms/1")).await, vm);
    assert_eq!(im.text("GET", &format!("{inf}/radl")).await, radl);
    assert_eq!(im.text("DELETE", &inf).await.0, 200);
    im.crash();

    let im = home.start();
    assert_eq!(im.text("GET", "/infrastructures").await.1, "");
    assert_eq!(im.text("GET", &inf).await.0, 404);
    assert_eq!(im.stop("INT"), "IM service stopped.");
}

#[tokio::test]
async fn what_was_begun_is_ended_after_a_crash() {
    let home = Home::new("");
    let im = home.start();
    let answer = im
        .ask("POST", "/infrastructures?async=1")
        .body(radl(300))
        .send()
        .await
        .unwrap();
    let id = answer.headers()["infid"].to_str().unwrap().to_owned();
    im.crash();

    let im = home.start();
    im.until(&id, "configured").await;
    let vms = im.text("GET", &format!("/infrastructures/{id}")).await.1;
    assert_eq!(vms.lines().count(), 300);
    let gone = im.text("DELETE", &format!("/infrastructures/{id}?async=1")).await;
    assert_eq!(gone.0, 200);
    im.crash();

    let im = home.start();
    let until = std::time::Instant::now() + crate::support::SOON;
    while im.text("GET", &format!("/infrastructures/{id}")).await.0 != 404 {
        assert!(std::time::Instant::now() < until, "still there");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
