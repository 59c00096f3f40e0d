//! Copies of traffic between taps, by the kernel's traffic control: u32 and mirred on clsact.
//!
//! What is there is read back each time, so that taps that came and went, a half done change and an
//! earlier daemon's rules need no memory of ours. Rules of others on the same taps stay.

use super::command;
use crate::engine::ports::{Copies, Mirrors, TapCopies};
use crate::error::{Error, Result};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

/// Our rules' own number among a tap's rules.
const PREFERENCE: &str = "49217";
const DEADLINE: Duration = Duration::from_secs(10);

/// The host's `tc`.
#[derive(Debug, Default)]
pub struct Tc;

/// A queueing discipline, as `tc -j qdisc` has it.
#[derive(Deserialize)]
struct Qdisc {
    kind: String,
    dev: String,
}

/// A filter, as `tc -j filter` has it; only its rules have options.
#[derive(Deserialize)]
struct Filter {
    pref: u32,
    #[serde(default)]
    options: Options,
}

#[derive(Default, Deserialize)]
struct Options {
    #[serde(default)]
    actions: Vec<Copying>,
}

#[derive(Deserialize)]
struct Copying {
    to_dev: Option<String>,
}

/// What a tap has in one direction.
#[derive(Default)]
struct Present {
    to: BTreeSet<String>,
    /// Somebody else has rules there.
    shared: bool,
}

impl Mirrors for Tc {
    fn has_bridge(&self, name: &str) -> Result<bool> {
        // A name that is more than one could lead anywhere.
        let one = !name.is_empty() && !name.contains('/') && name != "..";
        Ok(one && Path::new("/sys/class/net").join(name).join("bridge").is_dir())
    }

    fn set(&self, wanted: &Copies) -> Result<()> {
        let done = bring(wanted);
        done.map_err(|why| {
            Error::unsupported(
                "Cannot mirror a port. The host's kernel does not copy traffic between interfaces.",
            )
            .because(why)
        })
    }
}

fn bring(wanted: &Copies) -> Result<(), String> {
    let ready = match prepared_taps() {
        Ok(taps) => taps,
        // Where nothing can be asked for, nothing can have been made.
        Err(_) if wanted.is_empty() => return Ok(()),
        Err(why) => return Err(why),
    };
    let none = TapCopies::default();
    for tap in ready.iter().chain(wanted.keys()).collect::<BTreeSet<_>>() {
        match bring_tap(tap, ready.contains(tap), wanted.get(tap).unwrap_or(&none)) {
            // It went with its VM; the next look at that VM comes here again.
            Err(why) if why.contains("Cannot find device") => {}
            other => other?,
        }
    }
    Ok(())
}

fn bring_tap(tap: &str, prepared: bool, wanted: &TapCopies) -> Result<(), String> {
    if !prepared && !wanted.to.is_empty() {
        tc(&["qdisc", "add", "dev", tap, "clsact"])?;
    }
    let nobody = BTreeSet::new();
    let mut shared = false;
    let mut ours = false;
    for (direction, wanted) in [
        // A tap's ingress is what its guest sends.
        ("ingress", &wanted.to),
        ("egress", if wanted.sent_only { &nobody } else { &wanted.to }),
    ] {
        let present = match prepared {
            true => present(tap, direction)?,
            false => Present::default(),
        };
        shared |= present.shared;
        ours |= !present.to.is_empty();
        if present.to == *wanted {
            continue;
        }
        if !present.to.is_empty() {
            tc(&["filter", "del", "dev", tap, direction, "pref", PREFERENCE])?;
        }
        if !wanted.is_empty() {
            let mut rule =
                vec!["filter", "add", "dev", tap, direction, "pref", PREFERENCE, "protocol", "all"];
            rule.extend(["u32", "match", "u32", "0", "0"]);
            for to in wanted {
                rule.extend(["action", "mirred", "egress", "mirror", "dev", to]);
            }
            tc(&rule)?;
        }
    }
    match wanted.to.is_empty() && ours && !shared {
        true => tc(&["qdisc", "del", "dev", tap, "clsact"]),
        false => Ok(()),
    }
}

/// The interfaces that can have rules.
fn prepared_taps() -> Result<BTreeSet<String>, String> {
    let all: Vec<Qdisc> = ask(&["-j", "qdisc", "show"])?;
    Ok(all.into_iter().filter(|qdisc| qdisc.kind == "clsact").map(|qdisc| qdisc.dev).collect())
}

fn present(tap: &str, direction: &str) -> Result<Present, String> {
    let filters: Vec<Filter> = ask(&["-j", "filter", "show", "dev", tap, direction])?;
    let mut present = Present::default();
    for filter in filters {
        match filter.pref.to_string() == PREFERENCE {
            true => {
                present.to.extend(filter.options.actions.into_iter().filter_map(|copying| copying.to_dev))
            }
            false => present.shared = true,
        }
    }
    Ok(present)
}

fn tc(args: &[&str]) -> Result<(), String> {
    command::run(Path::new("tc"), args, DEADLINE)
}

fn ask<T: serde::de::DeserializeOwned>(args: &[&str]) -> Result<T, String> {
    let answer = command::output(Path::new("tc"), args, DEADLINE)?;
    serde_json::from_slice(&answer).map_err(|why| format!("tc: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_back() {
        let shown = r#"[{"protocol":"all","pref":49217,"kind":"u32","chain":0},
            {"protocol":"all","pref":49217,"kind":"u32","chain":0,"options":{"fh":"800:","ht_divisor":1}},
            {"protocol":"all","pref":49217,"kind":"u32","chain":0,"options":{"fh":"800::800","actions":[
                {"order":1,"kind":"mirred","direction":"egress","to_dev":"vnet1"},
                {"order":2,"kind":"mirred","direction":"egress","to_dev":"vnet2"}]}},
            {"protocol":"ip","pref":7,"kind":"u32","options":{"actions":[{"kind":"gact"}]}}]"#;
        let filters: Vec<Filter> = serde_json::from_str(shown).unwrap();
        let to: Vec<&str> = filters
            .iter()
            .filter(|filter| filter.pref == 49217)
            .flat_map(|filter| &filter.options.actions)
            .filter_map(|copying| copying.to_dev.as_deref())
            .collect();
        assert_eq!(to, ["vnet1", "vnet2"]);
    }
}
