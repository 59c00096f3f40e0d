//! The unmodified clients of version 3 against the running daemon (README.md).

use crate::live::harness::{Daemon, Host, Options, PASSWORD, USER, guests, skip};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The environment of the SDK; `None`, after having said so, where there is none.
fn sdk() -> Option<PathBuf> {
    let sdk = std::env::var_os("VIREO_TEST_SDK").map(PathBuf::from);
    if sdk.is_none() {
        skip("version 3 SDK and shell: VIREO_TEST_SDK is not set (tests/run sets it)");
    }
    sdk
}

/// A daemon with TLS, as clients know it.
fn daemon() -> Option<(Daemon, Host)> {
    guests()?;
    let host = Host::start(&[]);
    Some((Daemon::start(&host, &Options { tls: true, ..Options::default() }), host))
}

fn url(daemon: &Daemon) -> String {
    format!("https://localhost:{}/ovirt-engine/api", daemon.port)
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(name)
}

/// A script of the SDK's, told where the daemon is and who asks.
fn scenario(sdk: &Path, daemon: &Daemon, name: &str) -> Command {
    let mut command = Command::new(sdk.join("bin/python"));
    command.arg(script(name));
    command.args(["--url", &url(daemon), "--user", USER, "--password", PASSWORD, "--ca"]).arg(daemon.ca());
    command
}

/// The client says itself what is wrong; its last word is `passed`.
fn passes(client: &mut Command) {
    let ended = client.output().unwrap();
    let said = String::from_utf8_lossy(&ended.stdout);
    let complaints = String::from_utf8_lossy(&ended.stderr);
    let passed = ended.status.success() && said.trim_end().ends_with("passed");
    assert!(passed, "{}\n{said}\n{complaints}", ended.status);
}

#[test]
fn the_sdk_does_the_main_job() {
    let (Some(sdk), Some((daemon, _host))) = (sdk(), daemon()) else { return };
    let folder = guests().unwrap();
    passes(
        scenario(&sdk, &daemon, "sdk3_main_job.py")
            .arg("--kernel")
            .arg(folder.join("linux-kernel"))
            .arg("--initrd")
            .arg(folder.join("linux-initrd"))
            .args(["--cmdline", "console=ttyS0 quiet"]),
    );
}

#[test]
fn the_sdk_drives_networks_and_devices() {
    let (Some(sdk), Some((daemon, _host))) = (sdk(), daemon()) else { return };
    std::fs::write(daemon.state.join("isos/tools.iso"), vec![0; 1 << 20]).unwrap();
    passes(
        scenario(&sdk, &daemon, "sdk3_devices.py")
            .args(["--iso", "tools.iso", "--kernel"])
            .arg(guests().unwrap().join("mini.elf")),
    );
}

#[test]
fn the_sdk_looks_things_up_as_administrator_and_as_user() {
    let (Some(sdk), Some((daemon, _host))) = (sdk(), daemon()) else { return };
    passes(&mut scenario(&sdk, &daemon, "sdk3_users.py"));
}

#[test]
fn the_sdk_takes_snapshots() {
    let (Some(sdk), Some((daemon, _host))) = (sdk(), daemon()) else { return };
    passes(
        scenario(&sdk, &daemon, "sdk3_snapshots.py").arg("--kernel").arg(guests().unwrap().join("halt.elf")),
    );
}

#[test]
fn the_sdk_rolls_vms_out() {
    let (Some(sdk), Some((daemon, _host))) = (sdk(), daemon()) else { return };
    passes(
        scenario(&sdk, &daemon, "sdk3_templates.py").arg("--kernel").arg(guests().unwrap().join("halt.elf")),
    );
}

#[test]
fn the_sdk_backs_a_vm_up() {
    let (Some(sdk), Some((daemon, host))) = (sdk(), daemon()) else { return };
    let folder = host.root.join("backups");
    std::fs::create_dir_all(&folder).unwrap();
    let mut scenario = scenario(&sdk, &daemon, "sdk3_exports.py");
    scenario.arg("--kernel").arg(guests().unwrap().join("halt.elf"));
    passes(scenario.arg("--folder").arg(folder));
}

#[test]
fn the_sdk_sets_limits_and_hands_vms_out() {
    let (Some(sdk), Some((daemon, _host))) = (sdk(), daemon()) else { return };
    passes(scenario(&sdk, &daemon, "sdk3_limits.py").arg("--kernel").arg(guests().unwrap().join("halt.elf")));
}

#[test]
fn the_shell_holds_a_session() {
    let (Some(sdk), Some((daemon, _host))) = (sdk(), daemon()) else { return };
    let mut shell = Command::new(script("shell_session.sh"));
    passes(shell.arg(sdk).args([&url(&daemon), USER, PASSWORD]).arg(daemon.ca()));
}
