//! Durable operations: claim, replay, steps, intents, group commits.
