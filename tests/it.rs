//! Everything that is seen from outside, in one binary: each one links the whole engine.

mod api;
