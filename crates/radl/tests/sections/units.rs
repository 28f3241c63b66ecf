//! Units of sizes and of performance.

use crate::{read, system_table};

#[test]
fn factors() {
    for (unit, factor) in [
        ("", 1_i64),
        ("B", 1),
        ("b", 1),
        ("K", 1000),
        ("KB", 1000),
        ("k", 1000),
        ("kb", 1000),
        ("KI", 1 << 10),
        ("KiB", 1 << 10),
        ("M", 1_000_000),
        ("MB", 1_000_000),
        ("MI", 1 << 20),
        ("mib", 1 << 20),
        ("G", 1_000_000_000),
        ("Gi", 1 << 30),
        ("GIB", 1 << 30),
        ("T", 1_000_000_000_000),
        ("TB", 1_000_000_000_000),
        ("TI", 1 << 40),
        ("TIB", 1 << 40),
    ] {
        let document = read(&format!(
            "system a (memory.size = 3{unit} and disk.0.size >= 3{unit} and disk.0.free_size = 3{unit})"
        ));
        assert_eq!(document.systems[0].memory(), Some(3 * factor), "{unit}");
        assert_eq!(
            document.systems[0].features.bytes("disk.0.size"),
            Some(3 * factor),
            "{unit}"
        );
    }
}

#[test]
fn where_units_may_stand() {
    system_table(&[
        ("an unknown one", "memory.size = 1X", "R0106"),
        ("a strange one", "disk.0.size = 1PB", "R0106"),
        ("performance needs one", "cpu.performance = 1", "R0106"),
        (
            "performance",
            "cpu.performance >= 1 ECU and cpu.performance <= 2.5gceu",
            "",
        ),
        ("performance in HRZ", "cpu.performance = 1HRZ", ""),
        ("not a size's", "cpu.performance = 1G", "R0106"),
        ("none for a count", "cpu.count = 1K", "R0106"),
        ("none for a price", "price = 1EUR", "R0106"),
        ("anything where nobody checks", "whatever = 1 bananas", ""),
        (
            "each end is looked at",
            "memory.size >= 1 and memory.size <= 2X",
            "R0106",
        ),
    ]);
}
