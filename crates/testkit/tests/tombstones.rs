//! What was removed is searched for once more: by the engine with the operation's credentials, after a restart too, else
//! by whoever brings credentials for the account.

#![allow(clippy::unwrap_used)] // a test says what it expects

mod common;

use common::{I, ask, block_on};
use im_cloud::Cx;
use im_model::{AuthLine, CloudRef, InfraId, Key, Mark, OpKind, OpState, OperationId, ResourceKind};
use im_ops::Reach;
use im_store::{Graves, Owned, Tombstone};
use im_testkit::{
    Fault, Life, SimCloud,
    simulator::{World, WorldOptions},
};
use serde_json::Value;
use std::{sync::Arc, time::Duration};

/// Longer than lease, deadline and settle time of the world's engines together.
const SETTLED: Duration = Duration::from_secs(90);

fn options(exclusive: bool) -> WorldOptions {
    WorldOptions {
        exclusive,
        ..WorldOptions::default()
    }
}

/// An infrastructure of two VMs, one at each cloud, that came and went.
async fn gone(world: &mut World) -> Vec<Tombstone> {
    world.perform("create", I, OpKind::Create, &ask(2, &[])).await.unwrap();
    let row = world
        .perform("destroy", I, OpKind::Destroy, &ask(0, &[]))
        .await
        .unwrap();
    assert_eq!(row.state, OpState::Done);
    let dead = world.store.tombstones(&InfraId::from(I)).await.unwrap();
    assert!(dead.len() >= 6 && dead.iter().all(|t| t.searched.is_none()), "{dead:?}");
    dead
}

/// A create call that was on its way lands now.
fn land(world: &World, cloud: &str, key: &Key, account: &str) -> String {
    let deployment = world.store.deployment();
    let mark = Mark {
        deployment: deployment.name.clone(),
        infra: InfraId::from(I),
        key: key.clone(),
    };
    let name = SimCloud::name_of(key);
    world.clouds[cloud].plant(ResourceKind::Vm, &name, &mark.seal(&deployment), account)
}

fn vm_at<'a>(dead: &'a [Tombstone], cloud: &str) -> &'a Key {
    let of = |t: &&Tombstone| t.row.kind == ResourceKind::Vm && t.row.cloud.id == cloud;
    &dead.iter().find(of).unwrap().row.key
}

fn objects(world: &World) -> usize {
    world.clouds.values().map(|cloud| cloud.objects().len()).sum()
}

async fn all_searched(world: &World) -> bool {
    let dead = world.store.tombstones(&InfraId::from(I)).await.unwrap();
    dead.iter().all(|t| t.searched.is_some())
}

async fn kept(world: &World) -> Vec<Arc<Value>> {
    let kept = world.store.kept_requests(&InfraId::from(I)).await.unwrap();
    kept.into_iter().map(|o| o.request).collect()
}

fn reach(world: &World, account: &str) -> impl Fn(&CloudRef) -> Result<Reach, im_ops::StepError> {
    let (clouds, deployment, account) = (world.clouds.clone(), world.store.deployment(), account.to_owned());
    move |cloud| {
        Ok(Reach {
            connector: clouds[&cloud.id].connector(&Life::default()),
            cx: Cx {
                cloud: Arc::new(cloud.clone()),
                auth: Arc::new(AuthLine::new([("type", "Sim"), ("account", &account)])),
                infra: InfraId::from("another"),
                deployment: Arc::clone(&deployment),
                account: None,
                deadline: Duration::from_secs(10),
            },
        })
    }
}

#[test]
fn what_lands_late_is_found_and_the_credentials_are_dropped() {
    for exclusive in [true, false] {
        block_on(async {
            let mut world = World::new(options(exclusive));
            let dead = gone(&mut world).await;
            // The answer was given, and nobody sees the request; but it is there, and names the account.
            let row = world
                .store
                .operation(&OperationId::from("destroy"))
                .await
                .unwrap()
                .unwrap();
            assert_eq!((row.state, &*row.request), (OpState::Done, &Value::Null));
            assert_eq!(kept(&world).await[0]["account"], "x");
            tokio::time::sleep(Duration::from_secs(20)).await;
            land(&world, "a", vm_at(&dead, "a"), "x");
            land(&world, "b", vm_at(&dead, "b"), "x");
            // A machine of somebody else under our name, and one that bears a mark made without our secret.
            let foreign = world.clouds["a"].plant(ResourceKind::Vm, &SimCloud::name_of(vm_at(&dead, "a")), "", "x");
            let mark = format!("sim.{I}.{}.{}", vm_at(&dead, "b"), "0".repeat(32));
            let forged = world.clouds["b"].plant(ResourceKind::Vm, "mine", &mark, "x");
            tokio::time::sleep(SETTLED).await;
            let left: Vec<String> = world.clouds.values().flat_map(|c| c.objects()).map(|o| o.id).collect();
            assert_eq!(left, [foreign, forged]);
            assert!(all_searched(&world).await);
            assert_eq!(kept(&world).await.len(), 0);
            assert_eq!(world.store.graves(&Graves::Of(Owned::All)).await.unwrap(), []);
        });
    }
}

