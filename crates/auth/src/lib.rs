//! Auth lines, headers, identities and authorization.
