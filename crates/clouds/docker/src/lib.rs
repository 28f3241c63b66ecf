//! Connector for Docker daemons, over a Unix socket or TCP, with client certificates where the daemon wants them.
//!
//! Each VM is a container with its own sshd; each private network of a document is a Docker network. Everything it
//! makes bears the service's mark in a label and a name that follows from the infrastructure, so that a repeated call
//! finds what an interrupted one made. A daemon that is part of a swarm is used like any other: services of swarms are
//! never made.
//!
//! Never here: a fixed password, a package installed into an image that has its own sshd, the deletion of a network or
//! volume that the user named and that was there before.

mod absent;
mod access;
mod candidates;
mod connector;
mod container;
mod daemon;
mod ensure;
mod image;
mod names;
mod observe;
mod plan;
mod ports;
mod resolve;
mod shared;
mod spec;

use im_cloud::net::{Guard, Verification};
use im_model::Secret;
use std::net::IpAddr;

/// What the operator decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DockerOptions {
    /// Where ports of containers are published. By default on loopback where the daemon is local, else on all
    /// addresses of its host. Where containers are not reached by their own addresses, a definite one that is not
    /// loopback is also what users are told as public address.
    pub publish_address: Option<IpAddr>,
    /// Whether certificates of daemons are checked.
    pub verification: Verification,
    /// Certificate authorities (PEM) to trust beside the system's; an auth line may add its own as `ca_cert`.
    pub authorities: Option<Secret>,
}

/// The connector. Keeps no state.
#[derive(Clone, Debug)]
pub struct Docker {
    guard: Guard,
    options: DockerOptions,
}

impl Docker {
    /// A connector whose every connection passes the guard.
    pub fn new(guard: Guard, options: DockerOptions) -> Self {
        Self { guard, options }
    }
}
