//! Settings of the service, filled in by the binary from `im.cfg`. Plain values; nothing here reads a file.

use crate::{Housekeeping, ServiceError, ServiceResult, tosca::ToscaOptions};
use im_auth::Policy;
use im_ctxt::{CtxtOptions, Dial};
use std::{fmt, net::IpAddr, str::FromStr, sync::Arc, time::Duration};
use thiserror::Error;

/// `BOOT_MODE`: what may be asked at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BootMode {
    /// 0: everything.
    #[default]
    Normal,
    /// 1: reading only.
    ReadOnly,
    /// 2: reading, and destroying infrastructures.
    ReadDelete,
}

/// What a call does, as far as [`BootMode`] distinguishes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    Change,
    Destroy,
}

impl BootMode {
    /// Refuses what this mode does not allow.
    pub(crate) fn allow(self, deed: Deed) -> ServiceResult<()> {
        match (self, deed) {
            (Self::Normal, _) | (Self::ReadDelete, Deed::Destroy) => Ok(()),
            _ => Err(ServiceError::Disabled),
        }
    }
}

/// A range of addresses, `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    base: IpAddr,
    bits: u8,
}

/// A text is not a range of addresses.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is not a range of addresses such as 10.0.0.0/8")]
pub struct CidrError(String);

impl FromStr for Cidr {
    type Err = CidrError;
    fn from_str(text: &str) -> Result<Self, CidrError> {
        let bad = || CidrError(text.to_owned());
        let (base, bits) = text.trim().split_once('/').ok_or_else(bad)?;
        let base: IpAddr = base.parse().map_err(|_| bad())?;
        let bits: u8 = bits.parse().map_err(|_| bad())?;
        let most = if base.is_ipv4() { 32 } else { 128 };
        if bits > most {
            return Err(bad());
        }
        Ok(Self { base, bits })
    }
}

impl Cidr {
    /// Whether the address lies in the range.
    pub fn contains(&self, ip: IpAddr) -> bool {
        match (self.base, ip) {
            (IpAddr::V4(base), IpAddr::V4(ip)) => {
                let shift = 32 - u32::from(self.bits);
                u32::from(base).checked_shr(shift) == u32::from(ip).checked_shr(shift)
            }
            (IpAddr::V6(base), IpAddr::V6(ip)) => {
                let shift = 128 - u32::from(self.bits);
                u128::from(base).checked_shr(shift) == u128::from(ip).checked_shr(shift)
            }
            _ => false,
        }
    }
    /// The first address of the range, as written.
    pub fn base(&self) -> IpAddr {
        self.base
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.bits)
    }
}

/// The ranges that `PRIVATE_NET_MASKS` has by default.
pub fn default_private_masks() -> Vec<Cidr> {
    let masks = [
        ([10, 0, 0, 0], 8),
        ([172, 16, 0, 0], 12),
        ([192, 168, 0, 0], 16),
        ([169, 254, 0, 0], 16),
        ([100, 64, 0, 0], 10),
        ([192, 0, 0, 0], 24),
        ([198, 18, 0, 0], 15),
    ];
    masks
        .map(|(base, bits)| Cidr {
            base: IpAddr::from(base),
            bits,
        })
        .to_vec()
}

/// Names of the tags that are put on what is created; a tag without a name is not put.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TagNames {
    /// `VM_TAG_USERNAME`: the user's name.
    pub username: Option<String>,
    /// `VM_TAG_INF_ID`: the infrastructure's id.
    pub infra: Option<String>,
    /// `VM_TAG_IM_URL`: the service's URL.
    pub url: Option<String>,
    /// `VM_TAG_IM`: `es.upv.grycap.im`.
    pub im: Option<String>,
}

/// Who is let in, read anew for each login by whoever owns the files it comes from.
pub type PolicySource = Arc<dyn Fn() -> Policy + Send + Sync>;

