//! The runner of the conformance recordings.
