//! Checks golden against vectors of the specification.
