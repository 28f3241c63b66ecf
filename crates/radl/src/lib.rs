//! RADL: parsing, checking, printing and diagnostics. Pure: no IO, no clock, no randomness.
