//! The cases about what a connector says and makes while nothing goes wrong. See [`super::CASES`] for the promises.

use super::{Made, Subject, World};
use im_cloud::{CloudError, Cx, ErrorKind, FirstOrResume, Gone, Outcome, Seen, Wanted};
use im_model::{Account, AuthLine, Frozen, Idempotence, ResourceKind, VmState};
use std::{collections::BTreeSet, sync::Arc};

pub(super) fn vms(made: &[Made]) -> Vec<&Made> {
    made.iter().filter(|m| m.wanted.kind == ResourceKind::Vm).collect()
}

fn idempotence(subject: &Subject, kind: ResourceKind) -> Idempotence {
    subject.connector.capability().creates[&kind]
}

pub(super) fn outside(subject: &Subject, kind: ResourceKind) -> bool {
    idempotence(subject, kind) != Idempotence::NothingOutside
}

/// Promise 1: same arguments, same answer.
pub async fn plans_are_pure(subject: &Subject) {
    let world = subject.world();
    let asked = &subject.document.systems[0];
    assert_eq!(
        subject.connector.candidates(&subject.cloud, asked),
        subject.connector.candidates(&subject.cloud, asked)
    );
    let request = world.request(subject, 3);
    let resolved = subject.connector.resolve(&world.cx, &request).await.unwrap();
    let plan = || {
        subject
            .connector
            .plan(&subject.cloud, &request, &resolved, &mut world.draw())
            .unwrap()
    };
    assert_eq!(plan(), plan());
    assert_eq!(
        subject.connector.find(&world.cx).await.unwrap(),
        [],
        "planning makes nothing"
    );
}

/// A plan has one VM per VM asked for, declares what it makes, names things once, and refers only to what it has.
pub async fn plans_are_sound(subject: &Subject) {
    let world = subject.world();
    let request = world.request(subject, 3);
    let plan = world.plan(subject, &request).await.unwrap();
    let asked: Vec<_> = request.vms.iter().map(|vm| vm.vm).collect();
    assert_eq!(
        plan.vms.iter().map(|vm| vm.vm).collect::<Vec<_>>(),
        asked,
        "in the order asked"
    );
    let creates = subject.connector.capability().creates;
    let mut names = BTreeSet::new();
    for (_, resource) in World::in_order(&plan) {
        assert!(creates.contains_key(&resource.kind), "{} is declared", resource.kind);
        let name = (resource.kind, resource.name.clone());
        assert!(names.insert(name), "{} {} twice", resource.kind, resource.name);
    }
    for vm in &plan.vms {
        let own = vm.resources.iter().filter(|r| r.kind == ResourceKind::Vm).count();
        assert_eq!(own, 1, "{} has one VM", vm.vm);
    }
    for (_, resource) in World::in_order(&plan) {
        for (kind, name) in super::world::references(&resource.spec) {
            let there = names.iter().any(|(k, n)| k.as_str() == kind && *n == name);
            assert!(there, "{kind} {name} is in the plan");
        }
    }
}

/// What the infrastructure already has there is referred to, not planned again.
pub async fn shared_ones_are_not_planned_again(subject: &Subject) {
    let world = subject.world();
    let mut request = world.request(subject, 1);
    let plan = world.plan(subject, &request).await.unwrap();
    request.existing = plan.shared.iter().map(|r| (r.kind, r.name.clone())).collect();
    let again = world.plan(subject, &request).await.unwrap();
    assert_eq!(again.shared, []);
}

/// Promise 2: resuming after a whole call, before any call, and beside one.
pub async fn never_makes_a_second(subject: &Subject) {
    let world = subject.world();
    let request = world.request(subject, 1);
    let plan = world.plan(subject, &request).await.unwrap();
    let mut made = Vec::new();
    for (vm, resource) in World::in_order(&plan) {
        if idempotence(subject, resource.kind) == Idempotence::Unmarkable {
            continue;
        }
        // Nothing was made yet: a resume makes it. Two at once, as of an owner that lost its lease and its successor,
        // except where the cloud does not help: there the engine keeps them apart.
        let wanted = world.wanted(vm, &resource, &made);
        let resume = || world.ensure(subject, &wanted, FirstOrResume::Resume);
        let (one, other) = if idempotence(subject, resource.kind) == Idempotence::MarkThenSearch {
            (resume().await, resume().await)
        } else {
            tokio::join!(resume(), resume())
        };
        let observed = match (one, other) {
            (Ok(one), Ok(other)) => {
                assert_eq!(one.cloud_id, other.cloud_id);
                one
            }
            (Ok(one), Err(error)) | (Err(error), Ok(one)) => {
                // The one that lost may not say that nothing is there.
                let harmless = error.outcome == Outcome::Unknown || error.kind == ErrorKind::Conflict;
                assert!(harmless, "{error:?}");
                one
            }
            (Err(one), Err(_)) => panic!("{one}"),
        };
        let again = world.ensure(subject, &wanted, FirstOrResume::Resume).await.unwrap();
        assert_eq!(again.cloud_id, observed.cloud_id);
        made.push(Made { wanted, observed });
    }
    let found = subject.connector.find(&world.cx).await.unwrap();
    for one in made.iter().filter(|m| outside(subject, m.wanted.kind)) {
        let same = found.iter().filter(|f| f.mark.key == one.wanted.key).count();
        assert_eq!(same, 1, "{} {}", one.wanted.kind, one.wanted.name);
    }
}

