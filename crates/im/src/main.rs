//! The service and its command line: one program, told apart by the first word or by the name it is called by.
//!
//! The only crate that names concrete clouds. Holds no logic of its own beyond putting the parts together.

mod cli;
mod keys;
mod serve;

use std::process::ExitCode;

fn main() -> ExitCode {
    // rustls takes no default of its own: every connection of this program goes through ring.
    let _ = rustls::crypto::ring::default_provider().install_default();
    cli::main()
}
