//! What the host offers to guests: read from libvirt's capabilities, and tried where those are not
//! to be believed. Trying takes seconds, so the findings are kept in a file.

use super::raw;
use crate::error::{Error, Result};
use crate::model::vm::RngSource;
use crate::model::{Accelerator, CpuChoice, HostFacts, HostNode, KIB, VmId, VmSpec};
use crate::xml::{self, Element};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;
use uuid::Uuid;
use virt::connect::Connect;
use virt::sys;

/// The domain of a trial start; the adapter hides it from the engine.
pub const PROBE_ID: VmId = VmId(Uuid::from_u128(0x7669_7265_6f00_4000_8000_7472_6961_6c00));

/// A loop that hardware runs in well under a millisecond takes longer than this where it is emulated.
const NATIVE: Duration = Duration::from_millis(5);
/// One run may be late by chance, on a busy host.
const RUNS: usize = 3;

/// Where there is only the second kind of control groups, whose weights go less far.
const UNIFIED: &str = "/sys/fs/cgroup/cgroup.controllers";
const UNIFIED_SHARES: u32 = 10_000;

const ARCH: &str = "x86_64";
const MACHINE: &str = "q35";
/// The CPU that QEMU's own emulation offers everywhere.
const TCG_CPU: &str = "qemu64";

/// Findings and what they hold for.
#[derive(Serialize, Deserialize)]
struct Kept {
    key: String,
    facts: HostFacts,
}

/// `libvirt 9.0.0, QEMU 7.2.22`
pub fn version(connect: &Connect) -> Result<String> {
    let spoken = |number: u32| format!("{}.{}.{}", number / 1_000_000, number / 1000 % 1000, number % 1000);
    Ok(format!("libvirt {}, QEMU {}", spoken(connect.lib_version()?), spoken(connect.hyp_version()?)))
}

pub fn host_uuid(connect: &Connect) -> Result<String> {
    let capabilities = parse(&connect.capabilities()?)?;
    capabilities.value("host/uuid").ok_or_else(|| Error::host("The host has no identity."))
}

/// The facts, probed when the cache has none for this libvirt, QEMU and kernel.
pub fn facts(connect: &Connect, wanted: Option<Accelerator>, cache: Option<&Path>) -> Result<HostFacts> {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let key = format!("{}, Linux {}, accelerator {wanted:?}", version(connect)?, kernel.trim());
    let mut facts = match cache.and_then(|file| recall(file, &key)) {
        Some(facts) => facts,
        None => {
            let facts = probe(connect, wanted)?;
            if let Some(file) = cache {
                keep(file, Kept { key, facts: facts.clone() });
            }
            facts
        }
    };
    // These may change from one start of the host to the next, and cost nothing.
    facts.nodes = host_nodes(&parse(&connect.capabilities()?)?);
    facts.cpus = facts.nodes.iter().flat_map(|node| &node.cpus).copied().collect();
    facts.memory = connect.node_info()?.memory.saturating_mul(KIB);
    facts.most_shares = if Path::new(UNIFIED).exists() { UNIFIED_SHARES } else { VmSpec::MAX_SHARES };
    facts.hwrng = Path::new(RngSource::Hwrng.file()).exists();
    Ok(facts)
}

fn recall(file: &Path, key: &str) -> Option<HostFacts> {
    let kept: Kept = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
    (kept.key == key).then_some(kept.facts)
}

/// A cache that cannot be written costs the next start its seconds, nothing more.
fn keep(file: &Path, kept: Kept) {
    let written = serde_json::to_vec(&kept).map_err(std::io::Error::from).and_then(|text| {
        let new = file.with_extension("new");
        std::fs::write(&new, text)?;
        std::fs::rename(new, file)
    });
    if let Err(why) = written {
        tracing::warn!("the host's facts cannot be kept in {}: {why}", file.display());
    }
}

fn probe(connect: &Connect, wanted: Option<Accelerator>) -> Result<HostFacts> {
    let capabilities = parse(&connect.capabilities()?)?;
    let offer = |accelerator: Accelerator| {
        let kind = Some(accelerator.domain_type());
        let text = connect.domain_capabilities(None, Some(ARCH), Some(MACHINE), kind, 0);
        text.map_err(Error::from).and_then(|text| parse(&text))
    };
    let tcg = offer(Accelerator::Tcg)?;
    let models_tcg = usable_models(&tcg);
    let cpu_tcg = match models_tcg.first() {
        Some(first) if !models_tcg.contains(TCG_CPU) => first.clone(),
        _ => TCG_CPU.to_owned(),
    };

    // libvirt looks at /dev/kvm itself; where it is missing, asking for kvm fails.
    let kvm = offer(Accelerator::Kvm).inspect_err(|why| tracing::info!("no kvm: {why}")).ok();
    let models_kvm = kvm.as_ref().map(usable_models).unwrap_or_default();
    let cpu_kvm = kvm.as_ref().and_then(|kvm| choose_cpu(connect, kvm));
    let kvm = cpu_kvm.is_some();

    let accelerator = wanted.unwrap_or_else(|| match kvm && is_native() {
        true => Accelerator::Kvm,
        false => Accelerator::Tcg,
    });
    Ok(HostFacts {
        accelerator,
        kvm,
        cpu_kvm: cpu_kvm.unwrap_or(CpuChoice::HostModel),
        cpu_tcg: CpuChoice::Named(cpu_tcg),
        models_kvm,
        models_tcg,
        machines: machines(&capabilities),
        cpus: BTreeSet::new(),
        memory: 0,
        nodes: Vec::new(),
        spice: has_spice(&tcg),
        most_shares: 0,
        hwrng: false,
    })
}