/// Promise 3: an object under our name without our key is a conflict, or harmless; it is never adopted nor touched.
pub async fn foreign_objects_stay(subject: &Subject) {
    let world = subject.world();
    let stranger = world.stranger(subject);
    let theirs = stranger.launch(subject, 1).await;
    let plan = world.plan(subject, &world.request(subject, 1)).await.unwrap();
    for (vm, resource) in World::in_order(&plan) {
        if !outside(subject, resource.kind) {
            continue;
        }
        let same = theirs
            .iter()
            .find(|t| t.wanted.name == resource.name && t.wanted.kind == resource.kind);
        let their_id = same.map(|t| t.observed.cloud_id.as_str());
        // Theirs stand in for what ours would stand on.
        let wanted = world.wanted(vm, &resource, &theirs);
        for run in [FirstOrResume::First, FirstOrResume::Resume] {
            match world.ensure(subject, &wanted, run).await {
                Ok(observed) => {
                    assert_ne!(Some(observed.cloud_id.as_str()), their_id, "{} adopted", resource.kind);
                }
                Err(error) => assert_eq!(
                    (error.kind, error.outcome),
                    (ErrorKind::Conflict, Outcome::NotApplied),
                    "{error}"
                ),
            }
        }
        // Nor removed, whether by its id or by its name.
        for id in [their_id, None] {
            match subject
                .connector
                .ensure_absent(&world.cx, &World::target(&wanted, id))
                .await
            {
                Ok(_) => {}
                Err(error) => assert_eq!(error.kind, ErrorKind::Conflict, "{error}"),
            }
        }
    }
    let left = subject.connector.find(&stranger.cx).await.unwrap();
    for one in theirs.iter().filter(|m| outside(subject, m.wanted.kind)) {
        let there = left.iter().any(|f| f.cloud_id == one.observed.cloud_id);
        assert!(
            there,
            "{} {} of somebody else is gone",
            one.wanted.kind, one.wanted.name
        );
    }
    // The same with an object of another key of ours: an attempt that is over.
    let made = World::target(&theirs[0].wanted, Some(&theirs[0].observed.cloud_id));
    if outside(subject, made.kind) {
        let other = im_cloud::Target {
            key: stranger.key(),
            ..made
        };
        match subject.connector.ensure_absent(&stranger.cx, &other).await {
            Ok(gone) => assert_eq!(gone, Gone::WasAbsent),
            Err(error) => assert_eq!(error.kind, ErrorKind::Conflict, "{error}"),
        }
        let left = subject.connector.find(&stranger.cx).await.unwrap();
        assert!(left.iter().any(|f| f.cloud_id == theirs[0].observed.cloud_id));
    }
}

/// Promises 4 and 5: one answer per resource, in order; what fails as not applied leaves nothing.
pub async fn answers_in_order(subject: &Subject) {
    let world = subject.world();
    let made = world.launch(subject, 3).await;
    let mut wanted: Vec<Wanted> = vms(&made).iter().map(|m| m.wanted.clone()).collect();
    assert_eq!(
        subject
            .connector
            .ensure(&world.cx, &[], FirstOrResume::First)
            .await
            .len(),
        0
    );
    let poison = Wanted {
        key: world.key(),
        kind: ResourceKind::Vm,
        name: "poison".to_owned(),
        vm: None,
        frozen: Frozen::from_stored("no request at all"),
    };
    wanted.insert(1, poison.clone());
    let answers = subject
        .connector
        .ensure(&world.cx, &wanted, FirstOrResume::Resume)
        .await;
    assert_eq!(answers.len(), 4);
    let ids = |n: usize| answers[n].as_ref().map(|o| o.cloud_id.clone()).ok();
    let expected: Vec<_> = vms(&made).iter().map(|m| Some(m.observed.cloud_id.clone())).collect();
    assert_eq!([ids(0), ids(2), ids(3)], expected[..]);
    if let Err(error) = &answers[1] {
        assert_eq!(error.outcome, Outcome::NotApplied, "{error}");
        let found = subject.connector.find(&world.cx).await.unwrap();
        assert!(!found.iter().any(|f| f.mark.key == poison.key));
    }
}

