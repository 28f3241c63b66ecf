//! The conformance suite on a real daemon: at its socket, over TLS with client certificates, and with a proxy before it
//! that drops requests, drops answers and repeats.
#![allow(clippy::unwrap_used)]

mod common;

use common::{auth, cloud, direct, peer, subject};
use im_cloud_docker::DockerOptions;
use im_testkit::{
    conformance::Subject,
    proxy::{Accept, Proxy, Stream},
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::{RootCertStore, ServerConfig, pki_types::PrivateKeyDer, server::WebPkiClientVerifier};
use std::sync::Arc;

mod direct_to_the_daemon {
    use super::*;
    fn socket() -> Option<Subject> {
        let peer = peer()?;
        Some(subject(
            &peer.image,
            direct(&peer.upstream),
            auth(&[]),
            DockerOptions::default(),
        ))
    }
    const NO_PROXY: &str = "nothing between it and its cloud can be made to go wrong";
    im_testkit::conformance!(socket, excluded: [
        "reads_survive_faults",
        "creates_survive_faults",
        "removals_survive_faults",
        "changes_survive_faults",
        "observes_in_few_calls",
        "one_lost_answer_stops_no_other",
    ].map(|case| format!("{case}: {NO_PROXY}")));
}

/// What is excluded at the socket, through a proxy that makes every single call go wrong in every way. A test for each
/// way, so that they run beside each other.
mod with_faults {
    use super::*;
    use im_testkit::conformance::{
        Fault, changes_survive, creates_survive, exclusions, observes_in_few_calls, one_lost_answer_stops_no_other,
        reads_survive_faults, removals_survive,
    };

    async fn proxied() -> Option<Subject> {
        let peer = peer()?;
        let proxy = Arc::new(Proxy::start(peer.upstream, None).await.unwrap());
        let cloud = cloud("http", "127.0.0.1", Some(proxy.address().port()), "");
        let mut subject = subject(&peer.image, cloud, auth(&[]), DockerOptions::default());
        subject.faults = Some(proxy);
        // A stopped container has no claim on its port of the host, which other tests share.
        let mut document = (*subject.document).clone();
        for network in &mut document.networks {
            network.features.remove("outports");
        }
        subject.document = Arc::new(document);
        Some(subject)
    }

    fn same(a: Fault, b: Fault) -> bool {
        std::mem::discriminant(&a) == std::mem::discriminant(&b)
    }

    async fn survive(fault: Fault, case: impl AsyncFnOnce(&Subject, Fault)) {
        let Some(subject) = proxied().await else { return };
        // The delay is the seed's.
        let fault = Fault::all(subject.seed).into_iter().find(|f| same(*f, fault)).unwrap();
        subject.run(async |subject| case(subject, fault).await).await;
    }

    macro_rules! each_fault {
        ($($name:ident: $fault:expr),*) => {
            $(mod $name {
                use super::*;
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn creates() {
                    survive($fault, creates_survive).await;
                }
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn removals() {
                    survive($fault, removals_survive).await;
                }
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn changes() {
                    survive($fault, changes_survive).await;
                }
            })*
        };
    }
    each_fault! {
        requests_that_never_arrive: Fault::DropRequest,
        answers_that_never_come: Fault::DropAnswer,
        delays: Fault::Delay(std::time::Duration::ZERO),
        requests_that_arrive_twice: Fault::Repeat,
        requests_that_arrive_late: Fault::Late
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn reads() {
        if let Some(subject) = proxied().await {
            subject.run(reads_survive_faults).await;
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn few_calls() {
        if let Some(subject) = proxied().await {
            subject.run(observes_in_few_calls).await;
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn one_of_several() {
        if let Some(subject) = proxied().await {
            subject.run(one_lost_answer_stops_no_other).await;
        }
    }

    #[tokio::test]
    async fn nothing_is_excluded() {
        if let Some(subject) = proxied().await {
            assert_eq!(exclusions(&subject), [""; 0]);
        }
    }
}

/// Certificates as a daemon with `--tlsverify` has them: an authority of its own, signing both sides.
struct Certificates {
    authority: String,
    accept: Accept,
    client: (String, String),
}

fn certificates() -> Certificates {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let signed = |name: &str, purpose| {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.extended_key_usages = vec![purpose];
        (params.signed_by(&key, &authority).unwrap(), key)
    };
    let (server, server_key) = signed("127.0.0.1", ExtendedKeyUsagePurpose::ServerAuth);
    let (client, client_key) = signed("im", ExtendedKeyUsagePurpose::ClientAuth);

    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .build()
        .unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            vec![server.der().clone()],
            PrivateKeyDer::try_from(server_key.serialize_der()).unwrap(),
        )
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    Certificates {
        authority: authority.pem(),
        accept: Arc::new(move |tcp| {
            let acceptor = acceptor.clone();
            Box::pin(async move { Ok(Box::new(acceptor.accept(tcp).await?) as Box<dyn Stream>) })
        }),
        client: (client.pem(), client_key.serialize_pem()),
    }
}

mod over_tls {
    use super::*;
    use im_cloud::ErrorKind;
    use im_testkit::conformance::{absence_is_final, contains_no_secrets, never_makes_a_second, observes_everything};

    async fn tls() -> Option<(Subject, Proxy)> {
        let peer = peer()?;
        let certificates = certificates();
        let proxy = Proxy::start(peer.upstream, Some(certificates.accept)).await.unwrap();
        let cloud = cloud("https", "127.0.0.1", Some(proxy.address().port()), "");
        let (certificate, key) = certificates.client;
        let auth = auth(&[
            ("public_key", &certificate),
            ("private_key", &key),
            ("ca_cert", &certificates.authority),
        ]);
        Some((subject(&peer.image, cloud, auth, DockerOptions::default()), proxy))
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_life_over_tls() {
        if let Some((subject, _proxy)) = tls().await {
            subject
                .run(async |subject| {
                    observes_everything(subject).await;
                    never_makes_a_second(subject).await;
                    absence_is_final(subject).await;
                    contains_no_secrets(subject).await;
                })
                .await;
        }
    }

    #[tokio::test]
    async fn without_a_certificate_nobody_gets_in() {
        let Some((mut subject, _proxy)) = tls().await else {
            return;
        };
        let mut auth = (*subject.auth).clone();
        auth.remove("public_key");
        auth.remove("private_key");
        subject.auth = Arc::new(auth);
        let world = subject.world();
        let error = subject.connector.account(&world.cx).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
        // Nor with one that nobody trusts, nor to a daemon that nobody vouches for.
        let other = certificates();
        let mut auth = (*subject.auth).clone();
        auth.set("public_key", other.client.0.as_str());
        auth.set("private_key", other.client.1.as_str());
        for authority in [Some(other.authority), None] {
            if let Some(authority) = authority {
                auth.set("ca_cert", authority);
            } else {
                auth.remove("ca_cert");
            }
            let cx = im_cloud::Cx {
                auth: Arc::new(auth.clone()),
                ..world.cx.clone()
            };
            let error = subject.connector.account(&cx).await.unwrap_err();
            assert!(error.message.contains("TLS"), "{error}");
        }
    }
}