/// Settings of the service.
#[derive(Clone)]
pub struct ServiceOptions {
    /// `BOOT_MODE`.
    pub boot_mode: BootMode,
    /// Who is let in.
    pub policy: PolicySource,
    /// `DEFAULT_VM_CPUS`.
    pub default_cpus: i64,
    /// `DEFAULT_VM_MEMORY`.
    pub default_memory: i64,
    /// `DEFAULT_VM_MEMORY_UNIT`.
    pub default_memory_unit: String,
    /// `DEFAULT_VM_CPU_ARCH`.
    pub default_arch: String,
    /// `VM_INFO_UPDATE_FREQUENCY`: what a cloud said is believed for that long.
    pub refresh_after: Duration,
    /// `VM_INFO_UPDATE_ERROR_GRACE_PERIOD`: a VM of which nothing was heard for longer is `unknown`.
    pub grace: Duration,
    /// How long a reader waits for a refresh before it gets what was known.
    pub refresh_budget: Duration,
    /// How often a user's clouds are looked through for what bears our mark and belongs to nothing, at most; zero: only
    /// when it is asked for.
    pub reap_every: Duration,
    /// What is pruned.
    pub housekeeping: Housekeeping,
    /// How long one call of a cloud may take.
    pub call_deadline: Duration,
    /// `WAIT_RUNNING_VM_TIMEOUT`.
    pub wait_running: Duration,
    /// `WAIT_PUBLIC_IP_TIMEOUT`.
    pub wait_public_ip: Duration,
    /// `PRIVATE_NET_MASKS`.
    pub private_masks: Vec<Cidr>,
    /// `VM_TAG_*`.
    pub tags: TagNames,
    /// URL of the service, for the tag that tells it.
    pub url: String,
    /// Contextualization; default names of VMs are here too.
    pub ctxt: CtxtOptions,
    /// TOSCA documents.
    pub tosca: ToscaOptions,
    /// How machines are reached over SSH, if not through the guard. Tests have machines in memory.
    pub dial: Option<Arc<dyn Dial>>,
}

impl Default for ServiceOptions {
    fn default() -> Self {
        Self {
            boot_mode: BootMode::Normal,
            policy: Arc::new(Policy::default),
            default_cpus: 1,
            default_memory: 512,
            default_memory_unit: "M".to_owned(),
            default_arch: "x86_64".to_owned(),
            refresh_after: Duration::from_secs(10),
            grace: Duration::from_mins(2),
            refresh_budget: Duration::from_secs(2),
            reap_every: Duration::from_mins(10),
            housekeeping: Housekeeping::default(),
            call_deadline: Duration::from_mins(2),
            wait_running: Duration::from_mins(30),
            wait_public_ip: Duration::from_secs(90),
            private_masks: default_private_masks(),
            tags: TagNames::default(),
            url: String::new(),
            ctxt: CtxtOptions::default(),
            tosca: ToscaOptions::default(),
            dial: None,
        }
    }
}

impl fmt::Debug for ServiceOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceOptions")
            .field("boot_mode", &self.boot_mode)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_addresses() {
        let masks = default_private_masks();
        let private = |ip: &str| masks.iter().any(|m| m.contains(ip.parse().unwrap()));
        assert!(private("10.1.2.3") && private("172.31.0.1") && private("198.19.0.1"));
        assert!(!private("172.32.0.1") && !private("8.8.8.8") && !private("fd00::1"));
        let all: Cidr = "0.0.0.0/0".parse().unwrap();
        assert!(all.contains("1.2.3.4".parse().unwrap()));
        assert!("10.0.0.0".parse::<Cidr>().is_err() && "10.0.0.0/33".parse::<Cidr>().is_err());
    }

    #[test]
    fn boot_modes_follow_the_table() {
        assert!(BootMode::Normal.allow(Deed::Change).is_ok());
        assert!(BootMode::ReadDelete.allow(Deed::Destroy).is_ok());
        assert!(BootMode::ReadDelete.allow(Deed::Change).is_err());
        assert!(BootMode::ReadOnly.allow(Deed::Destroy).is_err());
    }
}
