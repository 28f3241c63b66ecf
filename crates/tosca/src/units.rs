//! Numbers with units: `2 GB`, `2.5 GHz`, `10 m`.

use std::fmt;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnitKind {
    /// `scalar-unit.size`, in bytes.
    Size,
    /// `scalar-unit.frequency`, in hertz.
    Frequency,
    /// `scalar-unit.time`, in nanoseconds.
    Time,
}

const SIZES: &[(&str, i128)] = &[
    ("B", 1),
    ("kB", 1_000),
    ("KiB", 1 << 10),
    ("MB", 1_000_000),
    ("MiB", 1 << 20),
    ("GB", 1_000_000_000),
    ("GiB", 1 << 30),
    ("TB", 1_000_000_000_000),
    ("TiB", 1 << 40),
];

const FREQUENCIES: &[(&str, i128)] = &[("Hz", 1), ("kHz", 1_000), ("MHz", 1_000_000), ("GHz", 1_000_000_000)];

const SECOND: i128 = 1_000_000_000;

const TIMES: &[(&str, i128)] = &[
    ("d", 86_400 * SECOND),
    ("h", 3_600 * SECOND),
    ("m", 60 * SECOND),
    ("s", SECOND),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

impl UnitKind {
    /// What a type's name measures.
    pub fn of_type(name: &str) -> Option<Self> {
        match name {
            "scalar-unit.size" => Some(Self::Size),
            "scalar-unit.frequency" => Some(Self::Frequency),
            "scalar-unit.time" => Some(Self::Time),
            _ => None,
        }
    }

    fn units(self) -> &'static [(&'static str, i128)] {
        match self {
            Self::Size => SIZES,
            Self::Frequency => FREQUENCIES,
            Self::Time => TIMES,
        }
    }

    /// The units, for messages.
    pub fn names(self) -> String {
        let names: Vec<&str> = self.units().iter().map(|(name, _)| *name).collect();
        names.join(", ")
    }
}

/// A number with its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantity {
    /// The digits without the point.
    digits: i128,
    /// How many of them stand after the point.
    decimals: u32,
    unit: &'static str,
    factor: i128,
    /// Whether the unit was written in another letter case.
    pub other_case: bool,
    /// Whether something that means nothing follows.
    pub trailing: bool,
}

impl Quantity {
    /// Reads a number and a unit of this kind.
    pub fn parse(kind: UnitKind, text: &str) -> Option<Self> {
        let text = text.trim_start();
        let end = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len());
        let (number, rest) = text.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if number.is_empty() || number == "." || fraction.contains('.') || number.len() > 20 {
            return None;
        }
        let rest = rest.trim_start();
        let end = rest
            .find(|c: char| !c.is_alphanumeric() && c != '_')
            .unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        let units = kind.units();
        let exact = units.iter().find(|(name, _)| *name == word);
        let (unit, factor) = exact.or_else(|| units.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)))?;
        Some(Self {
            digits: format!("{whole}{fraction}").parse().ok()?,
            decimals: u32::try_from(fraction.len()).ok()?,
            unit,
            factor: *factor,
            other_case: exact.is_none(),
            trailing: !after.trim().is_empty(),
        })
    }

    /// How many bytes, hertz or nanoseconds; halves are rounded up.
    pub fn base(self) -> i128 {
        let scale = 10_i128.pow(self.decimals);
        let scaled = self.digits.saturating_mul(self.factor);
        scaled.saturating_add(scale / 2) / scale
    }

    /// The number without its unit.
    pub fn number(self) -> f64 {
        // Exact for all numbers that anybody writes.
        #[allow(clippy::cast_precision_loss)]
        let (digits, scale) = (self.digits as f64, 10_i128.pow(self.decimals) as f64);
        digits / scale
    }

    /// The unit, as it should be written.
    pub fn unit(self) -> &'static str {
        self.unit
    }

    /// In bytes, hertz or nanoseconds, for comparing.
    pub(crate) fn measure(self) -> f64 {
        // Comparing needs no more digits than a float has.
        #[allow(clippy::cast_precision_loss)]
        let factor = self.factor as f64;
        self.number() * factor
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number(), self.unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes, shown) in [
            ("2 GB", 2_000_000_000, "2 GB"),
            ("2GB", 2_000_000_000, "2 GB"),
            ("2 gb", 2_000_000_000, "2 GB"),
            ("1.5 KiB", 1536, "1.5 KiB"),
            ("1.3333 GiB", 1_431_619_974, "1.3333 GiB"),
            ("0 GiB", 0, "0 GiB"),
            ("10 MB and more", 10_000_000, "10 MB"),
            (".5 kB", 500, "0.5 kB"),
        ] {
            let read = Quantity::parse(UnitKind::Size, text).unwrap();
            assert_eq!((read.base(), read.to_string().as_str()), (bytes, shown), "{text}");
        }
        for bad in [
            "2",
            "2 G",
            "2 PB",
            "-2 GB",
            "1e3 MB",
            "GB",
            "",
            "1.2.3 GB",
            "99999999999999999999999 GB",
        ] {
            assert_eq!(Quantity::parse(UnitKind::Size, bad), None, "{bad}");
        }
    }

    #[test]
    fn others() {
        let minutes = Quantity::parse(UnitKind::Time, "5 M").unwrap();
        assert_eq!((minutes.base(), minutes.other_case), (300 * SECOND, true));
        assert_eq!(
            Quantity::parse(UnitKind::Frequency, "2.4 GHz").unwrap().base(),
            2_400_000_000
        );
        assert_eq!(Quantity::parse(UnitKind::Frequency, "2.4 GB"), None);
    }
}
