// The i6300esb watchdog: set once and never fed.
#include "mini.h"

#define I6300ESB 0x25ab8086
#define REG_BAR0 0x10
#define REG_LOCK 0x68
#define LOCK_ENABLE 2

// Offsets in its memory; the first two are written after the key.
#define FIRST_STAGE 0x00
#define SECOND_STAGE 0x04
#define RELOAD 0x0c
#define KEY_FIRST 0x80
#define KEY_SECOND 0x86

static void write_stage(volatile u8 *memory, u32 stage, u32 milliseconds) {
    *(volatile u32 *)(memory + RELOAD) = KEY_FIRST;
    *(volatile u32 *)(memory + RELOAD) = KEY_SECOND;
    *(volatile u32 *)(memory + stage) = milliseconds;
}

// i6300esb ADDRESS MILLISECONDS: of each of its two stages.
int watchdog_command(char *line) {
    if (!take_word(&line, "i6300esb"))
        return NOT_MINE;
    struct pci_device *device = pci_find(take_address(&line));
    if (!device || device->id != I6300ESB)
        return 1;
    pci_enable(device);
    volatile u8 *memory = (volatile u8 *)(pci_read32(device->address, REG_BAR0) & ~15u);
    u32 milliseconds = take_number(&line);
    write_stage(memory, FIRST_STAGE, milliseconds);
    write_stage(memory, SECOND_STAGE, milliseconds);
    pci_write8(device->address, REG_LOCK, LOCK_ENABLE);
    return 0;
}
