// What QEMU asks of a guest's ACPI: let go of unplugged devices, obey the power button.
#include "mini.h"

// The PCI hotplug registers. SELECT chooses a bus; EJECT takes a mask of slots.
#define PLUGGED (hotplug_base + 0)
#define UNPLUGGED (hotplug_base + 4)
#define EJECT (hotplug_base + 8)
#define SELECT (hotplug_base + 0x10)
#define MAX_BUSES 34

// The power management registers.
#define PM_STATUS (pm_base + 0)
#define PM_ENABLE (pm_base + 2)
#define PM_CONTROL (pm_base + 4)
#define POWER_BUTTON 0x0100
#define SLEEP_S5 0x2000

#define ID_Q35 0x29c0
#define Q35_BRIDGE (0x1f << 3)           // 0:1f.0
#define PIIX4_POWER (1 << 3 | 3)         // 0:1.3
#define REG_PM_BASE 0x40

int acpi_acknowledge_eject = 1;
int acpi_obey_power_button = 1;

static u16 hotplug_base;
static u16 pm_base;

void acpi_init(void) {
    int q35 = pci_read32(0, 0) >> 16 == ID_Q35;
    if (q35) {
        hotplug_base = 0x0cc0;
        pm_base = pci_read16(Q35_BRIDGE, REG_PM_BASE) & 0xff80;
    } else {
        hotplug_base = 0xae00;
        pm_base = pci_read16(PIIX4_POWER, REG_PM_BASE) & 0xffc0;
    }
    outw(PM_STATUS, 0xffff);
    outw(PM_ENABLE, POWER_BUTTON);
    put("GUEST-READY mini ");
    put(q35 ? "q35\n" : "pc\n");
}

void acpi_power_off(void) { outw(PM_CONTROL, SLEEP_S5); }

static void announce(const char *what, u32 bus, u32 slots) {
    put(what);
    put(" bus=");
    put_number(bus);
    put(" slots=");
    put_hex(slots, 8);
    put_char('\n');
}

static void poll_bus(u32 bus) {
    outl(SELECT, bus);
    u32 plugged = inl(PLUGGED);
    u32 unplugged = inl(UNPLUGGED);
    if (unplugged && unplugged != ~0u) {
        announce("!EJECT", bus, unplugged);
        for (u32 slot = 1; slot; slot <<= 1)
            if (unplugged & slot)
                outl(EJECT, slot);
    }
    if (plugged && plugged != ~0u)
        announce("!INSERT", bus, plugged);
}

void acpi_poll(void) {
    if (acpi_acknowledge_eject) {
        for (u32 bus = 0; bus < MAX_BUSES; bus++)
            poll_bus(bus);
        outl(SELECT, 0);
    }
    if (acpi_obey_power_button && inw(PM_STATUS) & POWER_BUTTON) {
        outw(PM_STATUS, POWER_BUTTON);
        put("!POWERBUTTON\n");
        acpi_power_off();
    }
}