#[test]
fn a_process_that_comes_after_goes_on_with_the_search() {
    for exclusive in [true, false] {
        block_on(async {
            let mut world = World::new(options(exclusive));
            let dead = gone(&mut world).await;
            world.kill();
            land(&world, "a", vm_at(&dead, "a"), "x");
            tokio::time::sleep(Duration::from_hours(1) / 2).await;
            assert_eq!(objects(&world), 1, "nobody is there to do it");
            world.engine().await;
            tokio::time::sleep(SETTLED).await;
            assert_eq!((objects(&world), all_searched(&world).await), (0, true));
            assert_eq!(kept(&world).await.len(), 0);
        });
    }
}

#[test]
fn a_search_that_fails_is_repeated() {
    block_on(async {
        let mut world = World::new(options(true));
        let dead = gone(&mut world).await;
        land(&world, "a", vm_at(&dead, "a"), "x");
        world.clouds["a"].fail_often(100, &[Fault::Refused]);
        tokio::time::sleep(SETTLED).await;
        // What can be settled is; the rest waits for its cloud.
        let dead = world.store.tombstones(&InfraId::from(I)).await.unwrap();
        assert!(
            dead.iter().all(|t| t.searched.is_some() == (t.row.cloud.id == "b")),
            "{dead:?}"
        );
        assert!(!kept(&world).await.is_empty());
        world.clouds["a"].heal();
        tokio::time::sleep(Duration::from_mins(11)).await;
        assert_eq!((objects(&world), all_searched(&world).await), (0, true));
        assert_eq!(kept(&world).await.len(), 0);
    });
}

#[test]
fn what_the_credentials_do_not_open_is_left_to_whoever_brings_others() {
    block_on(async {
        let mut world = World::new(options(true));
        let dead = gone(&mut world).await;
        for cloud in world.clouds.values() {
            cloud.fail_often(100, &[Fault::Unauthorized]);
        }
        land(&world, "a", vm_at(&dead, "a"), "x");
        tokio::time::sleep(SETTLED).await;
        for cloud in world.clouds.values() {
            cloud.heal();
        }
        assert_eq!(kept(&world).await.len(), 0, "credentials that are refused are not kept");
        tokio::time::sleep(Duration::from_hours(2)).await;
        assert_eq!((objects(&world), all_searched(&world).await), (1, false));
        let graves = world.store.graves(&Graves::Of(Owned::All)).await.unwrap();
        assert_eq!(graves.len(), 1);

        let (_, engine) = world.engine().await;
        let infra = InfraId::from(I);
        // Another account sees nothing there, and that settles nothing.
        let other = engine.search_again(&infra, reach(&world, "y")).await.unwrap();
        assert_eq!((other.settled, other.refused.len()), (0, 2), "{other:?}");
        assert_eq!((objects(&world), all_searched(&world).await), (1, false));
        let own = engine.search_again(&infra, reach(&world, "x")).await.unwrap();
        assert_eq!((own.settled, own.removed.len()), (dead.len(), 1), "{own:?}");
        assert_eq!((objects(&world), all_searched(&world).await), (0, true));
    });
}

#[test]
fn nothing_is_settled_before_its_time() {
    block_on(async {
        let mut world = World::new(options(true));
        gone(&mut world).await;
        let (_, engine) = world.engine().await;
        let early = engine
            .search_again(&InfraId::from(I), reach(&world, "x"))
            .await
            .unwrap();
        assert_eq!(early.settled, 0);
        assert!(early.next.is_some());
        assert!(!all_searched(&world).await);
    });
}