/// Promise 6: removing is idempotent, works without the cloud's id, and is final.
pub async fn absence_is_final(subject: &Subject) {
    let world = subject.world();
    let made = world.launch(subject, 2).await;
    let mut by_id = true;
    for one in made.iter().rev() {
        let known = World::target(&one.wanted, Some(&one.observed.cloud_id));
        let lost = World::target(&one.wanted, None);
        let first = if by_id { &known } else { &lost };
        by_id = !by_id;
        let gone = subject.connector.ensure_absent(&world.cx, first).await.unwrap();
        if outside(subject, one.wanted.kind) {
            assert_eq!(gone, Gone::Removed, "{} {}", one.wanted.kind, one.wanted.name);
            for target in [&known, &lost] {
                let again = subject.connector.ensure_absent(&world.cx, target).await.unwrap();
                assert_eq!(again, Gone::WasAbsent);
            }
            if one.wanted.kind == ResourceKind::Vm {
                let id = one.observed.cloud_id.clone();
                let seen = subject.connector.observe(&world.cx, &[id]).await.unwrap();
                assert_eq!(seen, [Seen::NotThere]);
            }
        }
    }
    assert_eq!(subject.connector.find(&world.cx).await.unwrap(), []);
}

/// Promise 7: everything of the infrastructure, and nothing else.
pub async fn finds_everything(subject: &Subject) {
    let world = subject.world();
    let made = world.launch(subject, 2).await;
    let found = subject.connector.find(&world.cx).await.unwrap();
    let expected: BTreeSet<_> = made
        .iter()
        .filter(|m| outside(subject, m.wanted.kind))
        .map(|m| (m.wanted.kind, m.observed.cloud_id.clone(), m.wanted.key.clone()))
        .collect();
    let seen: BTreeSet<_> = found
        .iter()
        .map(|f| (f.kind, f.cloud_id.clone(), f.mark.key.clone()))
        .collect();
    assert_eq!(seen, expected);
    assert!(found.iter().all(|f| f.mark.infra == world.cx.infra));
    // Neither another infrastructure nor somebody whose marks we cannot prove sees them.
    for other in [subject.world(), world.stranger(subject)] {
        assert_eq!(subject.connector.find(&other.cx).await.unwrap(), []);
    }
}

/// Promise 7: everything of the deployment in the account, whatever infrastructure is asked for; what bears a mark that
/// the deployment did not make is passed over.
pub async fn finds_the_whole_account(subject: &Subject) {
    let world = subject.world();
    let neighbour = world.neighbour(subject);
    let empty = world.neighbour(subject);
    let foreign = subject.world();
    let ours = world.launch(subject, 2).await;
    let theirs = neighbour.launch(subject, 1).await;
    let others = foreign.launch(subject, 1).await;
    let all = async |cx: &Cx| -> BTreeSet<_> {
        let found = subject.connector.find_all(cx).await.unwrap();
        let count = found.len();
        let found: BTreeSet<_> = found
            .into_iter()
            .map(|f| (f.mark.infra, f.kind, f.cloud_id, f.mark.key))
            .collect();
        assert_eq!(found.len(), count, "nothing is listed twice");
        found
    };
    let expected = |worlds: &[(&World, &[Made])]| -> BTreeSet<_> {
        let of = |(world, made): &(&World, &[Made])| {
            let outside = made.iter().filter(|m| outside(subject, m.wanted.kind));
            let infra = world.cx.infra.clone();
            outside
                .map(|m| {
                    (
                        infra.clone(),
                        m.wanted.kind,
                        m.observed.cloud_id.clone(),
                        m.wanted.key.clone(),
                    )
                })
                .collect::<Vec<_>>()
        };
        worlds.iter().flat_map(of).collect()
    };
    let both = expected(&[(&world, &ours), (&neighbour, &theirs)]);
    for asking in [&world, &neighbour, &empty] {
        assert_eq!(all(&asking.cx).await, both);
    }
    assert_eq!(all(&foreign.cx).await, expected(&[(&foreign, &others)]));
    assert_eq!(subject.connector.find(&empty.cx).await.unwrap(), []);
    // Also after one of them has gone.
    world.remove(subject, &ours).await.unwrap();
    assert_eq!(all(&empty.cx).await, expected(&[(&neighbour, &theirs)]));
}