/// Whether hardware runs the guests: /dev/kvm may be emulated, and then QEMU's own emulation is faster.
fn is_native() -> bool {
    (0..RUNS).any(|_| match raw::kvm_loop_time() {
        Ok(taken) => {
            tracing::debug!("a loop in a virtual CPU takes {taken:?}");
            taken < NATIVE
        }
        Err(why) => {
            tracing::warn!("/dev/kvm cannot be tried: {why}");
            false
        }
    })
}

/// The first CPU that a guest starts with. What libvirt calls supported may still end QEMU.
fn choose_cpu(connect: &Connect, offer: &Element) -> Option<CpuChoice> {
    let passthrough = |disable: &[&str]| CpuChoice::HostPassthrough {
        disable: disable.iter().map(|feature| (*feature).to_owned()).collect(),
    };
    let mut choices = Vec::new();
    if is_supported(offer, "host-passthrough") {
        choices.extend([passthrough(&[]), passthrough(&["arch-capabilities"])]);
    }
    if is_supported(offer, "host-model") {
        choices.push(CpuChoice::HostModel);
    }
    choices.extend(usable_models(offer).into_iter().map(CpuChoice::Named));
    let chosen = choices.into_iter().find(|choice| match try_start(connect, choice) {
        Ok(()) => true,
        Err(why) => {
            tracing::info!("guests do not start with the CPU {choice:?}: {why}");
            false
        }
    });
    if chosen.is_none() {
        tracing::warn!("libvirt offers kvm, but no guest starts with it");
    }
    chosen
}

/// Starts a domain without devices, paused, and ends it. libvirt ends it, too, should this process go.
fn try_start(connect: &Connect, choice: &CpuChoice) -> Result<()> {
    if let Ok(left_over) = connect.lookup_domain_by_uuid(PROBE_ID.0) {
        left_over.destroy()?;
    }
    let flags = sys::VIR_DOMAIN_START_PAUSED | sys::VIR_DOMAIN_START_AUTODESTROY;
    let domain = connect.create_domain_xml(&trial(choice).to_string(), flags)?;
    Ok(domain.destroy()?)
}

fn trial(choice: &CpuChoice) -> Element {
    let cpu = Element::new("cpu");
    let cpu = match choice {
        CpuChoice::HostPassthrough { disable } => {
            disable.iter().fold(cpu.with("mode", "host-passthrough"), |cpu, feature| {
                cpu.child(Element::new("feature").with("policy", "disable").with("name", feature))
            })
        }
        CpuChoice::HostModel => cpu.with("mode", "host-model"),
        CpuChoice::Named(model) => cpu
            .with("mode", "custom")
            .with("match", "exact")
            .with("check", "none")
            .child(Element::new("model").with("fallback", "allow").text(model)),
    };
    let kind = Element::new("type").with("arch", ARCH).with("machine", MACHINE).text("hvm");
    Element::new("domain")
        .with("type", Accelerator::Kvm.domain_type())
        .child(Element::new("name").text(format_args!("vireo-trial-{PROBE_ID}")))
        .child(Element::new("uuid").text(PROBE_ID))
        .child(Element::new("memory").with("unit", "MiB").text(16))
        .child(Element::new("vcpu").text(1))
        .child(Element::new("os").child(kind))
        .child(cpu)
        .child(
            Element::new("devices")
                .child(Element::new("controller").with("type", "usb").with("model", "none"))
                .child(Element::new("memballoon").with("model", "none")),
        )
}

fn parse(text: &str) -> Result<Element> {
    xml::parse(text.as_bytes()).map_err(|why| Error::bug(format_args!("libvirt's capabilities: {why}")))
}

fn mode<'a>(offer: &'a Element, name: &str) -> Option<&'a Element> {
    offer.at("cpu")?.elements().find(|mode| mode.name == "mode" && mode.get("name") == Some(name))
}

fn is_supported(offer: &Element, name: &str) -> bool {
    mode(offer, name).is_some_and(|mode| mode.get("supported") == Some("yes"))
}

