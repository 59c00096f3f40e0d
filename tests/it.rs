//! The one integration binary.

mod crash;
mod live;
