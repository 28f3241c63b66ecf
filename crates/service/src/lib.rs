//! What can be asked of the Infrastructure Manager: create, add, remove, configure, power, alter, destroy, read.