fn usable_models(offer: &Element) -> BTreeSet<String> {
    let models = mode(offer, "custom").into_iter().flat_map(|mode| mode.all("model"));
    models.filter(|model| model.get("usable") == Some("yes")).map(Element::content).collect()
}

fn has_spice(offer: &Element) -> bool {
    let lists = offer.every("devices/graphics/enum");
    lists.iter().any(|list| list.all("value").any(|value| value.content() == "spice"))
}

fn machines(capabilities: &Element) -> BTreeMap<String, String> {
    let arch = capabilities
        .all("guest")
        .filter(|guest| guest.value("os_type").as_deref() == Some("hvm"))
        .filter_map(|guest| guest.first("arch"))
        .find(|arch| arch.get("name") == Some(ARCH));
    let resolved = |machine: &Element| {
        let name = machine.content();
        let version = machine.get("canonical").map_or_else(|| name.clone(), str::to_owned);
        (name, version)
    };
    arch.into_iter().flat_map(|arch| arch.all("machine")).map(resolved).collect()
}

fn host_nodes(capabilities: &Element) -> Vec<HostNode> {
    let cells = capabilities.every("host/topology/cells/cell");
    let node = |cell: &&Element| {
        let siblings = cell.every("distances/sibling");
        Some(HostNode {
            index: cell.number("@id")?,
            memory: cell.number("memory").unwrap_or(0) * KIB,
            cpus: cell.every("cpus/cpu").into_iter().filter_map(|cpu| cpu.number("@id")).collect(),
            distances: siblings
                .into_iter()
                .filter_map(|sibling| Some((sibling.number("@id")?, sibling.number("@value")?)))
                .collect(),
        })
    };
    let mut nodes: Vec<HostNode> = cells.iter().filter_map(node).collect();
    nodes.sort_by_key(|node| node.index);
    nodes
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: &str = "<domainCapabilities><cpu>
        <mode name='host-passthrough' supported='yes'/>
        <mode name='host-model' supported='no'/>
        <mode name='custom' supported='yes'>
          <model usable='yes'>qemu64</model><model usable='no'>EPYC</model><model usable='yes'>kvm64</model>
        </mode></cpu>
        <devices><graphics supported='yes'><enum name='type'><value>vnc</value><value>spice</value></enum>
        </graphics></devices></domainCapabilities>";

    #[test]
    fn an_offer_is_read() {
        let offer = parse(OFFER).unwrap();
        assert!(is_supported(&offer, "host-passthrough"));
        assert!(!is_supported(&offer, "host-model"));
        assert_eq!(usable_models(&offer), ["kvm64", "qemu64"].map(String::from).into());
        assert!(has_spice(&offer));
    }

    #[test]
    fn capabilities_are_read() {
        let capabilities = parse(
            "<capabilities><host><topology><cells num='2'>
             <cell id='0'><memory unit='KiB'>2048</memory>
             <distances><sibling id='0' value='10'/><sibling id='1' value='20'/></distances>
             <cpus num='1'><cpu id='0'/></cpus></cell>
             <cell id='1'><cpus num='1'><cpu id='3'/></cpus></cell></cells></topology></host>
             <guest><os_type>hvm</os_type><arch name='i686'><machine>isapc</machine></arch></guest>
             <guest><os_type>hvm</os_type><arch name='x86_64'>
             <machine canonical='pc-q35-7.2'>q35</machine><machine>pc-q35-7.2</machine>
             <domain type='kvm'/></arch></guest></capabilities>",
        )
        .unwrap();
        let nodes = host_nodes(&capabilities);
        assert_eq!((nodes[0].memory, &nodes[0].cpus), (2048 * KIB, &[0].into()));
        assert_eq!(nodes[0].distances, [(0, 10), (1, 20)].into());
        assert_eq!((nodes[1].index, &nodes[1].cpus), (1, &[3].into()));
        let resolved = |name: &str| (name.to_owned(), "pc-q35-7.2".to_owned());
        assert_eq!(machines(&capabilities), ["pc-q35-7.2", "q35"].map(resolved).into());
    }

    #[test]
    fn findings_hold_for_their_key_only() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("facts.json");
        assert_eq!(recall(&file, "a"), None);
        let facts = HostFacts {
            accelerator: Accelerator::Tcg,
            kvm: false,
            cpu_kvm: CpuChoice::HostModel,
            cpu_tcg: CpuChoice::Named("qemu64".into()),
            models_kvm: BTreeSet::new(),
            models_tcg: BTreeSet::new(),
            machines: BTreeMap::new(),
            cpus: BTreeSet::new(),
            memory: 0,
            nodes: Vec::new(),
            spice: false,
            most_shares: 0,
            hwrng: false,
        };
        keep(&file, Kept { key: "a".into(), facts: facts.clone() });
        assert_eq!(recall(&file, "a"), Some(facts));
        assert_eq!(recall(&file, "b"), None);
        std::fs::write(&file, "{").unwrap();
        assert_eq!(recall(&file, "a"), None);
    }
}
