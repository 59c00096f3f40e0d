//! Where and when the figures were taken.

use std::process::Command;

pub fn told(libvirt: &str) -> String {
    let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
        line.split_once(':').map_or(String::new(), |(_, value)| value.trim().to_owned())
    };
    let cpu = field(&read("/proc/cpuinfo"), "model name");
    let memory = field(&read("/proc/meminfo"), "MemTotal");
    let gib = memory.split(' ').next().and_then(|kib| kib.parse::<f64>().ok()).unwrap_or(0.0) / 1_048_576.0;
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = read("/proc/loadavg");
    let now = jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC");
    let kernel = read("/proc/sys/kernel/osrelease");
    let build = if cfg!(debug_assertions) { "debug build, no figures to quote" } else { "release build" };
    format!(
        "{now}; {cores} cores ({cpu}), {gib:.0} GiB; load before: {}; Linux {}; libvirt {libvirt}, {}; vireo {} ({build})",
        load.split(' ').next().unwrap_or_default(),
        kernel.trim(),
        qemu(),
        env!("CARGO_PKG_VERSION"),
    )
}

fn qemu() -> String {
    let said = Command::new("qemu-system-x86_64").arg("--version").output();
    let said = said.map_or(String::new(), |said| String::from_utf8_lossy(&said.stdout).into_owned());
    said.split_whitespace()
        .take(4)
        .filter(|word| *word != "emulator" && *word != "version")
        .collect::<Vec<_>>()
        .join(" ")
}