/// Promise 8: an answer for every id, in order; addresses that can be told apart, none of them loopback.
pub async fn observes_everything(subject: &Subject) {
    let world = subject.world();
    let made = world.launch(subject, 2).await;
    let vms = vms(&made);
    let none: &[Seen] = &[];
    assert_eq!(subject.connector.observe(&world.cx, &[]).await.unwrap(), none);
    let ids: Vec<String> = [1, 0, 1].map(|n: usize| vms[n].observed.cloud_id.clone()).to_vec();
    let seen = subject.connector.observe(&world.cx, &ids).await.unwrap();
    let mut addresses = BTreeSet::new();
    for (id, seen) in ids.iter().zip(&seen) {
        let Seen::There(observed) = seen else {
            panic!("{id} is there, not {seen:?}")
        };
        assert_eq!(observed.cloud_id, *id);
        assert!(observed.state.is_none_or(VmState::is_up), "{observed:?}");
        let ips = observed
            .public_ips
            .iter()
            .chain(observed.private_ips.iter().map(|(_, ip)| ip));
        for ip in ips {
            assert!(!ip.is_loopback() && !ip.is_unspecified(), "{ip}");
            addresses.insert((id.clone(), *ip));
        }
    }
    assert_eq!(seen[0], seen[2]);
    if outside(subject, ResourceKind::Vm) {
        let asked = [ids[0].clone(), "0".repeat(64), ids[1].clone()];
        let seen = subject.connector.observe(&world.cx, &asked).await.unwrap();
        assert!(
            matches!(&seen[..], [Seen::There(_), Seen::NotThere, Seen::There(_)]),
            "{seen:?}"
        );
    }
    // What the launch said is what observing says.
    let said = &vms[1].observed;
    if let Seen::There(observed) = &seen[0] {
        assert_eq!(
            (&said.public_ips, &said.private_ips),
            (&observed.public_ips, &observed.private_ips)
        );
    }
}

/// Promise 9: under another account nothing is said to be absent, and nothing is made.
pub async fn accounts_are_not_confused(subject: &Subject) {
    let world = subject.world();
    let account = subject.connector.account(&world.cx).await.unwrap();
    assert_eq!(
        subject.connector.account(&world.under(&account)).await.unwrap(),
        account
    );
    let made = world.launch(subject, 1).await;
    let other = world.under(&Account::new(format!("{account}-other")));
    let wrong = |what: &str, error: Option<CloudError>| {
        let error = error.unwrap_or_else(|| panic!("{what} under another account is refused"));
        assert_eq!(error.kind, ErrorKind::WrongAccount, "{what}: {error}");
        assert!(
            error.message.contains(account.as_str()),
            "{what} names the account: {error}"
        );
    };
    let connector = &subject.connector;
    wrong("account", connector.account(&other).await.err());
    wrong("find", connector.find(&other).await.err());
    wrong("find_all", connector.find_all(&other).await.err());
    let absent = connector.observe(&other, &["0".repeat(64)]).await;
    wrong("observe", absent.err());
    let vm = vms(&made)[0];
    let unknown = World::target(
        &Wanted {
            key: world.key(),
            ..vm.wanted.clone()
        },
        None,
    );
    wrong("ensure_absent", connector.ensure_absent(&other, &unknown).await.err());
    let wanted = Wanted {
        key: world.key(),
        ..vm.wanted.clone()
    };
    let answers = connector.ensure(&other, &[wanted], FirstOrResume::First).await;
    wrong("ensure", answers.into_iter().next().and_then(Result::err));
}

