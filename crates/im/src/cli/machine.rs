//! What people want to know of a machine, read from the JSON form of its description. Pure.

use im_model::{Secret, VmState};
use serde_json::{Map, Value};

/// A machine.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    /// Its number.
    pub(crate) number: u32,
    /// Name of its system.
    pub(crate) system: String,
    /// Its state, if told.
    pub(crate) state: Option<VmState>,
    /// Addresses on public networks.
    pub(crate) public: Vec<String>,
    /// Addresses on private ones.
    pub(crate) private: Vec<String>,
    /// Kind of cloud and host, `Docker`, `OpenStack cloud.example.org`.
    pub(crate) cloud: String,
    /// How to log in.
    pub(crate) login: Login,
}

/// How to log in to a machine.
#[derive(Clone, Debug, Default)]
pub(crate) struct Login {
    /// User.
    pub(crate) user: Option<String>,
    /// Password.
    pub(crate) password: Option<Secret>,
    /// Private key (PEM).
    pub(crate) private_key: Option<Secret>,
    /// Port where SSH is reached from outside.
    pub(crate) port: u16,
    /// `[user[:password]@]host[:port]` to go through.
    pub(crate) proxy: Option<String>,
}

impl Machine {
    /// Reads a description. Missing parts stay empty: a machine may not have them yet.
    pub(crate) fn read(number: u32, radl: &Value) -> Self {
        let objects: Vec<&Map<String, Value>> = radl
            .as_array()
            .map(|items| items.iter().filter_map(Value::as_object).collect())
            .unwrap_or_default();
        let class = |o: &Map<String, Value>| o.get("class").and_then(Value::as_str).map(str::to_owned);
        let empty = Map::new();
        let system = objects
            .iter()
            .find(|o| class(o).as_deref() == Some("system"))
            .copied()
            .unwrap_or(&empty);
        let network = |name: &str| {
            objects
                .iter()
                .find(|o| class(o).as_deref() == Some("network") && text(o, "id").as_deref() == Some(name))
                .copied()
        };
        let (mut public, mut private, mut ssh, mut proxy) = (Vec::new(), Vec::new(), None, None);
        for index in 0.. {
            let prefix = format!("net_interface.{index}");
            let Some(connection) = text(system, &format!("{prefix}.connection")) else {
                break;
            };
            let net = network(&connection);
            let is_public = net.and_then(|n| text(n, "outbound")).as_deref() == Some("yes");
            for key in ["ip", "ipv6"] {
                if let Some(address) = text(system, &format!("{prefix}.{key}")) {
                    if is_public { &mut public } else { &mut private }.push(address);
                }
            }
            if let Some(net) = net {
                if is_public && ssh.is_none() {
                    ssh = text(net, "outports").and_then(|o| outside_port(&o, 22));
                }
                proxy = proxy.or_else(|| text(net, "proxy_host"));
            }
        }
        let credential = |name: &str| text(system, &format!("disk.0.os.credentials.{name}"));
        let cloud = [text(system, "provider.type"), text(system, "provider.host")];
        Self {
            number,
            system: text(system, "id").unwrap_or_default(),
            state: text(system, "state").and_then(|s| VmState::parse(&s)),
            public,
            private,
            cloud: cloud.into_iter().flatten().collect::<Vec<_>>().join(" "),
            login: Login {
                user: credential("username"),
                password: credential("password").map(Secret::from),
                private_key: credential("private_key").map(Secret::from),
                port: ssh.unwrap_or(22),
                proxy,
            },
        }
    }

    /// All addresses, public ones first.
    pub(crate) fn addresses(&self) -> String {
        let mut all: Vec<&str> = self.public.iter().map(String::as_str).collect();
        // Where a cloud has no addresses of two kinds, one is both.
        all.extend(
            self.private
                .iter()
                .map(String::as_str)
                .filter(|a| !self.public.iter().any(|p| p == a)),
        );
        all.join(", ")
    }
}

fn text(object: &Map<String, Value>, key: &str) -> Option<String> {
    match object.get(key)? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The outside port that leads to a port of the machine, from an `outports` value (contract, languages 1.7).
fn outside_port(outports: &str, inside: u16) -> Option<u16> {
    outports.split(',').find_map(|entry| {
        let mut sides: Vec<&str> = entry.trim().split('-').collect();
        if sides.first().is_some_and(|s| s.contains('.')) {
            sides.remove(0);
        }
        let port = |side: &str| side.split('/').next()?.parse::<u16>().ok();
        let udp = sides.first().is_some_and(|s| s.ends_with("/udp"));
        let outside = port(sides.first()?)?;
        let local = match sides.get(1) {
            Some(side) => port(side.split(':').next()?)?,
            None => outside,
        };
        (!udp && local == inside).then_some(outside)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn reads_a_description() {
        let machine = Machine::read(
            3,
            &json!([
                {"class": "network", "id": "net"},
                {"class": "network", "id": "pub", "outbound": "yes", "outports": "80/tcp-80/tcp,32768/tcp-22/tcp"},
                {"class": "system", "id": "front", "state": "configured", "net_interface.0.connection": "net",
                 "net_interface.0.ip": "10.0.0.2", "net_interface.1.connection": "pub",
                 "net_interface.1.ip": "127.0.0.1", "provider.type": "Docker", "cpu.count": 1,
                 "disk.0.os.credentials.username": "root", "disk.0.os.credentials.password": "hunter2"}
            ]),
        );
        assert_eq!(machine.system, "front");
        assert_eq!(machine.state, Some(VmState::Configured));
        assert_eq!(machine.addresses(), "127.0.0.1, 10.0.0.2");
        assert_eq!((machine.cloud.as_str(), machine.login.port), ("Docker", 32768));
        assert_eq!(machine.login.user.as_deref(), Some("root"));
        assert!(!format!("{machine:?}").contains("hunter2"));
    }

    #[test]
    fn half_a_description_is_no_error() {
        for radl in [
            json!(null),
            json!([]),
            json!([1, {"class": 2}]),
            json!([{"class": "system", "state": "odd"}]),
        ] {
            let machine = Machine::read(0, &radl);
            assert_eq!((machine.state, machine.addresses().as_str()), (None, ""));
        }
    }

    #[test]
    fn ports() {
        for (outports, port) in [
            ("22", Some(22)),
            ("2222-22", Some(2222)),
            ("80,2222/tcp-22/tcp", Some(2222)),
            ("10.0.0.0/8-2200-22", Some(2200)),
            ("22/udp", None),
            ("8080-80", None),
            ("1:100/tcp", None),
            ("", None),
        ] {
            assert_eq!(outside_port(outports, 22), port, "{outports}");
        }
    }
}
