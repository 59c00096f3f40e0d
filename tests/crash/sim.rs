//! One fault at every call of an operation, over the simulated host.

use super::audit::audit;
use super::lab::Lab;
use std::fmt::Write;
use std::time::Duration;
use vireo::engine::ports::{Hypervisor, StopDetail};
use vireo::error::Result;
use vireo::model::Power;

/// What goes wrong at the n-th call to hypervisor, images or store.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// The call fails.
    Refused,
    /// It fails and so do the next ones, those of the undo among them.
    Outage,
    /// The call succeeds and its answer is a failure.
    Unanswered,
    /// The daemon is killed before the call.
    Killed,
    /// So is the host, with what was not synced.
    PowerLost,
    /// The connection to the hypervisor is lost, and is there again later.
    Disconnected,
    /// Every guest powers off.
    GuestsStop,
}

const FAULTS: [Fault; 7] = [
    Fault::Refused,
    Fault::Outage,
    Fault::Unanswered,
    Fault::Killed,
    Fault::PowerLost,
    Fault::Disconnected,
    Fault::GuestsStop,
];

/// Calls that an outage fails.
const OUTAGE: u64 = 3;
/// More calls than any operation makes.
const MANY: u64 = 200;

/// A runtime whose clock runs ahead while nothing happens, and that ends its tasks with it.
fn alone<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.unwrap().block_on(work)
}

/// Does the operation with each fault at each of its calls: whatever happened, in the end it is
/// wholly there or wholly not.
pub fn sweep<T>(arrange: impl AsyncFn(&Lab) -> T, act: impl AsyncFn(&Lab, &T) -> Result<()>) {
    let (before, after) = alone(async {
        let lab = Lab::new().await;
        let things = arrange(&lab).await;
        lab.rest().await;
        let before = lab.picture();
        act(&lab, &things).await.unwrap();
        lab.rest().await;
        assert_eq!(audit(&lab).await, [""; 0], "without a fault");
        (before, lab.picture())
    });
    let mut wrong = String::new();
    for fault in FAULTS {
        for n in 1..MANY {
            let (reached, found, picture) = afflicted(fault, n, &arrange, &act);
            if !reached {
                break;
            }
            for what in found {
                writeln!(wrong, "{fault:?} at {n}: {what}").unwrap();
            }
            if fault != Fault::GuestsStop && picture != before && picture != after {
                writeln!(wrong, "{fault:?} at {n}: half done:\n{picture}").unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}before:\n{before}after:\n{after}");
}

/// One run with one fault: was the call reached, what is wrong afterwards, and what is there.
fn afflicted<T>(
    fault: Fault,
    n: u64,
    arrange: &impl AsyncFn(&Lab) -> T,
    act: &impl AsyncFn(&Lab, &T) -> Result<()>,
) -> (bool, Vec<String>, String) {
    let (lab, reached) = alone(async {
        let lab = Lab::new().await;
        let things = arrange(&lab).await;
        lab.rest().await;
        let first = lab.steps.calls();
        let sim = lab.sim.clone();
        match fault {
            Fault::Refused => lab.steps.fail_at(n),
            Fault::Outage => lab.steps.fail_during(n, OUTAGE),
            Fault::Unanswered => lab.steps.lose_answer_at(n),
            Fault::Killed | Fault::PowerLost => lab.steps.cut_at(n),
            Fault::Disconnected => lab.steps.interrupt_at(n, move || sim.disconnect()),
            Fault::GuestsStop => lab.steps.interrupt_at(n, move || stop_guests(&sim)),
        }
        // What the client hears decides nothing.
        let _ = act(&lab, &things).await;
        // What events began goes on after the answer.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let reached = lab.steps.calls() - first >= n;
        if !matches!(fault, Fault::Killed | Fault::PowerLost) {
            lab.steps.heal();
            if fault == Fault::Disconnected && reached {
                lab.sim.connect();
            }
            lab.rest().await;
            return (Err((audit(&lab).await, lab.picture())), reached);
        }
        (Ok(lab), reached)
    });
    let lab = match lab {
        Ok(lab) => lab,
        Err((wrong, picture)) => return (reached, wrong, picture),
    };
    alone(async {
        lab.steps.heal();
        let store = match fault {
            Fault::PowerLost => lab.store.after_power_loss(),
            _ => lab.store.reopened(),
        };
        let lab = lab.restarted(store.unwrap()).await;
        lab.rest().await;
        (reached, audit(&lab).await, lab.picture())
    })
}

fn stop_guests(sim: &vireo::sim::Simulated) {
    for seen in sim.domains().unwrap() {
        if !matches!(seen.power, Power::Off | Power::Saved) {
            sim.stop(seen.id, StopDetail::Shutdown);
        }
    }
}
