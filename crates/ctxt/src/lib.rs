//! Contextualization: SSH, Ansible on the master, the detached runner, its events.
