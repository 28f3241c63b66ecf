//! The cases about operations that a connector may have or not: power, alter, images, quotas.

use super::{
    Subject,
    cases::{outside, vms},
};
use im_cloud::{CloudError, ErrorKind, Seen};
use im_model::{Power, ResourceKind, Supports, VmState};
use serde_json::json;
use std::collections::BTreeMap;

fn refused(supports: Supports, error: Option<CloudError>) {
    let Supports::No(text) = supports else {
        panic!("{error:?} of an operation that it has")
    };
    let error = error.expect("an operation that it has not is refused");
    assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Unsupported, text));
}

/// Promise 13: what was asked for is so afterwards, twice as well as once.
pub async fn powers(subject: &Subject) {
    let world = subject.world();
    let made = world.launch(subject, 1).await;
    let id = vms(&made)[0].observed.cloud_id.clone();
    let capability = subject.connector.capability();
    let steps = [
        (Power::Start, VmState::Running, capability.power),
        (Power::Reboot, VmState::Running, capability.reboot),
        (Power::Stop, VmState::Stopped, capability.power),
        (Power::Stop, VmState::Stopped, capability.power),
        (Power::Start, VmState::Running, capability.power),
    ];
    for (power, state, supports) in steps {
        match subject.connector.power(&world.cx, &id, power).await {
            Ok(observed) => {
                assert_eq!(supports, Supports::Yes);
                assert_eq!(observed.cloud_id, id);
                assert!(observed.state.is_none_or(|s| s == state), "{power:?}: {observed:?}");
                let seen = subject
                    .connector
                    .observe(&world.cx, std::slice::from_ref(&id))
                    .await
                    .unwrap();
                assert!(
                    matches!(&seen[..], [Seen::There(o)] if o.state.is_none_or(|s| s == state)),
                    "{power:?}: {seen:?}"
                );
            }
            Err(error) => refused(supports, Some(error)),
        }
    }
    if outside(subject, ResourceKind::Vm) && capability.power == Supports::Yes {
        let error = subject.connector.power(&world.cx, &"0".repeat(64), Power::Start).await;
        assert_eq!(error.unwrap_err().kind, ErrorKind::NotFound);
    }
}

/// Promise 13: what differs and can be changed is; the rest is left alone.
pub async fn alters(subject: &Subject) {
    let world = subject.world();
    let made = world.launch(subject, 1).await;
    let id = vms(&made)[0].observed.cloud_id.clone();
    let current = subject.system();
    let mut wanted = (*current).clone();
    let memory = current.memory().unwrap_or(256_000_000) + 64_000_000;
    wanted.features.set_number("memory.size", memory, "");
    let supports = subject.connector.capability().alter;
    match subject.connector.alter(&world.cx, &id, &current, &wanted).await {
        Ok(observed) => {
            assert_eq!(supports, Supports::Yes);
            assert_eq!(observed.features.get("memory.size"), Some(&json!(memory)));
            let same = subject.connector.alter(&world.cx, &id, &wanted, &wanted).await.unwrap();
            assert_eq!(same.cloud_id, id);
        }
        Err(error) => refused(supports, Some(error)),
    }
}

/// Promise 14: each operation that can be denied is there, or is refused with the text of the capability.
pub async fn refuses_what_it_cannot(subject: &Subject) {
    let world = subject.world();
    let capability = subject.connector.capability();
    if let (Supports::No(_), _) | (_, Supports::No(_)) = (capability.power, capability.alter) {
        let made = world.launch(subject, 1).await;
        let id = vms(&made)[0].observed.cloud_id.clone();
        if capability.power != Supports::Yes {
            for power in [Power::Start, Power::Stop] {
                refused(
                    capability.power,
                    subject.connector.power(&world.cx, &id, power).await.err(),
                );
            }
        }
        if capability.alter != Supports::Yes {
            let system = subject.system();
            let answer = subject.connector.alter(&world.cx, &id, &system, &system).await;
            refused(capability.alter, answer.err());
        }
        world.remove(subject, &made).await.unwrap();
    }
    match subject.connector.images(&world.cx, &BTreeMap::new()).await {
        Ok(images) => {
            assert_eq!(capability.images, Supports::Yes);
            assert!(images.iter().all(|(uri, name)| uri.contains("://") && !name.is_empty()));
        }
        Err(error) => refused(capability.images, Some(error)),
    }
    match subject.connector.quotas(&world.cx).await {
        Ok(_) => assert_eq!(capability.quotas, Supports::Yes),
        Err(error) => refused(capability.quotas, Some(error)),
    }
}