/// Promise 10: no error and no line of the log holds a secret.
pub async fn contains_no_secrets(subject: &Subject) {
    let log = super::capture::log();
    let world = subject.world();
    let made = world.launch(subject, 1).await;
    let vm = vms(&made)[0];
    let connector = &subject.connector;
    let mut errors: Vec<CloudError> = Vec::new();
    let other = world.under(&Account::new("another"));
    errors.extend(connector.find(&other).await.err());
    errors.extend(connector.find_all(&other).await.err());
    let again = Wanted {
        key: world.key(),
        ..vm.wanted.clone()
    };
    let broken = Wanted {
        frozen: Frozen::from_stored(vm.wanted.frozen.as_str().replace(':', " ")),
        key: world.key(),
        ..vm.wanted.clone()
    };
    let truncated = {
        let text = vm.wanted.frozen.as_str();
        Wanted {
            frozen: Frozen::from_stored(&text[..text.len() / 2]),
            key: world.key(),
            ..vm.wanted.clone()
        }
    };
    let wanted = [again, broken, truncated];
    let answers = connector.ensure(&world.cx, &wanted, FirstOrResume::First).await;
    errors.extend(answers.into_iter().filter_map(Result::err));
    if let Some(cloud) = &subject.unreachable {
        let cx = Cx {
            cloud: Arc::clone(cloud),
            ..world.cx.clone()
        };
        errors.extend(connector.account(&cx).await.err());
        let answers = connector
            .ensure(&cx, std::slice::from_ref(&vm.wanted), FirstOrResume::First)
            .await;
        errors.extend(answers.into_iter().filter_map(Result::err));
    }
    let plain = [
        "account", "type", "id", "host", "username", "tenant", "domain", "vo", "region", "project",
    ];
    let auth = subject.auth.iter().filter(|(key, _)| !plain.contains(key));
    let secrets: Vec<String> = auth
        .map(|(_, secret)| secret.expose().to_owned())
        .chain(subject.secrets.iter().cloned())
        .chain(world.passwords())
        .filter(|secret| !secret.is_empty())
        .collect();
    world.remove(subject, &made).await.unwrap();
    for error in errors {
        for secret in &secrets {
            assert!(
                !format!("{error} {error:?}").contains(secret.as_str()),
                "{error} holds a secret"
            );
        }
    }
    let log = log.text();
    assert!(log.contains("the log is kept"), "what is logged is seen");
    for secret in &secrets {
        let line = log.lines().find(|line| line.contains(secret.as_str()));
        assert_eq!(line, None, "a line of the log holds a secret");
    }
}

/// Promises 5, 8 and 9: where nobody answers, that is an error: nothing is absent, nothing is left, and it will pass.
pub async fn passing_faults_are_errors(subject: &Subject) {
    let cloud = subject
        .unreachable
        .as_ref()
        .expect("the case is excluded where there is none");
    let world = subject.world();
    let made = world.launch(subject, 1).await;
    let vm = vms(&made)[0];
    let cx = Cx {
        cloud: Arc::clone(cloud),
        ..world.cx.clone()
    };
    let connector = &subject.connector;
    let id = vm.observed.cloud_id.clone();
    let target = World::target(&vm.wanted, Some(&id));
    let errors = [
        connector.observe(&cx, std::slice::from_ref(&id)).await.err(),
        connector.find(&cx).await.err(),
        connector.find_all(&cx).await.err(),
        connector.ensure_absent(&cx, &target).await.err(),
        connector.account(&cx).await.err(),
    ];
    for error in errors {
        let error = error.expect("nobody answers");
        assert!(error.is_temporary(), "{error:?}");
    }
    let wanted = std::slice::from_ref(&vm.wanted);
    for (run, outcome) in [
        (FirstOrResume::First, Outcome::NotApplied),
        (FirstOrResume::Resume, Outcome::Unknown),
    ] {
        let answer = connector.ensure(&cx, wanted, run).await.remove(0);
        assert_eq!(answer.expect_err("nobody answers").outcome, outcome, "{run:?}");
    }
}

/// Promise 15: what is said to do no IO does none, and answers for what is wrong.
pub async fn asks_nobody_before_it_must(subject: &Subject) {
    let connector = &subject.connector;
    let calls = subject.faults.as_ref().map(|faults| faults.calls());
    connector.check_auth(&subject.cloud, &subject.auth).unwrap();
    let other = AuthLine::new([("type", "SomeOtherCloud")]);
    let error = connector.check_auth(&subject.cloud, &other).unwrap_err();
    assert_eq!(
        (error.kind, error.outcome),
        (ErrorKind::Unauthorized, Outcome::NotApplied)
    );
    let asked = &subject.document.systems[0];
    let candidates = connector.candidates(&subject.cloud, asked);
    assert!(!candidates.is_empty());
    if let Some(nowhere) = &subject.unreachable {
        // Where nobody answers both say as much.
        connector.check_auth(nowhere, &subject.auth).unwrap();
        assert_eq!(connector.candidates(nowhere, asked).len(), candidates.len());
    }
    assert_eq!(
        subject.faults.as_ref().map(|faults| faults.calls()),
        calls,
        "nobody was asked"
    );
}
