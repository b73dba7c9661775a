//! Cases are built: those that generators draw, and those of guests.

mod draws;
mod guests;
