//! Domain templates: libvirt documents without what vireo writes itself. Built in, and
//! overridden by files of the same name in a folder of the administrator's.

use super::{Chipset, Invalid};
use crate::xml::{Element, Node, line_of, parse_lines};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

const BUILT_IN: &[(&str, &str)] = &[
    ("q35", include_str!("../../domain-templates/q35.xml")),
    ("i440fx", include_str!("../../domain-templates/i440fx.xml")),
];

/// The same, read once.
static PARSED: LazyLock<Vec<(&str, Element)>> = LazyLock::new(|| {
    let read = |text| inspect(Path::new("domain-templates"), text).expect("what is built in is tested");
    BUILT_IN.iter().map(|(name, text)| (*name, read(text))).collect()
});

/// What vireo writes itself and a template may not hold, below the root.
const OWNED: &[&str] = &[
    "name",
    "uuid",
    "description",
    "metadata",
    "maxMemory",
    "memory",
    "currentMemory",
    "vcpu",
    "iothreads",
    "cputune/shares",
    "cputune/vcpupin",
    "numatune",
    "sysinfo",
    "cpu",
    "os/boot",
    "os/kernel",
    "os/initrd",
    "os/cmdline",
    "os/bootmenu",
    "os/smbios",
    "devices/disk",
    "devices/interface",
    "devices/graphics",
    "devices/serial",
    "devices/console",
    "devices/memballoon",
];

/// What is wrong with a template's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub file: PathBuf,
    pub line: usize,
    pub reason: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file.display(), self.line, self.reason)
    }
}

impl std::error::Error for Fault {}

/// The name of the template for a machine type.
pub fn choose(machine: Option<&str>) -> Result<&'static str, Invalid> {
    let chipset = match machine {
        None => Some(Chipset::Q35),
        Some(machine) => Chipset::of(machine),
    };
    match (chipset, machine) {
        (Some(Chipset::Q35), _) => Ok("q35"),
        (Some(Chipset::I440fx), _) => Ok("i440fx"),
        (None, machine) => {
            Err(Invalid(format!("The emulated machine '{}' is not supported.", machine.unwrap_or_default())))
        }
    }
}

/// Whether the administrator's templates say other than the built-in ones.
pub fn is_overridden(override_dir: Option<&Path>) -> bool {
    BUILT_IN.iter().any(|(name, built_in)| {
        let file = override_of(name, override_dir);
        file.is_some_and(|file| std::fs::read_to_string(file).ok().as_deref() != Some(built_in))
    })
}

/// The administrator's file for a template, if there is one.
fn override_of(name: &str, override_dir: Option<&Path>) -> Option<PathBuf> {
    let file = override_dir?.join(name).with_extension("xml");
    file.exists().then_some(file)
}

/// A template by its name: the administrator's, else the built-in one.
pub fn load(name: &str, override_dir: Option<&Path>) -> Result<Element, Fault> {
    if let Some(file) = override_of(name, override_dir) {
        return read(&file);
    }
    let built_in = PARSED.iter().find(|(known, _)| *known == name);
    let missing = || fault(Path::new(name), 0, "there is no template of that name");
    built_in.map(|(_, template)| template.clone()).ok_or_else(missing)
}

/// All that is wrong with a template's file.
pub fn check(file: &Path) -> Vec<Fault> {
    match std::fs::read_to_string(file) {
        Ok(text) => inspect(file, &text).err().unwrap_or_default(),
        Err(why) => vec![fault(file, 0, why)],
    }
}

fn read(file: &Path) -> Result<Element, Fault> {
    let text = std::fs::read_to_string(file).map_err(|why| fault(file, 0, why))?;
    first(inspect(file, &text))
}

fn first(result: Result<Element, Vec<Fault>>) -> Result<Element, Fault> {
    result.map_err(|mut faults| faults.swap_remove(0))
}

fn inspect(file: &Path, text: &str) -> Result<Element, Vec<Fault>> {
    let mut root = parse_lines(text).map_err(|(line, why)| vec![fault(file, line, why)])?;
    if root.name != "domain" {
        return Err(vec![fault(file, line_of(text, &root.name).unwrap_or(1), "the root is not <domain>")]);
    }
    let line = |path: &str| line_of(text, &["domain", path].join("/")).unwrap_or(1);
    let mut faults: Vec<Fault> = OWNED
        .iter()
        .filter(|path| root.at(path).is_some())
        .map(|path| fault(file, line(path), format!("vireo writes <{path}> itself")))
        .collect();
    if root.get("type").is_some() {
        faults.push(fault(file, line_of(text, "domain").unwrap_or(1), "vireo chooses the domain's type"));
    }
    if root.value("os/type/@machine").and_then(|machine| Chipset::of(&machine)).is_none() {
        faults.push(fault(file, line("os/type"), "<os/type> names no machine of the q35 or i440fx family"));
    }
    faults.sort_by_key(|fault| fault.line);
    strip(&mut root);
    if faults.is_empty() { Ok(root) } else { Err(faults) }
}

/// Takes away the white space between elements.
fn strip(element: &mut Element) {
    if element.elements().next().is_some() {
        element.children.retain(|node| matches!(node, Node::Element(_)));
    }
    element.elements_mut().for_each(strip);
}

fn fault(file: &Path, line: usize, reason: impl ToString) -> Fault {
    Fault { file: file.to_owned(), line, reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_ones_are_good_and_found_by_machine() {
        for (machine, family) in [(None, "q35"), (Some("pc-q35-7.2"), "q35"), (Some("pc"), "pc")] {
            let template = load(choose(machine).unwrap(), None).unwrap();
            assert_eq!(template.value("os/type/@machine").as_deref(), Some(family));
        }
        assert!(choose(Some("pseries")).is_err());
        assert!(load("../q35", None).is_err());
    }

    #[test]
    fn a_copy_of_a_built_in_one_says_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!is_overridden(None) && !is_overridden(Some(folder.path())));
        let (name, text) = BUILT_IN[1];
        let file = folder.path().join(name).with_extension("xml");
        std::fs::write(&file, text).unwrap();
        assert!(!is_overridden(Some(folder.path())));
        std::fs::write(&file, text.replace("<domain", "<domain x='y'")).unwrap();
        assert!(is_overridden(Some(folder.path())));
    }

    #[test]
    fn an_administrators_file_wins_and_its_faults_have_lines() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("q35.xml");
        let faults = |text: &str| {
            std::fs::write(&file, text).unwrap();
            let faults = check(&file);
            assert_eq!(load("q35", Some(folder.path())).err(), faults.first().cloned());
            faults.into_iter().map(|fault| (fault.line, fault.reason)).collect::<Vec<_>>()
        };
        let os = "<os><type machine='q35'>hvm</type></os>";
        assert_eq!(faults(&["<domain>\n", os, "</domain>"].concat()), []);
        let two = ["<domain>\n", os, "\n<devices>\n<disk/>\n</devices><name>x</name></domain>"].concat();
        assert_eq!(faults(&two).iter().map(|fault| fault.0).collect::<Vec<_>>(), [4, 5]);
        assert!(faults(&two)[0].1.contains("devices/disk"));
        assert_eq!(faults("<domain>\n\n</dome>")[0].0, 3);
        assert_eq!(faults("<domain>\n<a>&nope;</a></domain>")[0].0, 2);
        assert_eq!(faults("<network/>")[0].1, "the root is not <domain>");
        assert_eq!(faults("\n<domain type='kvm'><os><type machine='q35'/></os></domain>")[0].0, 2);
        assert!(faults("<domain/>")[0].1.contains("machine"));
    }
}
