//! The reference walker.
#![no_std]
