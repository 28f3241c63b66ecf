//! The database: rows, fenced commits, leases, sealing.
