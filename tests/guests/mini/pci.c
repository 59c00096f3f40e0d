// The PCI bus: configuration space, a walk over all functions, memory for devices
// that were plugged in after the firmware ran.
#include "mini.h"

#define CONFIG_ADDRESS 0xcf8
#define CONFIG_DATA 0xcfc
#define MAX_DEVICES 48
#define MAX_WINDOWS 8

#define REG_ID 0x00
#define REG_COMMAND 0x04
#define REG_CLASS 0x08
#define REG_HEADER_TYPE 0x0e
#define REG_BAR0 0x10
#define REG_SECONDARY_BUS 0x19
#define REG_WINDOW 0x20             // of a bridge: limit << 16 | base, in MiB
#define REG_PREFETCH_WINDOW 0x24
#define REG_PREFETCH_UPPER 0x28

#define COMMAND_IO_MEMORY_MASTER 7
#define MULTI_FUNCTION 0x80
#define CLASS_PCI_BRIDGE 0x0604

#define BAR_IS_IO 1
#define BAR_TYPE 6
#define BAR_IS_64 4
#define BAR_PREFETCH 8
#define BAR_FLAGS 15u

struct pci_device pci_devices[MAX_DEVICES];
int pci_count;

static u32 select(u32 address, u32 reg) { return 0x80000000u | address << 8 | (reg & ~3u); }

u32 pci_read32(u32 address, u32 reg) {
    outl(CONFIG_ADDRESS, select(address, reg));
    return inl(CONFIG_DATA);
}

u16 pci_read16(u32 address, u32 reg) { return pci_read32(address, reg) >> ((reg & 2) * 8); }

u8 pci_read8(u32 address, u32 reg) { return pci_read32(address, reg) >> ((reg & 3) * 8); }

void pci_write32(u32 address, u32 reg, u32 value) {
    outl(CONFIG_ADDRESS, select(address, reg));
    outl(CONFIG_DATA, value);
}

void pci_write8(u32 address, u32 reg, u8 value) {
    outl(CONFIG_ADDRESS, select(address, reg));
    outb(CONFIG_DATA + (reg & 3), value);
}

static void scan_bus(u32 bus, u32 parent);

// Returns whether further functions of the same slot may follow.
static int scan_function(u32 address, u32 parent) {
    int first = (address & 7) == 0;
    u32 id = pci_read32(address, REG_ID);
    if (id == 0 || id == ~0u)
        return !first;
    u32 class = pci_read32(address, REG_CLASS) >> 8;
    if (pci_count < MAX_DEVICES)
        pci_devices[pci_count++] = (struct pci_device){address, id, class, parent};
    if (class >> 8 == CLASS_PCI_BRIDGE) {
        u32 below = pci_read8(address, REG_SECONDARY_BUS);
        if (below)
            scan_bus(below, address);
    }
    return !first || pci_read8(address, REG_HEADER_TYPE) & MULTI_FUNCTION;
}

static void scan_bus(u32 bus, u32 parent) {
    for (u32 slot = 0; slot < 32; slot++)
        for (u32 function = 0; function < 8; function++)
            if (!scan_function(bus << 8 | slot << 3 | function, parent))
                break;
}

void pci_scan(void) {
    pci_count = 0;
    scan_bus(0, NO_PARENT);
}

struct pci_device *pci_find(u32 address) {
    pci_scan();
    for (int i = 0; i < pci_count; i++)
        if (pci_devices[i].address == address)
            return &pci_devices[i];
    return 0;
}

// --- memory for plugged devices ---

struct window {
    u32 base;
    u32 next;
};

static struct window windows[MAX_WINDOWS];
static int window_count;
static u32 root_hole = 0xfe400000;    // unused on both machine types

static u32 align(u32 value, u32 size) { return (value + size - 1) & ~(size - 1); }

static struct window *window_at(u32 base) {
    for (int i = 0; i < window_count; i++)
        if (windows[i].base == base)
            return &windows[i];
    struct window *window = &windows[window_count < MAX_WINDOWS ? window_count++ : 0];
    *window = (struct window){base, base};
    return window;
}

static u32 allocate(u32 parent, u32 size, int prefetch) {
    if (parent == NO_PARENT) {
        u32 start = align(root_hole, size);
        root_hole = start + size;
        return start;
    }
    u32 range = pci_read32(parent, prefetch ? REG_PREFETCH_WINDOW : REG_WINDOW);
    u32 base = (range & 0xfff0) << 16;
    u32 limit = (range & 0xfff00000) | 0xfffff;
    if (prefetch && (base > limit || pci_read32(parent, REG_PREFETCH_UPPER)))
        return allocate(parent, size, 0);    // no such window, or one beyond 4 GiB
    if (base > limit)
        return 0;
    struct window *window = window_at(base);
    u32 start = align(window->next, size);
    if (start + size - 1 > limit)
        start = base;                        // its former users were unplugged
    window->next = start + size;
    return start;
}

static void place_bar(struct pci_device *device, u32 reg, u32 flags) {
    pci_write32(device->address, reg, ~0u);
    u32 size = -(pci_read32(device->address, reg) & ~BAR_FLAGS);
    u32 start = 0;
    if (size)
        start = allocate(device->parent, size < 4096 ? 4096 : size, flags & BAR_PREFETCH);
    pci_write32(device->address, reg, start);
    if ((flags & BAR_TYPE) == BAR_IS_64)
        pci_write32(device->address, reg + 4, 0);
}

void pci_enable(struct pci_device *device) {
    u32 address = device->address;
    for (u32 reg = REG_BAR0; reg < REG_BAR0 + 6 * 4; reg += 4) {
        u32 bar = pci_read32(address, reg);
        if (bar & BAR_IS_IO)
            continue;
        int wide = (bar & BAR_TYPE) == BAR_IS_64;
        u32 upper = wide ? pci_read32(address, reg + 4) : 0;
        if (!(bar & ~BAR_FLAGS) && !upper)
            place_bar(device, reg, bar);
        if (wide)
            reg += 4;
    }
    pci_write32(address, REG_COMMAND, pci_read32(address, REG_COMMAND) | COMMAND_IO_MEMORY_MASTER);
}
