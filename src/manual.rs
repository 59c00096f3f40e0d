//! Manual pages and shell completions, from the command line's own definition.

use crate::cli::Cli;
use clap::CommandFactory;
use clap_complete::{Shell, generate_to};
use std::io::Result;
use std::path::Path;

/// `man/*.1` and `completions/*` below that folder.
pub fn write(dir: &Path) -> Result<()> {
    let (pages, completions) = (dir.join("man"), dir.join("completions"));
    std::fs::create_dir_all(&pages)?;
    std::fs::create_dir_all(&completions)?;
    clap_mangen::generate_to(Cli::command(), pages)?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        generate_to(shell, &mut Cli::command(), "vireo", &completions)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_command_has_its_page() {
        let dir = tempfile::tempdir().unwrap();
        super::write(dir.path()).unwrap();
        let page = std::fs::read_to_string(dir.path().join("man/vireo-serve.1")).unwrap();
        assert!(page.contains("simulated hypervisor") && page.contains("vireo.toml"), "{page}");
        let bash = std::fs::read_to_string(dir.path().join("completions/vireo.bash")).unwrap();
        assert!(bash.contains("check-config"));
    }
}
