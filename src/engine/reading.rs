//! Looks at the world. Who has one takes no second: a writer that waits in between lets nobody in before
//! it, and both would wait for ever. Debug builds, and so the tests, refuse it. A look that stands in an
//! expression is held to the end of its statement.

use super::world::World;
use std::ops::Deref;
use std::sync::{RwLock, RwLockReadGuard};

pub struct Reading<'a> {
    world: RwLockReadGuard<'a, World>,
    #[cfg(debug_assertions)]
    _alone: alone::Alone,
}

impl<'a> Reading<'a> {
    #[track_caller]
    pub(super) fn of(world: &'a RwLock<World>) -> Self {
        Self {
            #[cfg(debug_assertions)]
            _alone: alone::Alone::here(),
            world: world.read().expect("no panic while held"),
        }
    }
}

impl Deref for Reading<'_> {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

#[cfg(debug_assertions)]
mod alone {
    use std::cell::Cell;
    use std::panic::Location;

    thread_local! {
        static HELD: Cell<Option<&'static Location<'static>>> = const { Cell::new(None) };
    }

    /// The thread's one look at a world.
    pub struct Alone;

    impl Alone {
        #[track_caller]
        pub fn here() -> Self {
            if let Some(first) = HELD.replace(Some(Location::caller())) {
                panic!("the world is looked at a second time beside {first}");
            }
            Self
        }
    }

    impl Drop for Alone {
        fn drop(&mut self) {
            HELD.set(None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_look_after_the_other() {
        let world = RwLock::new(World::default());
        let vms = Reading::of(&world).vms.len();
        assert_eq!((vms, Reading::of(&world).disks.len()), (0, 0));
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "a second time")]
    fn no_look_beside_another() {
        let world = RwLock::new(World::default());
        let (_first, _second) = (Reading::of(&world), Reading::of(&world));
    }
}
