//! TOSCA: parsing, validation and conversion to RADL. Pure: no IO.

pub mod library;
